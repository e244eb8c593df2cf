//! Reactions: emoji, likes, cheers, gifts, paid messages, subscriptions, poll votes, votes for questions, raids.
//!
//! Always holds: a vote for a question names a question that was asked. Does not know: who is watching.

use schemas::{Event, ReactionKind, Timestamp};

use super::cast::{Cast, user_id, user_name};
use super::chat::Chat;
use super::draw::{Draw, mix};
use super::phrases::{EMOJI, MONEY, POLLS};
use super::spotlight::Spotlight;

/// A channel has another poll every two minutes.
const POLL_US: i64 = 120_000_000;

const KINDS: [(ReactionKind, u32); 8] = [
    (ReactionKind::Emoji, 440),
    (ReactionKind::Like, 250),
    (ReactionKind::Cheer, 80),
    (ReactionKind::Gift, 20),
    (ReactionKind::SuperChat, 30),
    (ReactionKind::Subscription, 40),
    (ReactionKind::PollVote, 100),
    (ReactionKind::QuestionUpvote, 40),
];

pub(super) struct Reactions {
    draw: Draw,
    events: u64,
}

impl Reactions {
    pub(super) fn new(draw: Draw) -> Self {
        Reactions { draw, events: 0 }
    }

    pub(super) fn next(
        &mut self,
        now: Timestamp,
        cast: &Cast,
        spotlight: &mut Spotlight,
        chat: &Chat,
    ) -> Event<'static> {
        self.events += 1;
        if let Some(raid) = spotlight.take_raid() {
            let mut event = cast.reaction(self.events, now, raid.to, ReactionKind::Raid);
            let raider = cast.member_at(raid.from, 0).user;
            (event.user_id, event.user_name) = (Some(user_id(raider)), Some(user_name(raider)));
            event.count = i64::from(raid.viewers);
            event.target_id = Some(cast.channel_id(raid.to));
            return Event::Reaction(event);
        }
        let draw = &mut self.draw;
        let (channel, _) = spotlight.channel(cast, draw, 400);
        let user = cast.regular(channel, draw).user;
        let mut kind = KINDS[draw.weighted(&KINDS.map(|(_, weight)| weight))].0;
        let question = match kind {
            ReactionKind::QuestionUpvote => chat.recent_question(channel, cast, draw),
            _ => None,
        };
        if kind == ReactionKind::QuestionUpvote && question.is_none() {
            kind = ReactionKind::Like;
        }
        let mut event = cast.reaction(self.events, now, channel, kind);
        (event.user_id, event.user_name) = (Some(user_id(user)), Some(user_name(user)));
        match kind {
            ReactionKind::Emoji => {
                event.emoji = Some(draw.pick(&EMOJI).into());
                event.count = i64::from(draw.below(6).max(1));
            }
            ReactionKind::Cheer => event.count = draw.pick(&[1, 10, 50, 100, 100, 500, 1_000]),
            ReactionKind::Gift => {
                event.count = draw.pick(&[1, 1, 1, 5, 10]);
                if event.count == 1 {
                    event.target_id = Some(user_id(cast.regular(channel, draw).user));
                }
            }
            ReactionKind::SuperChat => {
                let (currency, amounts) = draw.pick(&MONEY);
                event.currency = Some(currency.into());
                event.amount_micros = Some(i64::from(draw.pick(amounts)) * 1_000_000);
            }
            ReactionKind::PollVote => {
                let poll = now.micros().div_euclid(POLL_US);
                let options = POLLS[(mix(u64::from(channel), poll as u64) % POLLS.len() as u64) as usize];
                event.target_id = Some(format!("{}:poll-{poll}", event.channel_id).into());
                event.option = Some(draw.pick(options).into());
            }
            ReactionKind::QuestionUpvote => event.target_id = question,
            _ => {}
        }
        Event::Reaction(event)
    }
}
