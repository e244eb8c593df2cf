//! From the configuration as written to a job that can run, or everything that is wrong with it.
//!
//! Always holds: a message says what would be right; all problems are found, not only the first. Does not know: the file's
//! lines; whoever read the file does.

use std::collections::BTreeSet;
use std::sync::Arc;

use schemas::{SuggestedAction, Topic};

use super::boards::{board_inputs, validate_boards};
use super::candles::validate_candles;
use super::engagement::validate_engagement;
use super::moderation::validate_moderation;
use super::{ConfigError, Duration, JobConfig};
use crate::job::Job;
use crate::leaderboards::BoardSpec;
use crate::moderation::{Verdict, action_for};
use crate::shard::ShardSettings;

/// Event ids that a shard may be asked to remember.
const IDS_MIN: u32 = 1_000;
const IDS_MAX: u32 = 100_000_000;
/// The worst severity.
const SEVERITY_MAX: u8 = 4;
/// What the name of a job's second stage has after the job's own.
const SECOND_SUFFIX: &str = ".global";

/// What was found wrong so far.
#[derive(Default)]
pub(super) struct Problems(Vec<ConfigError>);

impl Problems {
    /// Adds a problem unless `holds`. Returns `holds`.
    pub(super) fn require(
        &mut self,
        holds: bool,
        key: impl Into<String>,
        problem: impl FnOnce() -> String,
    ) -> bool {
        if !holds {
            self.0.push(ConfigError { key: key.into(), problem: problem() });
        }
        holds
    }

    pub(super) fn require_positive(&mut self, duration: Duration, key: String) -> bool {
        self.require(duration.micros() > 0, key, || "is zero: it must be at least \"1us\"".to_owned())
    }

    pub(super) fn require_name(&mut self, name: &str, key: impl Into<String>) -> bool {
        let key = key.into();
        self.require(!name.trim().is_empty(), key.clone(), || "is empty: give it a name".to_owned())
            && self.require(!name.contains('/'), key, || {
                format!(
                    "`{name}` contains `/`, which separates a board from its group in keys: use `-` or `_`"
                )
            })
    }

    pub(super) fn require_divides(
        &mut self,
        part: Duration,
        whole: Duration,
        key: String,
        whole_is: &str,
    ) -> bool {
        self.require(whole.micros() % part.micros() == 0, key, || {
            format!("\"{part}\" does not divide {whole_is}, \"{whole}\", without remainder")
        })
    }

    pub(super) fn verdict(
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

/// The job that makes boards across the shards of the job called `first`. Its clock comes from there, so nothing is cut off.
fn second_stage(first: &str, settings: ShardSettings, boards: Vec<BoardSpec>) -> Job {
    Job {
        name: format!("{first}{SECOND_SUFFIX}"),
        settings: ShardSettings { lateness_micros: 0, future_skew_micros: i64::MAX, ..settings },
        inputs: vec![Topic::Partials],
        second: None,
        first: Some(first.to_owned()),
        boards,
        engagement: None,
        candles: None,
        moderation: None,
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
        problems.require(!name.ends_with(SECOND_SUFFIX), "name", || {
            format!("`{name}` ends in {SECOND_SUFFIX}, as second stages do: give it another")
        });
        let (boards, second_boards) = validate_boards(&self.boards, &mut problems);
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
        let settings = ShardSettings {
            lateness_micros: self.lateness.micros(),
            future_skew_micros: self.future_skew.micros(),
            dedup_for_micros: self.dedup_for.micros(),
            dedup_ids_max: self.dedup_ids_max as usize,
        };
        let second = (!second_boards.is_empty()).then(|| second_stage(name, settings, second_boards));
        Ok(Job {
            name: name.to_owned(),
            settings,
            inputs: inputs.into_iter().collect(),
            second: second.map(Arc::new),
            first: None,
            boards,
            engagement,
            candles,
            moderation,
        })
    }

    /// The topics that the job reads.
    fn inputs(&self) -> BTreeSet<Topic> {
        let mut inputs: BTreeSet<Topic> = self.boards.iter().flat_map(board_inputs).collect();
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
