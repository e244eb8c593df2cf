//! What is refused in the configuration of leaderboards, and what becomes of the rest.
//!
//! Always holds: a message says what would be right. A board's group begins with the key of its events' partitions (the channel or the
//! market), so that no two shards have parts of one group, or does not name it: see `across`. Does not know: how boards are computed.

use std::collections::BTreeSet;

use schemas::Topic;

use super::across::{check_across, is_across, is_additive, stages};
use super::offers::Offer;
use super::{
    BoardConfig, BoardField, BoardFilter, BoardGroup, BoardItem, BoardScore, BoardSource, WindowConfig,
};
use crate::config::duration::Duration;
use crate::config::validate::Problems;
use crate::leaderboards::{BoardSpec, Growth, Stage, Window};
use crate::windows::{Calendar, Span, instant};

/// Places that a board may have.
const K_MAX: u32 = 10_000;
/// Panes that a rolling window may consist of.
const PANES_MAX: i64 = 10_000;
/// The longest time between two records of a calendar window: shorter than the shortest day.
const CALENDAR_EMIT_MAX: Duration = Duration::from_secs(3600);

/// Words as a sentence has them: "a, b or c".
fn either<'w>(words: impl IntoIterator<Item = &'w str>) -> String {
    let words: Vec<&str> = words.into_iter().collect();
    match words.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => "nothing".to_owned(),
    }
}

/// The topics that a board reads: those of its events and, for what moderators take back, the chat.
pub(in crate::config) fn board_inputs(board: &BoardConfig) -> impl Iterator<Item = Topic> {
    let chat = board.retracts().then_some(Topic::Chat);
    [board.source.topic()].into_iter().chain(chat)
}

impl BoardConfig {
    /// Whether moderators' actions take back what they are about: as written, or as is usual.
    #[must_use]
    pub fn retracts(&self) -> bool {
        let is_possible = is_additive(self.score) || !is_across(self, &self.groups());
        let is_usual = self.window != WindowConfig::AllTime;
        self.source.has_moderators() && self.retract.unwrap_or(is_usual && is_possible)
    }

    /// What there is one board for: as written, or as the item needs it.
    #[must_use]
    pub fn groups(&self) -> Vec<BoardGroup> {
        match (&self.group, self.source, self.item) {
            (Some(groups), ..) => groups.0.clone(),
            (None, _, BoardItem::Channel | BoardItem::Symbol) => vec![BoardGroup::Global],
            (None, BoardSource::Trades, _) => vec![BoardGroup::Symbol],
            (None, _, BoardItem::PollOption) => vec![BoardGroup::Channel, BoardGroup::Poll],
            (None, ..) => vec![BoardGroup::Channel],
        }
    }
}

/// The boards of the job's shards, and those of its second stage.
pub(in crate::config) fn validate_boards(
    boards: &[BoardConfig],
    problems: &mut Problems,
) -> (Vec<BoardSpec>, Vec<BoardSpec>) {
    let mut names = BTreeSet::new();
    let (mut specs, mut second) = (Vec::new(), Vec::new());
    for (index, board) in boards.iter().enumerate() {
        let key = |field: &str| format!("boards[{index}].{field}");
        problems.require_name(&board.name, key("name"));
        problems.require(names.insert(board.name.as_str()), key("name"), || {
            format!("`{}` is the name of an earlier board too: every board needs its own", board.name)
        });
        let groups = board.groups();
        check_what(board, &groups, &key, problems);
        check_across(board, &groups, &key, problems);
        check_filter(board.source.offer(), &board.filter, &key, problems);
        problems.require((1..=K_MAX).contains(&board.k), key("k"), || {
            format!("is {}: a board has from 1 to {K_MAX} places", board.k)
        });
        problems.require(board.entries_max >= board.k.max(1_000), key("entries_max"), || {
            format!("is {}: it must be at least 1000, and at least k", board.entries_max)
        });
        problems.require(
            board.retract != Some(true) || board.source.has_moderators(),
            key("retract"),
            || {
                let name = board.source.offer().name;
                format!("source \"{name}\" is not moderated: leave it out, or use chat or reactions")
            },
        );
        let is_positive = problems.require_positive(board.emit_every, key("emit_every"));
        let window = validate_window(&board.window, &key, problems);
        if let (true, Some(window)) = (is_positive, &window) {
            check_emission(window, board.emit_every, &key, problems);
        }
        let growth = window.as_ref().and_then(|window| validate_growth(board.score, window, &key, problems));
        let spec = BoardSpec {
            name: board.name.clone(),
            source: board.source,
            filter: board.filter.clone(),
            groups,
            item: board.item,
            score: board.score,
            window_kind: window_kind(&board.window),
            window: window.map_or(Window::AllTime, |window| window.with_time_before(growth)),
            growth,
            k: board.k as usize,
            emit_every_micros: board.emit_every.micros(),
            retracts: board.retracts(),
            entries_max: board.entries_max as usize,
            stage: Stage::Only,
        };
        let (here, there) = stages(board, spec);
        specs.push(here);
        second.extend(there);
    }
    (specs, second)
}

fn window_kind(window: &WindowConfig) -> &'static str {
    match window {
        WindowConfig::Rolling { .. } => "rolling",
        WindowConfig::Tumbling { .. } => "tumbling",
        WindowConfig::Session { .. } => "session",
        WindowConfig::Fixed { .. } => "fixed",
        WindowConfig::Calendar { .. } => "calendar",
        WindowConfig::AllTime => "all_time",
    }
}

/// Group, item and score, and whether they go together.
fn check_what(
    board: &BoardConfig,
    groups: &[BoardGroup],
    key: &dyn Fn(&str) -> String,
    problems: &mut Problems,
) {
    let offer = board.source.offer();
    let name = offer.name;
    problems.require(offer.items.iter().any(|(item, _)| *item == board.item), key("item"), || {
        let words = either(offer.items.iter().map(|(_, word)| *word));
        format!("source \"{name}\" has no such item: it ranks {words}")
    });
    let (first_group, first_word) = offer.groups[0];
    let words = || either(offer.groups.iter().map(|(_, word)| *word));
    let is_offered = |group: &BoardGroup| offer.groups.iter().any(|(offered, _)| offered == group);
    let is_sound = problems.require(groups.iter().all(is_offered), key("group"), || {
        format!("source \"{name}\" has no such group: it has {}", words())
    }) && problems.require(!groups.is_empty(), key("group"), || {
        "is empty: leave it out, or write \"global\" for one board over everything".to_owned()
    });
    let is_first = groups.first() == Some(&first_group) || !groups.contains(&first_group);
    problems.require(is_first, key("group"), || {
        format!("must begin with {first_word}, by which the events of \"{name}\" are spread over shards: write [\"{first_word}\", ...]")
    });
    if is_sound {
        let is_twice = (1..groups.len()).any(|index| groups[..index].contains(&groups[index]));
        problems.require(!is_twice, key("group"), || "names the same twice: once is enough".to_owned());
    }
    problems.require(
        board.item != BoardItem::PollOption || groups.contains(&BoardGroup::Poll),
        key("group"),
        || {
            "would put the options of all polls on one board: write [\"channel\", \"poll\"] or leave it out"
                .to_owned()
        },
    );
    let has_currency = groups.contains(&BoardGroup::Currency)
        || board.filter.currency.as_ref().is_some_and(|list| list.len() == 1);
    match board.score {
        BoardScore::Count | BoardScore::Growth(_) => {}
        BoardScore::DistinctUsers => {
            problems.require(board.item != BoardItem::User, key("score"), || {
                "counts the users of each item, and a user is always one: rank another item, or use count"
                    .to_owned()
            });
        }
        BoardScore::Votes => {
            problems.require(board.item == BoardItem::PollOption, key("score"), || {
                "counts one vote per user in a poll: it goes with item = \"poll_option\"".to_owned()
            });
        }
        BoardScore::Sum(field) | BoardScore::Largest(field) => {
            let _ = problems.require(offer.fields.iter().any(|(known, _)| *known == field), key("score"), || {
                let words = either(offer.fields.iter().map(|(_, word)| *word));
                format!("source \"{name}\" has no such field: it has {words}")
            }) && problems.require(field != BoardField::Money || has_currency, key("score"), || {
                "adds up money of several currencies: group by [\"channel\", \"currency\"], or filter one currency"
                    .to_owned()
            }) && problems.require(board.score != BoardScore::Sum(BoardField::Price), key("score"), || {
                "adds up prices, which means nothing: use largest, or the sum of quantity or notional".to_owned()
            });
        }
    }
}

fn check_filter(offer: &Offer, filter: &BoardFilter, key: &dyn Fn(&str) -> String, problems: &mut Problems) {
    let lists = [
        ("kind", &filter.kind),
        ("channel", &filter.channel),
        ("source", &filter.source),
        ("role", &filter.role),
        ("badge", &filter.badge),
        ("emoji", &filter.emoji),
        ("currency", &filter.currency),
        ("target", &filter.target),
        ("country", &filter.country),
        ("device", &filter.device),
        ("venue", &filter.venue),
        ("symbol", &filter.symbol),
        ("aggressor", &filter.aggressor),
    ];
    let given = lists.iter().filter_map(|(name, list)| Some((*name, list.as_ref()?)));
    let given: Vec<(&str, &Vec<String>)> = given.collect();
    let is_question = filter.is_question.map(|_| "is_question");
    for name in given.iter().map(|(name, _)| *name).chain(is_question) {
        problems.require(offer.filters.contains(&name), key(&format!("filter.{name}")), || {
            let words = either(offer.filters.iter().copied());
            format!("source \"{}\" has no such field: filter by {words}", offer.name)
        });
    }
    for (name, list) in &given {
        problems.require(!list.is_empty(), key(&format!("filter.{name}")), || {
            "is empty, so that nothing would count: name at least one, or leave it out".to_owned()
        });
    }
    let words = [("kind", offer.kinds), ("aggressor", &["buy", "sell"])];
    for (name, known) in words {
        let list = given.iter().find(|(given, _)| *given == name && offer.filters.contains(&name));
        for word in list.iter().flat_map(|(_, list)| list.iter()) {
            problems.require(known.contains(&word.as_str()), key(&format!("filter.{name}")), || {
                format!("`{word}` is none: write {}", either(known.iter().copied()))
            });
        }
    }
}

/// The window; none if it cannot be, and then the problem is noted.
fn validate_window(
    window: &WindowConfig,
    key: &dyn Fn(&str) -> String,
    problems: &mut Problems,
) -> Option<Window> {
    let key = |field: &str| key(&format!("window.{field}"));
    match window {
        WindowConfig::AllTime => Some(Window::AllTime),
        WindowConfig::Tumbling { length } => {
            problems.require_positive(*length, key("length")).then_some(rolling(*length, *length))
        }
        WindowConfig::Rolling { length, slide } => {
            let (length, slide) = (*length, *slide);
            let is_sound = problems.require_positive(length, key("length"))
                && problems.require_positive(slide, key("slide"))
                && problems.require(slide <= length, key("slide"), || {
                    format!("\"{slide}\" is longer than the window, \"{length}\": it must divide it")
                })
                && problems.require_divides(slide, length, key("slide"), "the length")
                && problems.require(length.micros() / slide.micros() <= PANES_MAX, key("slide"), || {
                    format!("\"{slide}\" cuts \"{length}\" into more than {PANES_MAX} panes: make it longer")
                });
            is_sound.then_some(rolling(length, slide))
        }
        WindowConfig::Session { gap } => {
            let is_sound = problems.require_positive(*gap, key("gap"));
            is_sound.then_some(Window::Session { gap_micros: gap.micros() })
        }
        WindowConfig::Fixed { from, to } => {
            let mut read = |field: &str, text: &str| {
                let read = instant(text);
                problems.require(read.is_some(), key(field), || {
                    format!(
                        "`{text}` is not an instant: write it as \"2026-03-01T18:00:00Z\" or with an offset"
                    )
                });
                read
            };
            let (start, end) = (read("from", from), read("to", to));
            let span = Span { start: start?, end: end? };
            let is_sound = problems.require(span.start < span.end, key("to"), || {
                format!("`{to}` is not after `{from}`: the window would be empty")
            });
            is_sound.then_some(Window::Fixed(span))
        }
        WindowConfig::Calendar { unit, time_zone } => {
            let calendar = Calendar::new(*unit, time_zone);
            problems.require(calendar.is_some(), key("time_zone"), || {
                format!("`{time_zone}` is not in the time zone database: write a name such as \"Europe/Berlin\" or \"UTC\"")
            });
            calendar.map(Window::Calendar)
        }
    }
}

/// What a growth compares; none if the score is none, or it cannot be.
fn validate_growth(
    score: BoardScore,
    window: &Window,
    key: &dyn Fn(&str) -> String,
    problems: &mut Problems,
) -> Option<Growth> {
    let BoardScore::Growth(growth) = score else { return None };
    let Window::Rolling { length_micros, slide_micros } = *window else {
        problems.require(false, key("window.kind"), || {
            "has no time before that is as long as any other: a growth needs rolling or tumbling".to_owned()
        });
        return None;
    };
    let slide = Duration::from_micros(slide_micros);
    let whole = if slide_micros == length_micros { "the window's length" } else { "the slide" };
    let before = growth.before;
    let is_sound = problems.require_positive(before, key("score.growth.before"))
        && problems.require(before.micros() % slide_micros == 0, key("score.growth.before"), || {
            format!("\"{before}\" is not a multiple of {whole}, \"{slide}\"")
        })
        && problems.require(
            (length_micros + before.micros()) / slide_micros <= PANES_MAX,
            key("score.growth.before"),
            || format!("\"{before}\" and the window are more than {PANES_MAX} panes of \"{slide}\": make the slide longer"),
        )
        && problems.require(growth.minimum > 0, key("score.growth.minimum"), || {
            "is 0, so that a single event of a new item would be endless growth: it must be at least 1".to_owned()
        });
    is_sound.then(|| Growth::new(length_micros, growth))
}

fn rolling(length: Duration, slide: Duration) -> Window {
    Window::Rolling { length_micros: length.micros(), slide_micros: slide.micros() }
}

fn check_emission(
    window: &Window,
    emit_every: Duration,
    key: &dyn Fn(&str) -> String,
    problems: &mut Problems,
) {
    match *window {
        Window::Rolling { length_micros, slide_micros } => {
            let whole = if slide_micros == length_micros { "the window's length" } else { "the slide" };
            problems.require_divides(
                emit_every,
                Duration::from_micros(slide_micros),
                key("emit_every"),
                whole,
            );
        }
        Window::Calendar(_) => {
            problems.require(emit_every <= CALENDAR_EMIT_MAX, key("emit_every"), || {
                format!("\"{emit_every}\" is long for a calendar: it is at most \"{CALENDAR_EMIT_MAX}\"")
            });
        }
        Window::Session { .. } | Window::Fixed(_) | Window::AllTime => {}
    }
}
