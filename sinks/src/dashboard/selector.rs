//! What a client asks for: kinds, keys and wildcards, and the messages a client may send.
//!
//! Always holds: a message with an unknown kind or an unknown field is refused with the name of what is known; a
//! selector without a field matches every value of it. The same selectors say what somebody wants and what somebody may
//! read; a [`Filter`] lets through what both do. Does not know: what is in the store, who reads.

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::kind::part_to_json;
pub use super::kind::{Kind, SeriesKey};

/// Why a client's message was refused, in words for its author.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadMessage(pub String);

fn refuse<T>(why: impl Into<String>) -> Result<T, BadMessage> {
    Err(BadMessage(why.into()))
}

/// What a selector says of one part of a key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Pattern {
    Exactly(Box<str>),
    /// Everything that begins so; everything, if this is empty.
    Beginning(Box<str>),
}

impl Pattern {
    fn from_text(text: &str) -> Self {
        match text.strip_suffix('*') {
            Some(beginning) => Pattern::Beginning(beginning.into()),
            None => Pattern::Exactly(text.into()),
        }
    }

    fn to_text(&self) -> String {
        match self {
            Pattern::Exactly(text) => text.to_string(),
            Pattern::Beginning(text) => format!("{text}*"),
        }
    }

    fn matches(&self, part: &str) -> bool {
        match self {
            Pattern::Exactly(text) => **text == *part,
            Pattern::Beginning(text) => part.starts_with(&**text),
        }
    }

    /// True if some part matches both.
    fn overlaps(&self, other: &Pattern) -> bool {
        match (self, other) {
            (Pattern::Exactly(text), pattern) | (pattern, Pattern::Exactly(text)) => pattern.matches(text),
            (Pattern::Beginning(one), Pattern::Beginning(two)) => {
                one.starts_with(&**two) || two.starts_with(&**one)
            }
        }
    }
}

/// One line of a subscription, or of what may be read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Selector {
    kind: Kind,
    parts: Vec<Pattern>,
    with_history: bool,
}

impl Selector {
    /// Everything of a kind.
    fn of(kind: Kind) -> Self {
        let parts = kind.fields().iter().map(|_| Pattern::from_text("*"));
        Selector { kind, parts: parts.collect(), with_history: true }
    }

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
        let mut selector = Selector::of(kind);
        for (name, value) in object.iter().filter(|(name, _)| *name != "kind") {
            if let Some(index) = kind.fields().iter().position(|field| field == name) {
                selector.parts[index] = match value {
                    Json::String(text) => Pattern::from_text(text),
                    Json::Number(number) => Pattern::Exactly(number.to_string().into()),
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

    fn to_json(&self) -> Json {
        let parts = self.kind.fields().iter().zip(&self.parts);
        let parts = parts.map(|(name, pattern)| (*name, pattern.to_text())).filter(|(_, text)| text != "*");
        let mut object = Map::from_iter([("kind".to_owned(), Json::from(self.kind.name()))]);
        object.extend(parts.map(|(name, text)| (name.to_owned(), part_to_json(name, &text))));
        if !self.with_history {
            object.insert("history".to_owned(), false.into());
        }
        Json::Object(object)
    }

    fn matches(&self, key: &SeriesKey) -> bool {
        self.kind == key.kind
            && self.parts.iter().zip(&key.parts).all(|(pattern, part)| pattern.matches(part))
    }

    /// True if some series matches both.
    fn overlaps(&self, other: &Selector) -> bool {
        self.kind == other.kind && self.parts.iter().zip(&other.parts).all(|(one, two)| one.overlaps(two))
    }
}

/// A list of selectors: what somebody asks for, or may read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Selectors(Arc<[Selector]>);

impl Selectors {
    /// Everything there is.
    #[must_use]
    pub fn everything() -> Self {
        Selectors(Kind::ALL.into_iter().map(Selector::of).collect())
    }

    /// What belongs to these channels: their engagement, their moderation, their chat, and the boards of the channel and of what is
    /// within it (`twitch:1`, `twitch:1/EUR`). A channel is a pattern as in a selector.
    #[must_use]
    pub fn of_channels<'a>(channels: impl Iterator<Item = &'a str>) -> Self {
        let of = |kind: Kind, index: usize, text: &str| {
            let mut selector = Selector::of(kind);
            selector.parts[index] = Pattern::from_text(text);
            selector
        };
        let selectors = channels.flat_map(|channel| {
            [
                of(Kind::Leaderboards, 1, channel),
                of(Kind::Leaderboards, 1, &format!("{}/*", channel.trim_end_matches('*'))),
                of(Kind::Engagement, 0, channel),
                of(Kind::Moderation, 0, channel),
                of(Kind::Chat, 0, channel),
            ]
        });
        Selectors(selectors.collect())
    }

    /// These and those.
    #[must_use]
    pub fn and(&self, others: &Selectors) -> Self {
        Selectors(self.0.iter().chain(others.0.iter()).cloned().collect())
    }

    /// These without those of a kind.
    #[must_use]
    pub fn without(&self, kind: Kind) -> Self {
        Selectors(self.0.iter().filter(|selector| selector.kind != kind).cloned().collect())
    }

    /// From a list of selectors. `name`: what the list is called.
    ///
    /// # Errors
    /// If it is no list, is empty, is longer than `selectors_max`, or a selector is wrong.
    pub fn from_json(json: &Json, name: &str, selectors_max: usize) -> Result<Self, BadMessage> {
        let Some(items) = json.as_array().filter(|items| !items.is_empty()) else {
            return refuse(format!("`{name}` must be a list with at least one selector"));
        };
        if items.len() > selectors_max {
            return refuse(format!("at most {selectors_max} selectors, not {}", items.len()));
        }
        let selectors = items.iter().map(|item| match item {
            Json::Object(object) => Selector::from_json(object),
            _ => refuse("a selector must be an object"),
        });
        selectors.collect::<Result<_, _>>().map(Selectors)
    }

    /// True if some series matches this and one of them.
    fn overlap(&self, other: &Selector) -> bool {
        self.0.iter().any(|selector| selector.overlaps(other))
    }

    /// True if one of them matches; `is_newest`: it is the latest of its series.
    #[must_use]
    pub fn match_any(&self, key: &SeriesKey, is_newest: bool) -> bool {
        self.0.iter().any(|selector| (is_newest || selector.with_history) && selector.matches(key))
    }
}

/// A selector of which nothing may be read: its place in the subscription, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nothing of selector {0} (from 0) may be read with these rights")]
pub struct Forbidden(usize);

/// What one client is shown: what it asks for and may read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Filter {
    asked: Selectors,
    readable: Selectors,
    /// What nothing may be read of; none if who asks wants no such list.
    forbidden: Option<Json>,
}

impl Filter {
    /// Both lists together: a selector of which a part may be read is narrowed to that part.
    ///
    /// # Errors
    /// If nothing of a selector may be read.
    pub fn new(asked: Selectors, readable: Selectors) -> Result<Self, Forbidden> {
        match asked.0.iter().position(|asked| !readable.overlap(asked)) {
            Some(index) => Err(Forbidden(index)),
            None => Ok(Filter { asked, readable, forbidden: None }),
        }
    }

    /// The same for a client that takes what it gets: selectors of which nothing may be read are left out, and listed.
    #[must_use]
    pub fn partial(asked: Selectors, readable: Selectors) -> Self {
        let forbidden = asked.0.iter().filter(|asked| !readable.overlap(asked));
        let forbidden = forbidden.map(Selector::to_json).collect();
        Filter { asked, readable, forbidden: Some(forbidden) }
    }

    /// The list of selectors of which nothing may be read, for a client that asked for it.
    #[must_use]
    pub fn forbidden(&self) -> Option<&Json> {
        self.forbidden.as_ref()
    }

    /// True if a change of this series is to be shown; `is_newest`: it is the latest of its series.
    #[must_use]
    pub fn wants(&self, key: &SeriesKey, is_newest: bool) -> bool {
        self.asked.match_any(key, is_newest) && self.readable.match_any(key, is_newest)
    }
}

/// What a client may send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribe {
    /// From now on this and nothing else.
    pub asked: Selectors,
    /// The id of the last frame that an earlier connection with the same subscription received.
    pub resume: Option<String>,
    /// Who asks, from now on.
    pub token: Option<Token>,
    /// What may not be read is left out, instead of being refused.
    pub is_partial: bool,
}

impl Subscribe {
    /// What is to be shown to somebody who may read this.
    ///
    /// # Errors
    /// If nothing of a selector may be read, and that is not to be left out.
    pub fn filter(self, readable: Selectors) -> Result<Filter, Forbidden> {
        if self.is_partial {
            Ok(Filter::partial(self.asked, readable))
        } else {
            Filter::new(self.asked, readable)
        }
    }
}

/// A bearer's token as it came. It cannot be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(pub String);

impl std::fmt::Debug for Token {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Token(..)")
    }
}

impl Subscribe {
    /// From the text of a message.
    ///
    /// # Errors
    /// If it is anything but `{"subscribe":[...]}` with an optional `"resume":"epoch:offset"`, `"token"` and
    /// `"partial":true`.
    pub fn parse(text: &str, selectors_max: usize) -> Result<Self, BadMessage> {
        const FIELDS: [&str; 4] = ["subscribe", "resume", "token", "partial"];
        let json: Json = serde_json::from_str(text)
            .map_err(|error| BadMessage(format!("the message is not JSON: {error}")))?;
        let Json::Object(object) = json else { return refuse("the message must be an object") };
        if let Some(name) = object.keys().find(|name| !FIELDS.contains(&name.as_str())) {
            return refuse(format!("unknown field `{name}`; a message has {}", FIELDS.join(", ")));
        }
        let optional = |name: &str| match object.get(name) {
            None | Some(Json::Null) => Ok(None),
            Some(Json::String(text)) => Ok(Some(text.clone())),
            Some(_) => refuse(format!("`{name}` must be a string")),
        };
        let list = object.get("subscribe").unwrap_or(&Json::Null);
        let is_partial = match object.get("partial") {
            None | Some(Json::Null) => false,
            Some(Json::Bool(is_partial)) => *is_partial,
            Some(_) => return refuse("`partial` must be true or false"),
        };
        Ok(Subscribe {
            asked: Selectors::from_json(list, "subscribe", selectors_max)?,
            resume: optional("resume")?,
            token: optional("token")?.map(Token),
            is_partial,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn key(kind: Kind, parts: &[&str]) -> SeriesKey {
        SeriesKey { kind, parts: parts.iter().map(|part| (*part).into()).collect() }
    }

    fn filter(text: &str) -> Result<Filter, String> {
        let asked = Subscribe::parse(text, 4).map(|message| message.asked).map_err(|error| error.0)?;
        Ok(Filter::new(asked, Selectors::everything()).expect("everything may be read"))
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
            (r#"{"subscribe":[{"kind":"health"}],"token":7}"#, "`token` must be a string"),
            (r#"{"subscribe":[{"kind":"health"}],"tokens":"t"}"#, "unknown field `tokens`"),
            (r#"{"subscribe":[{"kind":"health"}],"partial":"yes"}"#, "`partial` must be true or false"),
            (
                r#"{"subscribe":[{"kind":"health"},{"kind":"health"},{"kind":"health"},{"kind":"health"},{"kind":"health"}]}"#,
                "at most 4",
            ),
        ] {
            let error = filter(text).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn what_is_shown_is_asked_for_and_may_be_read() {
        let readable = |text: &str| {
            let json = serde_json::from_str(text).expect("JSON");
            Selectors::from_json(&json, "read", 8).expect("selectors")
        };
        let one = readable(
            r#"[{"kind":"engagement","channel":"twitch:1"},{"kind":"leaderboards","group":"twitch:1/*","history":false}]"#,
        );
        let asked = |text: &str| Subscribe::parse(text, 4).expect("a message").asked;
        let all =
            asked(r#"{"subscribe":[{"kind":"engagement"},{"kind":"leaderboards","group":"twitch:*"}]}"#);
        let filter = Filter::new(all, one.clone()).expect("a part may be read");
        assert!(filter.wants(&key(Kind::Engagement, &["twitch:1", "60"]), false));
        assert!(!filter.wants(&key(Kind::Engagement, &["twitch:2", "60"]), true));
        assert!(filter.wants(&key(Kind::Leaderboards, &["b", "twitch:1/EUR", "rolling"]), true));
        assert!(!filter.wants(&key(Kind::Leaderboards, &["b", "twitch:1/EUR", "rolling"]), false));
        assert!(!filter.wants(&key(Kind::Leaderboards, &["b", "twitch:1", "rolling"]), true));
        for (text, index) in [
            (r#"{"subscribe":[{"kind":"engagement","channel":"twitch:2"}]}"#, 0),
            (r#"{"subscribe":[{"kind":"engagement"},{"kind":"engagement","channel":"twitch:10*"}]}"#, 1),
            (r#"{"subscribe":[{"kind":"leaderboards","group":"global"}]}"#, 0),
            (r#"{"subscribe":[{"kind":"health"}]}"#, 0),
        ] {
            assert_eq!(Filter::new(asked(text), one.clone()), Err(Forbidden(index)), "{text}");
        }
    }

    #[test]
    fn who_takes_what_there_is_gets_a_list_of_what_is_left_out() {
        let list = json!([
            {"kind": "engagement", "history": false},
            {"kind": "health"},
            {"kind": "markets", "market": "binance:BTC", "interval_s": 60},
            {"kind": "leaderboards", "group": "twitch:2*", "history": false},
        ]);
        let message = json!({ "subscribe": list, "partial": true }).to_string();
        let readable = || Selectors::of_channels(["twitch:1"].into_iter());
        let filter =
            Subscribe::parse(&message, 4).expect("a message").filter(readable()).expect("never refused");
        assert_eq!(filter.forbidden(), Some(&json!([list[1], list[2], list[3]])));
        assert!(filter.wants(&key(Kind::Engagement, &["twitch:1", "60"]), true));
        assert!(!filter.wants(&key(Kind::Health, &[]), true));
        let whole = json!({ "subscribe": list }).to_string();
        let refused = Subscribe::parse(&whole, 4).expect("a message").filter(readable());
        assert_eq!(refused, Err(Forbidden(1)));
    }

    #[test]
    fn a_channel_is_its_engagement_its_moderation_its_chat_and_its_boards() {
        let filter = Filter::new(Selectors::everything(), Selectors::everything()).expect("all");
        let channel = Filter { readable: Selectors::of_channels(["twitch:1"].into_iter()), ..filter };
        for (kind, parts, expected) in [
            (Kind::Engagement, &["twitch:1", "60"][..], true),
            (Kind::Engagement, &["twitch:10", "60"], false),
            (Kind::Moderation, &["twitch:1"], true),
            (Kind::Chat, &["twitch:1", "question"], true),
            (Kind::Chat, &["twitch:10", "message"], false),
            (Kind::Leaderboards, &["b", "twitch:1", "rolling"], true),
            (Kind::Leaderboards, &["b", "twitch:1/EUR", "rolling"], true),
            (Kind::Leaderboards, &["b", "twitch:10/EUR", "rolling"], false),
            (Kind::Leaderboards, &["b", "global", "rolling"], false),
            (Kind::Markets, &["m", "60"], false),
            (Kind::Health, &[], false),
        ] {
            assert_eq!(channel.wants(&key(kind, parts), true), expected, "{kind:?} {parts:?}");
        }
    }

    proptest! {
        /// Whatever comes: a subscription or words for its author, never a panic.
        #[test]
        fn any_text_is_a_message_or_refused(text in any_message()) {
            match Subscribe::parse(&text, 4) {
                Ok(message) => prop_assert!((1..=4).contains(&message.asked.0.len())),
                Err(error) => prop_assert!(!error.0.is_empty()),
            }
        }

        /// Two patterns overlap if there is something that both match.
        #[test]
        fn overlap_is_a_common_match(one in "[ab]{0,3}\\*?", two in "[ab]{0,3}\\*?", part in "[ab]{0,4}") {
            let (one, two) = (Pattern::from_text(&one), Pattern::from_text(&two));
            if one.matches(&part) && two.matches(&part) {
                prop_assert!(one.overlaps(&two) && two.overlaps(&one));
            }
        }
    }

    /// Arbitrary text, arbitrary JSON, and messages that are almost right.
    fn any_message() -> impl Strategy<Value = String> {
        let word = prop::sample::select(vec![
            "kind",
            "subscribe",
            "resume",
            "token",
            "history",
            "board",
            "group",
            "health",
            "leaderboards",
            "*",
            "",
        ]);
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<f64>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            any::<String>().prop_map(Json::from),
            word.clone().prop_map(Json::from),
        ];
        let json = leaf.prop_recursive(4, 32, 6, move |inner| {
            let object = prop::collection::vec((word.clone(), inner.clone()), 0..5);
            prop_oneof![
                prop::collection::vec(inner, 0..6).prop_map(Json::from),
                object.prop_map(|fields| {
                    Json::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
                }),
            ]
        });
        prop_oneof![
            any::<String>(),
            json.clone().prop_map(|json| json.to_string()),
            json.prop_map(|json| format!(r#"{{"subscribe":[{{"kind":"moderation","channel":{json}}}]}}"#)),
        ]
    }
}
