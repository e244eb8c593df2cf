//! Boards of which no shard has a whole group: what the first stage writes, and what the second makes of it.
//!
//! The first stage is sharded as its inputs are. It keeps what moderators may take back, channel by channel, and ranks nothing: at
//! each tick it writes, for every group of the board, what each item gained and lost in each pane since the tick before. The second
//! adds these up and ranks.
//!
//! Always holds: a board is the same over any number of shards, and in whatever order their partials are read, as long as
//! none needs more than `entries_max`: sums, largest values and sets of users do not depend on the order; the label is the one that became
//! visible last, among those of one instant the greatest; what was gained by a tick goes before what was taken back by it. Memory of the first
//! stage: what is due at the next ticks and, where moderators may take back, what the board has for that in its own channels.
//! The second stage keeps at most `entries_max` scores that wait for the slowest shard. When one more comes, time goes on to the tick that
//! brings it below, without that shard; what that shard then tells of windows that have closed is counted as forgotten, what it tells of
//! open ones still counts.
//! Does not know: how far the other shards have come.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use schemas::{BoardPartial, Event, Freshness, PartialKind, PartialScore, Quote, Timestamp};

use super::cell::{Scoring, is_before};
use super::changes::{count, note_change};
use super::contributions::{Change, Contribution};
use super::scores::scale;
use super::window::{Standing, Window};
use super::{Board, BoardSpec};
use crate::maps::{ByName, value_of};
use crate::processor::{Arrival, Disposition, Output};
use crate::state::bytes::{Reader, Stored, Unreadable, put_optional_str, put_str};

/// The name of the only group of a board that has no others.
const GLOBAL: &str = "global";

/// Digits after the point of the scores in partials.
const PARTIAL_DIGITS: u32 = 20;
/// A partial has so many bytes of scores at most, roughly: half of what a log takes in one record.
const PARTIAL_BYTES_MAX: usize = 500_000;
/// About what a score takes besides its texts.
const SCORE_BYTES: usize = 96;

/// A score as a partial has it, on its way into the second stage.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Merge<'a> {
    visible_from: Timestamp,
    label: Option<&'a str>,
    group: &'a str,
    item: &'a str,
    user: Option<&'a str>,
    gained: i128,
    reached: Timestamp,
    /// An instant of the pane in which something was taken back.
    lost_at: Timestamp,
    lost: i128,
}

impl<'a> Merge<'a> {
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        self.visible_from.put(out);
        put_optional_str(out, self.label);
        put_str(out, self.group);
        put_str(out, self.item);
        put_optional_str(out, self.user);
        self.gained.put(out);
        self.reached.put(out);
        self.lost_at.put(out);
        self.lost.put(out);
    }

    pub(super) fn get(reader: &mut Reader<'a>) -> Result<Self, Unreadable> {
        Ok(Merge {
            visible_from: reader.get()?,
            label: reader.optional_str()?,
            group: reader.str()?,
            item: reader.str()?,
            user: reader.optional_str()?,
            gained: reader.get()?,
            reached: reader.get()?,
            lost_at: reader.get()?,
            lost: reader.get()?,
        })
    }
}

/// Where in a board something changed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Spot {
    pane: Timestamp,
    item: Arc<str>,
    user: Option<Arc<str>>,
}

/// What happened there.
#[derive(Clone, Debug, Default)]
struct Delta {
    gained: i128,
    /// Of what was gained.
    reached: Option<Timestamp>,
    visible_from: Option<Timestamp>,
    label: Option<Box<str>>,
    lost: i128,
}

/// What happened to a board since the last tick, by group.
#[derive(Default)]
pub(super) struct Deltas(ByName<BTreeMap<Spot, Delta>>);

impl Deltas {
    fn at(&mut self, group: &str, spot: Spot) -> &mut Delta {
        value_of(&mut self.0, group).entry(spot).or_default()
    }
}

impl Delta {
    /// Adds what became visible at `visible_from`. False if the sum does not fit.
    fn gain(&mut self, scoring: Scoring, visible_from: Timestamp, contribution: &Contribution<'_>) -> bool {
        let (value, event_time) = (contribution.value, contribution.event_time);
        let label = contribution.label.as_deref();
        match scoring {
            Scoring::Largest => {
                let Some(reached) = self.reached else {
                    (self.gained, self.reached) = (value, Some(event_time));
                    self.see(visible_from, label);
                    return true;
                };
                if is_before((value, event_time), (self.gained, reached)) {
                    (self.gained, self.reached) = (value, Some(event_time));
                }
            }
            Scoring::Sum => {
                let Some(gained) = self.gained.checked_add(value) else { return false };
                self.gained = gained;
                self.reached = self.reached.max(Some(event_time));
            }
            // The user counts from the first event on, whatever follows.
            Scoring::Distinct | Scoring::Votes => {
                if self.reached.is_none() {
                    (self.gained, self.reached) = (1, Some(event_time));
                    self.see(visible_from, label);
                }
                return true;
            }
        }
        self.see(visible_from, label);
        true
    }

    fn see(&mut self, visible_from: Timestamp, label: Option<&str>) {
        if label.is_none() && self.label.is_some() {
            return;
        }
        let is_first = self.visible_from.is_none() || self.label.is_none();
        if is_first || (Some(visible_from), label) > (self.visible_from, self.label.as_deref()) {
            (self.visible_from, self.label) = (Some(visible_from), label.map(Box::from));
        }
    }
}

/// The group of the board to which a group of the first stage belongs: the channel's part goes.
fn whole_group<'n>(spec: &BoardSpec, name: &'n str) -> &'n str {
    if spec.groups.len() == 1 { GLOBAL } else { name.split_once('/').map_or(GLOBAL, |(_, rest)| rest) }
}

/// Of how many of a board's units a unit of a partial consists.
fn unit(scale: u32) -> i128 {
    10i128.pow(PARTIAL_DIGITS - scale)
}

impl Board {
    /// Notes what an item gained. Where moderators may take it back, it counts already.
    pub(super) fn note_gain(&mut self, visible_from: Timestamp, contribution: &Contribution<'_>) {
        let pane = self.pane_of(contribution.event_time);
        let scoring = self.rules.scoring;
        let counts_users = matches!(scoring, Scoring::Distinct | Scoring::Votes);
        let user = contribution.user.filter(|_| counts_users).map(Arc::from);
        let spot = Spot { pane, item: Arc::from(contribution.item), user };
        let delta = self.deltas.at(whole_group(&self.spec, contribution.group), spot);
        self.forgotten += u64::from(!delta.gain(scoring, visible_from, contribution));
    }

    /// Notes what was just taken back in a group.
    pub(super) fn note_losses(&mut self, name: &Arc<str>) {
        let Some(group) = self.groups.get_mut(name) else { return };
        let losses = std::mem::take(&mut group.losses);
        let whole = whole_group(&self.spec, name);
        for (pane, item, lost) in losses {
            self.deltas.at(whole, Spot { pane, item, user: None }).lost += lost;
        }
    }

    /// Writes what was noted since the last tick.
    pub(super) fn write_partials(&mut self, tick: Timestamp, out: &mut Vec<Output>) {
        let has_panes = matches!(self.spec.window, Window::Rolling { .. });
        let mut groups: Vec<_> = std::mem::take(&mut self.deltas).0.into_iter().collect();
        groups.sort_by(|(a, _), (b, _)| a.cmp(b));
        for (group, spots) in groups {
            let mut scores = Vec::new();
            let mut bytes = 0;
            let mut part = 0;
            for (spot, delta) in spots {
                let Some(score) = self.score(&spot, delta, has_panes) else {
                    self.forgotten += 1;
                    continue;
                };
                let texts = [Some(&score.item), score.label.as_ref(), score.user_id.as_ref()];
                bytes += SCORE_BYTES + texts.into_iter().flatten().map(String::len).sum::<usize>();
                scores.push(score);
                if bytes >= PARTIAL_BYTES_MAX {
                    out.push(self.partial(&group, tick, part, std::mem::take(&mut scores)));
                    (bytes, part) = (0, part + 1);
                }
            }
            if !scores.is_empty() {
                out.push(self.partial(&group, tick, part, scores));
            }
        }
    }

    /// None if the sum has more than 38 digits.
    fn score(&self, spot: &Spot, delta: Delta, has_panes: bool) -> Option<PartialScore> {
        let quote = |value: i128| value.checked_mul(unit(scale(self.spec.score))).and_then(Quote::from_units);
        Some(PartialScore {
            item: (*spot.item).to_owned(),
            label: delta.label.map(String::from),
            user_id: spot.user.as_deref().map(str::to_owned),
            pane: has_panes.then_some(spot.pane),
            gained: quote(delta.gained)?,
            reached: delta.reached,
            visible_from: delta.visible_from,
            lost: quote(delta.lost)?,
        })
    }

    fn partial(&self, group: &str, tick: Timestamp, part: u32, scores: Vec<PartialScore>) -> Output {
        Output::Partial(BoardPartial {
            event_id: format!("{}/{group}/{}/{part}", self.spec.name, tick.micros()),
            kind: PartialKind::Scores,
            shard_count: 1,
            board: Some(self.spec.name.clone()),
            group: Some(group.to_owned()),
            scores,
            freshness: Freshness { as_of: tick, ..Freshness::default() },
        })
    }

    /// The second stage takes a partial in.
    pub(super) fn file_partial(&mut self, event: &Event<'_>, arrival: &Arrival) -> Disposition {
        let Event::Partial(partial) = event else { return Disposition::Ignored };
        let Some(group) =
            partial.group.as_deref().filter(|_| partial.board.as_ref() == Some(&self.spec.name))
        else {
            return Disposition::Ignored;
        };
        let unit = unit(scale(self.spec.score));
        let mut disposition = Disposition::Ignored;
        for score in &partial.scores {
            let instant = score.pane.or(score.reached).unwrap_or(arrival.event_time);
            match self.spec.window.standing(instant, arrival.partition_watermark) {
                Standing::Counts => disposition = Disposition::Taken,
                Standing::Outside => continue,
                Standing::Late => {
                    self.forgotten += 1;
                    if disposition == Disposition::Ignored {
                        disposition = Disposition::Late;
                    }
                    continue;
                }
            }
            let merge = Merge {
                visible_from: score.visible_from.unwrap_or_default(),
                label: score.label.as_deref(),
                group,
                item: &score.item,
                user: score.user_id.as_deref(),
                gained: score.gained.units() / unit,
                reached: score.reached.unwrap_or(arrival.event_time),
                lost_at: score.pane.unwrap_or(arrival.event_time),
                lost: score.lost.units() / unit,
            };
            let change = Change::Merge(merge);
            self.pending.file(arrival, change.lane(&self.spec.groups), |out| change.put(out));
        }
        disposition
    }

    /// Adds up what a tick got of all shards.
    pub(super) fn merge(&mut self, mut merges: Vec<Merge<'_>>) {
        merges.sort_unstable();
        for merge in merges.iter().filter(|merge| merge.gained > 0) {
            self.add(&Contribution {
                group: merge.group,
                item: merge.item,
                label: merge.label.map(Cow::Borrowed),
                value: merge.gained,
                event_time: merge.reached,
                user: merge.user,
                message: None,
            });
        }
        for merge in merges.iter().filter(|merge| merge.lost > 0) {
            let pane = self.pane_of(merge.lost_at);
            self.saved.note(pane);
            let Some((name, group)) = self.groups.get_key_value_mut(merge.group) else { continue };
            if group.lose_part(pane, merge.item, merge.lost, self.rules) {
                note_change(&mut self.changed, &mut self.touched, name, group);
            }
            count(&mut self.item_count, &mut self.entry_count, group);
        }
    }
}
