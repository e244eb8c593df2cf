//! What a client asks for: kinds, keys and wildcards, and the messages a client may send.
//!
//! Always holds: a message with an unknown kind or an unknown field is refused with the name of what is known; a
//! selector without a field matches every value of it. Does not know: what is in the store.

use serde_json::{Map, Value as Json};

/// A class of things a dashboard shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// The whole top k of a board.
    Leaderboards,
    /// Windows of a channel's audience metrics.
    Engagement,
    /// Candles.
    Markets,
    /// Flagged messages.
    Moderation,
    /// The pipeline's own state, as the gateway sees it.
    Health,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 5] =
        [Kind::Leaderboards, Kind::Engagement, Kind::Markets, Kind::Moderation, Kind::Health];

    /// Its name in messages: that of the topic, where there is one.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Leaderboards => "leaderboards",
            Kind::Engagement => "engagement",
            Kind::Markets => "markets",
            Kind::Moderation => "moderation",
            Kind::Health => "health",
        }
    }

    /// The names of the parts of a key, in order. A name that ends in `_s` is a whole number of seconds.
    #[must_use]
    pub const fn fields(self) -> &'static [&'static str] {
        match self {
            Kind::Leaderboards => &["board", "group", "window"],
            Kind::Engagement => &["channel", "window_s"],
            Kind::Markets => &["market", "interval_s"],
            Kind::Moderation => &["channel"],
            Kind::Health => &[],
        }
    }
}

/// What changes belong to: a board of one group, one channel's windows, one market's candles of an interval.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeriesKey {
    /// The kind.
    pub kind: Kind,
    /// One part for each of [`Kind::fields`].
    pub parts: Vec<Box<str>>,
}

impl SeriesKey {
    /// The key as a JSON object.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let fields = self.kind.fields().iter().zip(&self.parts).map(|(name, part)| {
            let seconds = name.ends_with("_s").then(|| part.parse::<i64>().ok()).flatten();
            ((*name).to_owned(), seconds.map_or_else(|| Json::from(&**part), Json::from))
        });
        Json::Object(fields.collect())
    }
}

/// Why a client's message was refused, in words for its author.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadMessage(pub String);

fn refuse<T>(why: impl Into<String>) -> Result<T, BadMessage> {
    Err(BadMessage(why.into()))
}

/// One line of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    kind: Kind,
    parts: Vec<Option<Box<str>>>,
    with_history: bool,
}

impl Selector {
    /// From an object such as `{"kind":"leaderboards","board":"*","group":"twitch:1"}`.
    ///
    /// # Errors
    /// If a field is unknown, missing or of the wrong type.
    pub fn from_json(object: &Map<String, Json>) -> Result<Self, BadMessage> {
        let name = object.get("kind").and_then(Json::as_str).unwrap_or_default();
        let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.name() == name) else {
            let known: Vec<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
            return refuse(format!("`kind` must be one of {}", known.join(", ")));
        };
        let mut selector = Selector { kind, parts: vec![None; kind.fields().len()], with_history: true };
        for (name, value) in object.iter().filter(|(name, _)| *name != "kind") {
            if let Some(index) = kind.fields().iter().position(|field| field == name) {
                selector.parts[index] = match value {
                    Json::String(text) if text == "*" => None,
                    Json::String(text) => Some(text.as_str().into()),
                    Json::Number(number) => Some(number.to_string().into()),
                    _ => return refuse(format!("`{name}` must be a string, a number or \"*\"")),
                };
            } else if name == "history" {
                selector.with_history = match value {
                    Json::Bool(flag) => *flag,
                    Json::String(text) if text == "true" => true,
                    Json::String(text) if text == "false" => false,
                    _ => return refuse("`history` must be true or false"),
                };
            } else {
                let known = kind.fields().join(", ");
                return refuse(format!("{} has no field `{name}`; it has history, {known}", kind.name()));
            }
        }
        Ok(selector)
    }

    fn matches(&self, key: &SeriesKey) -> bool {
        self.kind == key.kind
            && self
                .parts
                .iter()
                .zip(&key.parts)
                .all(|(asked, part)| asked.as_ref().is_none_or(|asked| asked == part))
    }
}

/// Everything one client wants.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Filter(Vec<Selector>);

impl Filter {
    /// From a list of selectors.
    ///
    /// # Errors
    /// If it is no list, is empty, is longer than `selectors_max`, or a selector is wrong.
    pub fn from_json(json: &Json, selectors_max: usize) -> Result<Self, BadMessage> {
        let Some(items) = json.as_array().filter(|items| !items.is_empty()) else {
            return refuse("`subscribe` must be a list with at least one selector");
        };
        if items.len() > selectors_max {
            return refuse(format!("at most {selectors_max} selectors, not {}", items.len()));
        }
        let selectors = items.iter().map(|item| match item {
            Json::Object(object) => Selector::from_json(object),
            _ => refuse("a selector must be an object"),
        });
        selectors.collect::<Result<_, _>>().map(Filter)
    }

    /// True if a change of this series is wanted; `is_newest`: it is the latest of its series.
    #[must_use]
    pub fn wants(&self, key: &SeriesKey, is_newest: bool) -> bool {
        self.0.iter().any(|selector| (is_newest || selector.with_history) && selector.matches(key))
    }
}

/// What a client may send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribe {
    /// From now on this and nothing else.
    pub filter: Filter,
    /// The id of the last frame that an earlier connection with the same filter received.
    pub resume: Option<String>,
}

impl Subscribe {
    /// From the text of a message.
    ///
    /// # Errors
    /// If it is anything but `{"subscribe":[...]}` with an optional `"resume":"epoch:offset"`.
    pub fn parse(text: &str, selectors_max: usize) -> Result<Self, BadMessage> {
        let json: Json = serde_json::from_str(text)
            .map_err(|error| BadMessage(format!("the message is not JSON: {error}")))?;
        let Json::Object(object) = json else { return refuse("the message must be an object") };
        if let Some(name) = object.keys().find(|name| !["subscribe", "resume"].contains(&name.as_str())) {
            return refuse(format!("unknown field `{name}`; a message has subscribe and resume"));
        }
        let resume = match object.get("resume") {
            None | Some(Json::Null) => None,
            Some(Json::String(id)) => Some(id.clone()),
            Some(_) => return refuse("`resume` must be a string"),
        };
        let filter = Filter::from_json(object.get("subscribe").unwrap_or(&Json::Null), selectors_max)?;
        Ok(Subscribe { filter, resume })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(kind: Kind, parts: &[&str]) -> SeriesKey {
        SeriesKey { kind, parts: parts.iter().map(|part| (*part).into()).collect() }
    }

    fn filter(text: &str) -> Result<Filter, String> {
        Subscribe::parse(text, 4).map(|message| message.filter).map_err(|error| error.0)
    }

    #[test]
    fn a_missing_field_and_a_star_match_everything_and_a_value_matches_itself() {
        let of = |text| filter(text).expect("a filter");
        let board = key(Kind::Leaderboards, &["top_chatters", "twitch:1", "rolling"]);
        for (text, expected) in [
            (r#"{"subscribe":[{"kind":"leaderboards"}]}"#, true),
            (r#"{"subscribe":[{"kind":"leaderboards","board":"*","group":"twitch:1"}]}"#, true),
            (r#"{"subscribe":[{"kind":"leaderboards","group":"twitch:2"}]}"#, false),
            (r#"{"subscribe":[{"kind":"leaderboards","window":"all_time"}]}"#, false),
            (r#"{"subscribe":[{"kind":"moderation"}]}"#, false),
            (r#"{"subscribe":[{"kind":"moderation"},{"kind":"leaderboards","window":"rolling"}]}"#, true),
        ] {
            assert_eq!(of(text).wants(&board, true), expected, "{text}");
        }
        let candles = key(Kind::Markets, &["binance:BTC", "60"]);
        assert!(of(r#"{"subscribe":[{"kind":"markets","interval_s":60}]}"#).wants(&candles, false));
        assert!(!of(r#"{"subscribe":[{"kind":"markets","interval_s":1}]}"#).wants(&candles, false));
        let latest = of(r#"{"subscribe":[{"kind":"markets","history":false}]}"#);
        assert!(latest.wants(&candles, true) && !latest.wants(&candles, false));
    }

    #[test]
    fn wrong_messages_say_what_would_be_right() {
        for (text, part) in [
            ("nonsense", "not JSON"),
            ("[]", "must be an object"),
            ("{}", "list with at least one"),
            (r#"{"subscribe":[]}"#, "list with at least one"),
            (r#"{"subscribe":[1]}"#, "selector must be an object"),
            (r#"{"subscribe":[{"kind":"boards"}]}"#, "leaderboards, engagement"),
            (r#"{"subscribe":[{"kind":"moderation","group":"x"}]}"#, "no field `group`"),
            (r#"{"subscribe":[{"kind":"moderation","channel":[]}]}"#, "must be a string"),
            (r#"{"subscribe":[{"kind":"health"}],"resume":7}"#, "`resume` must be a string"),
            (r#"{"subscribe":[{"kind":"health"}],"token":"t"}"#, "unknown field `token`"),
            (
                r#"{"subscribe":[{"kind":"health"},{"kind":"health"},{"kind":"health"},{"kind":"health"},{"kind":"health"}]}"#,
                "at most 4",
            ),
        ] {
            let error = filter(text).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
