//! From the configuration as written to a job that can run, or everything that is wrong with it.
//!
//! Always holds: a message says what would be right; all problems are found, not only the first. Does not know: the file's
//! lines; whoever read the file does.

use std::collections::BTreeSet;
use std::sync::Arc;

use schemas::{SuggestedAction, Topic};

use super::{
    BoardConfig, BoardGroup, BoardItem, BoardSource, CandlesConfig, ConfigError, Duration, EngagementConfig,
    JobConfig, LinksConfig, ModerationConfig, RepeatedTextConfig, TermConfig, WindowConfig,
};
use crate::engagement::EngagementSpec;
use crate::job::Job;
use crate::leaderboards::{BoardSpec, RollingWindow};
use crate::markets::CandleSpec;
use crate::moderation::{
    LinksSpec, ModerationSpec, RepeatedTextSpec, TermSpec, Terms, Verdict, action_for, is_domain, normal_form,
};
use crate::shard::ShardSettings;

/// Places that a board may have.
const K_MAX: u32 = 10_000;
/// Panes that a rolling window may consist of.
const PANES_MAX: i64 = 10_000;
/// Event ids that a shard may be asked to remember.
const IDS_MIN: u32 = 1_000;
const IDS_MAX: u32 = 100_000_000;
/// Repetitions that may be asked for.
const REPETITIONS_MAX: u32 = 1_000;
/// The worst severity.
const SEVERITY_MAX: u8 = 4;

#[derive(Default)]
struct Problems(Vec<ConfigError>);

impl Problems {
    /// Adds a problem unless `holds`. Returns `holds`.
    fn require(&mut self, holds: bool, key: impl Into<String>, problem: impl FnOnce() -> String) -> bool {
        if !holds {
            self.0.push(ConfigError { key: key.into(), problem: problem() });
        }
        holds
    }

    fn require_positive(&mut self, duration: Duration, key: String) -> bool {
        self.require(duration.micros() > 0, key, || "is zero: it must be at least \"1us\"".to_owned())
    }

    fn require_name(&mut self, name: &str, key: impl Into<String>) -> bool {
        let key = key.into();
        self.require(!name.trim().is_empty(), key.clone(), || "is empty: give it a name".to_owned())
            && self.require(!name.contains('/'), key, || {
                format!(
                    "`{name}` contains `/`, which separates a board from its group in keys: use `-` or `_`"
                )
            })
    }

    fn require_divides(&mut self, part: Duration, whole: Duration, key: String, whole_is: &str) -> bool {
        self.require(whole.micros() % part.micros() == 0, key, || {
            format!("\"{part}\" does not divide {whole_is}, \"{whole}\", without remainder")
        })
    }

    fn verdict(
        &mut self,
        key: &str,
        category: &str,
        severity: u8,
        suggested_action: Option<SuggestedAction>,
    ) -> Verdict {
        self.require(!category.trim().is_empty(), format!("{key}.category"), || {
            "is empty: say what kind of trouble it is, such as \"spam\"".to_owned()
        });
        self.require(severity <= SEVERITY_MAX, format!("{key}.severity"), || {
            format!("is {severity}: it goes from 0 (note) to {SEVERITY_MAX} (worst)")
        });
        self.require(
            suggested_action != Some(SuggestedAction::Unknown),
            format!("{key}.suggested_action"),
            || "is not an action: write none, review, delete, time_out or ban".to_owned(),
        );
        let suggested_action = suggested_action.unwrap_or_else(|| action_for(severity));
        Verdict { category: category.to_owned(), severity, suggested_action }
    }
}

impl JobConfig {
    /// Checks the job called `name` and makes it ready to run.
    ///
    /// # Errors
    /// Everything that is wrong with it, in the order of the configuration.
    pub fn validate(&self, name: &str) -> Result<Job, Vec<ConfigError>> {
        let mut problems = Problems::default();
        problems.require_name(name, "name");
        let boards = validate_boards(&self.boards, &mut problems);
        let engagement =
            self.engagement.as_ref().and_then(|config| validate_engagement(config, &mut problems));
        let candles = self.candles.as_ref().map(|config| validate_candles(config, &mut problems));
        let moderation =
            self.moderation.as_ref().and_then(|config| validate_moderation(config, &mut problems));
        let inputs = self.inputs();
        problems.require(!inputs.is_empty(), "", || {
            "computes nothing: give it boards, engagement, candles or moderation".to_owned()
        });
        let mut groups = inputs.iter().map(|topic| topic.spec().partitioning);
        let first = groups.next();
        problems.require(groups.all(|group| Some(group) == first), "", || {
            "reads trades, which are keyed by market, together with events keyed by channel: make two jobs of it".to_owned()
        });
        let is_remembered = self.dedup_for.micros() > 0;
        problems.require(!is_remembered || (IDS_MIN..=IDS_MAX).contains(&self.dedup_ids_max), "dedup_ids_max", || {
            format!(
                "is {}: it goes from {IDS_MIN} to {IDS_MAX}; dedup_for = \"0s\" switches the search for duplicates off",
                self.dedup_ids_max
            )
        });
        if !problems.0.is_empty() {
            return Err(problems.0);
        }
        Ok(Job {
            name: name.to_owned(),
            settings: ShardSettings {
                lateness_micros: self.lateness.micros(),
                future_skew_micros: self.future_skew.micros(),
                dedup_for_micros: self.dedup_for.micros(),
                dedup_ids_max: self.dedup_ids_max as usize,
            },
            inputs: inputs.into_iter().collect(),
            boards,
            engagement,
            candles: candles.unwrap_or_default(),
            moderation,
        })
    }

    /// The topics that the job reads.
    fn inputs(&self) -> BTreeSet<Topic> {
        let mut inputs: BTreeSet<Topic> = self.boards.iter().map(|board| board.source.topic()).collect();
        if self.engagement.is_some() {
            inputs.extend([Topic::Chat, Topic::Reactions, Topic::Viewers]);
        }
        if self.candles.is_some() {
            inputs.insert(Topic::Trades);
        }
        if self.moderation.is_some() {
            inputs.insert(Topic::Chat);
        }
        inputs
    }
}

impl BoardSource {
    fn topic(self) -> Topic {
        match self {
            BoardSource::Chat => Topic::Chat,
            BoardSource::Reactions => Topic::Reactions,
            BoardSource::Trades => Topic::Trades,
        }
    }

    fn name(self) -> &'static str {
        match self {
            BoardSource::Chat => "chat",
            BoardSource::Reactions => "reactions",
            BoardSource::Trades => "trades",
        }
    }

    /// The items that it has, and the group.
    fn has(self) -> (&'static [BoardItem], &'static str, BoardGroup, &'static str) {
        match self {
            BoardSource::Chat => {
                (&[BoardItem::User, BoardItem::Emote], "user or emote", BoardGroup::Channel, "channel")
            }
            BoardSource::Reactions => {
                (&[BoardItem::User, BoardItem::Emoji], "user or emoji", BoardGroup::Channel, "channel")
            }
            BoardSource::Trades => (&[BoardItem::User], "user", BoardGroup::Symbol, "symbol"),
        }
    }
}

fn validate_boards(boards: &[BoardConfig], problems: &mut Problems) -> Vec<BoardSpec> {
    let mut names = BTreeSet::new();
    let mut specs = Vec::new();
    for (index, board) in boards.iter().enumerate() {
        let key = |field: &str| format!("boards[{index}].{field}");
        problems.require_name(&board.name, key("name"));
        problems.require(names.insert(board.name.as_str()), key("name"), || {
            format!("`{}` is the name of an earlier board too: every board needs its own", board.name)
        });
        let (items, item_words, group, group_word) = board.source.has();
        let source = board.source.name();
        problems.require(items.contains(&board.item), key("item"), || {
            format!("source \"{source}\" has no such item: it ranks {item_words}")
        });
        problems.require(board.group.is_none_or(|given| given == group), key("group"), || {
            format!("source \"{source}\" is grouped by {group_word}: write that or leave it out")
        });
        problems.require((1..=K_MAX).contains(&board.k), key("k"), || {
            format!("is {}: a board has from 1 to {K_MAX} places", board.k)
        });
        let is_positive = problems.require_positive(board.emit_every, key("emit_every"));
        let window = validate_window(&board.window, index, problems);
        if let (true, Ok(Some(window))) = (is_positive, &window) {
            let slide = Duration::from_micros(window.slide_micros);
            let whole =
                if window.slide_micros == window.length_micros { "the window's length" } else { "the slide" };
            problems.require_divides(board.emit_every, slide, key("emit_every"), whole);
        }
        specs.push(BoardSpec {
            name: board.name.clone(),
            source: board.source,
            item: board.item,
            window_kind: match board.window {
                WindowConfig::Rolling { .. } => "rolling",
                WindowConfig::Tumbling { .. } => "tumbling",
                WindowConfig::AllTime => "all_time",
            },
            window: window.unwrap_or(None),
            k: board.k as usize,
            emit_every_micros: board.emit_every.micros(),
        });
    }
    specs
}

/// A window that cannot be; the problem is noted.
struct BadWindow;

fn validate_window(
    window: &WindowConfig,
    index: usize,
    problems: &mut Problems,
) -> Result<Option<RollingWindow>, BadWindow> {
    let key = |field: &str| format!("boards[{index}].window.{field}");
    let (length, slide) = match *window {
        WindowConfig::AllTime => return Ok(None),
        WindowConfig::Tumbling { length } => (length, length),
        WindowConfig::Rolling { length, slide } => (length, slide),
    };
    let is_sound = problems.require_positive(length, key("length"))
        && problems.require_positive(slide, key("slide"))
        && problems.require(slide <= length, key("slide"), || {
            format!("\"{slide}\" is longer than the window, \"{length}\": it must divide it")
        })
        && problems.require_divides(slide, length, key("slide"), "the length")
        && problems.require(length.micros() / slide.micros() <= PANES_MAX, key("slide"), || {
            format!("\"{slide}\" cuts \"{length}\" into more than {PANES_MAX} panes: make it longer")
        });
    let window = RollingWindow { length_micros: length.micros(), slide_micros: slide.micros() };
    if is_sound { Ok(Some(window)) } else { Err(BadWindow) }
}

fn validate_engagement(config: &EngagementConfig, problems: &mut Problems) -> Option<EngagementSpec> {
    let key = |field: &str| format!("engagement.{field}");
    problems.require_positive(config.heartbeat_timeout, key("heartbeat_timeout"));
    let is_sound = problems.require_positive(config.window, key("window"))
        & problems.require_positive(config.emit_every, key("emit_every"));
    (is_sound && problems.require_divides(config.emit_every, config.window, key("emit_every"), "the window"))
        .then(|| EngagementSpec {
            window_micros: config.window.micros(),
            emit_every_micros: config.emit_every.micros(),
            heartbeat_timeout_micros: config.heartbeat_timeout.micros(),
        })
}

fn validate_candles(config: &CandlesConfig, problems: &mut Problems) -> Vec<CandleSpec> {
    problems.require(!config.intervals.is_empty(), "candles.intervals", || {
        "is empty: name at least one, such as \"1m\"".to_owned()
    });
    let is_positive = problems.require_positive(config.emit_every, "candles.emit_every".to_owned());
    let mut seen = BTreeSet::new();
    let mut specs = Vec::new();
    for (index, interval) in config.intervals.iter().enumerate() {
        let key = format!("candles.intervals[{index}]");
        let secs = i32::try_from(interval.micros() / 1_000_000).unwrap_or(i32::MAX);
        let is_sound = problems.require_positive(*interval, key.clone())
            && problems.require(i64::from(secs) * 1_000_000 == interval.micros(), key.clone(), || {
                format!("\"{interval}\" is not a whole number of seconds that fits in 31 bits")
            })
            && problems.require(seen.insert(*interval), key.clone(), || {
                format!("\"{interval}\" is given twice: once is enough")
            });
        if is_sound && is_positive && *interval > config.emit_every {
            problems.require_divides(
                config.emit_every,
                *interval,
                "candles.emit_every".to_owned(),
                "the interval",
            );
        }
        specs.push(CandleSpec { interval_s: secs, emit_every_micros: config.emit_every.micros() });
    }
    specs
}

fn validate_moderation(config: &ModerationConfig, problems: &mut Problems) -> Option<ModerationSpec> {
    let has_rule = !config.terms.is_empty() || config.repeated_text.is_some() || config.links.is_some();
    problems
        .require(has_rule, "moderation", || "has no rule: give it terms, repeated_text or links".to_owned());
    let specs = validate_terms(&config.terms, problems);
    let terms = match Terms::new(&specs) {
        Ok(terms) => (!specs.is_empty()).then(|| Arc::new(terms)),
        Err(error) => {
            problems.require(false, "moderation.terms", || format!("cannot be searched for: {error}"));
            None
        }
    };
    Some(ModerationSpec {
        terms,
        repeated_text: config.repeated_text.as_ref().map(|rule| validate_repeated_text(rule, problems)),
        links: config.links.as_ref().map(|rule| Arc::new(validate_links(rule, problems))),
    })
}

fn validate_terms(terms: &[TermConfig], problems: &mut Problems) -> Vec<TermSpec> {
    let mut forms = BTreeSet::new();
    let mut specs = Vec::new();
    for (index, config) in terms.iter().enumerate() {
        let key = format!("moderation.terms[{index}]");
        let term = &config.term;
        let form = normal_form(term);
        let term_key = format!("{key}.term");
        let _ = problems.require(!form.0.is_empty(), term_key.clone(), || {
            format!("`{term}` has no letter or digit: nothing would match it")
        }) && problems.require(forms.insert(form), term_key, || {
            format!("`{term}` matches the same as an earlier term: drop one")
        });
        let verdict = problems.verdict(&key, &config.category, config.severity, config.suggested_action);
        specs.push(TermSpec { term: term.clone(), verdict });
    }
    specs
}

fn validate_repeated_text(rule: &RepeatedTextConfig, problems: &mut Problems) -> RepeatedTextSpec {
    let key = "moderation.repeated_text";
    problems.require_positive(rule.within, format!("{key}.within"));
    problems.require((2..=REPETITIONS_MAX).contains(&rule.count), format!("{key}.count"), || {
        format!("is {}: it goes from 2 to {REPETITIONS_MAX}", rule.count)
    });
    problems.require(rule.min_length > 0, format!("{key}.min_length"), || {
        "is 0: it must be at least 1, since texts without letters and digits are not compared".to_owned()
    });
    RepeatedTextSpec {
        within_micros: rule.within.micros(),
        count: rule.count as usize,
        min_length: rule.min_length as usize,
        verdict: problems.verdict(key, &rule.category, rule.severity, rule.suggested_action),
    }
}

fn validate_links(rule: &LinksConfig, problems: &mut Problems) -> LinksSpec {
    let mut seen = BTreeSet::new();
    for (index, domain) in rule.allow.iter().enumerate() {
        let key = format!("moderation.links.allow[{index}]");
        let _ = problems.require(is_domain(domain), key.clone(), || {
            format!("`{domain}` is not a domain: write it in lower case without scheme, path or `*.`, as \"example.org\"")
        }) && problems.require(seen.insert(domain), key, || format!("`{domain}` is given twice: once is enough"));
    }
    LinksSpec {
        allow: rule.allow.clone(),
        verdict: problems.verdict("moderation.links", &rule.category, rule.severity, rule.suggested_action),
    }
}
