//! Where everybody looks at the moment: a storm of one emote, or a raid from another channel, every half minute or so.
//!
//! Always holds: at most one at a time. Does not know: what is said.

use schemas::Timestamp;

use super::cast::Cast;
use super::draw::Draw;
use super::phrases::EMOTES;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Attraction {
    /// Everybody sends this emote (its place in the table).
    Storm(usize),
    /// Viewers of another channel come in.
    Raid,
}

#[derive(Clone, Copy)]
struct Spot {
    attraction: Attraction,
    channel: u32,
    until: Timestamp,
}

/// A raid to be told of.
#[derive(Clone, Copy)]
pub(super) struct Raid {
    pub from: u32,
    pub to: u32,
    pub viewers: u32,
}

pub(super) struct Spotlight {
    draw: Draw,
    next_at: Timestamp,
    spot: Option<Spot>,
    raid: Option<Raid>,
}

impl Spotlight {
    pub(super) fn new(mut draw: Draw, start: Timestamp) -> Self {
        let next_at = start.plus_micros(i64::from(draw.between(2_000, 10_000)) * 1_000);
        Spotlight { draw, next_at, spot: None, raid: None }
    }

    pub(super) fn advance(&mut self, now: Timestamp, cast: &Cast) {
        if self.spot.is_some_and(|spot| spot.until <= now) {
            self.spot = None;
        }
        if now < self.next_at || cast.channel_count() == 0 {
            return;
        }
        let channel = cast.popular_channel(&mut self.draw);
        let from = cast.popular_channel(&mut self.draw);
        let is_raid = self.draw.chance(300) && from != channel;
        let emote = self.draw.below(EMOTES.len() as u32) as usize;
        let viewers = self.draw.between(20, 3_000);
        let length_ms = self.draw.between(3_000, 9_000);
        self.spot = Some(Spot {
            attraction: if is_raid { Attraction::Raid } else { Attraction::Storm(emote) },
            channel,
            until: now.plus_micros(i64::from(length_ms) * 1_000),
        });
        if is_raid {
            self.raid = Some(Raid { from, to: channel, viewers });
        }
        self.next_at = now.plus_micros(i64::from(self.draw.between(15_000, 45_000)) * 1_000);
    }

    /// The raid that nobody was told of yet.
    pub(super) fn take_raid(&mut self) -> Option<Raid> {
        self.raid.take()
    }

    /// A channel by popularity, or for `per_mille` of all the one in the light. Draws the same in both cases.
    pub(super) fn channel(&self, cast: &Cast, draw: &mut Draw, per_mille: u32) -> (u32, Option<Attraction>) {
        let is_drawn_in = draw.chance(per_mille);
        let channel = cast.popular_channel(draw);
        match self.spot {
            Some(spot) if is_drawn_in => (spot.channel, Some(spot.attraction)),
            _ => (channel, None),
        }
    }
}
