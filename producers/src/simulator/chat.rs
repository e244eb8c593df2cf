//! Chat: phrases and emotes, questions and replies, storms; spam, and moderators who take it back.
//!
//! Always holds: what moderators remove was said before; a spammer who is banned says nothing any more; memory grows with
//! the number of channels only. Does not know: reactions, except that they ask for a recent question.

use std::collections::VecDeque;

use schemas::{ChatEvent, ChatKind, Emote, Event, Text, Timestamp};

use super::cast::{Cast, SOURCE, user_id, user_name};
use super::draw::Draw;
use super::options::SimulatorOptions;
use super::phrases::{ANSWERS, EMOTES, OPENERS, PHRASES, QUESTIONS, RAID_PHRASES, SPAM};
use super::spotlight::{Attraction, Spotlight};

/// So many messages and questions of a channel are remembered, to be answered and voted for.
const RECENT_MAX: usize = 8;
/// So many spammers are at it at once.
const CAMPAIGNS_MAX: usize = 3;
/// No more moderators' actions wait than this.
const ACTIONS_MAX: usize = 1_000;

#[derive(Clone, Default)]
struct Recent {
    messages: VecDeque<(u64, u32)>,
    questions: VecDeque<u64>,
}

struct Campaign {
    spammer: u64,
    channel: u32,
    text: &'static str,
    left: u32,
}

struct Action {
    at: Timestamp,
    channel: u32,
    kind: ChatKind,
    message: u64,
    spammer: u64,
}

pub(super) struct Chat {
    draw: Draw,
    spam_draw: Draw,
    recent: Vec<Recent>,
    campaigns: Vec<Campaign>,
    actions: VecDeque<Action>,
    actions_max: usize,
    spammers: u64,
    events: u64,
}

impl Chat {
    pub(super) fn new(draw: Draw, spam_draw: Draw, options: &SimulatorOptions) -> Self {
        Chat {
            draw,
            spam_draw,
            recent: vec![Recent::default(); options.channels as usize],
            campaigns: Vec::new(),
            actions: VecDeque::new(),
            actions_max: if options.is_moderated { ACTIONS_MAX } else { 0 },
            spammers: 0,
            events: 0,
        }
    }

    /// The event id of one of the channel's last questions.
    pub(super) fn recent_question(
        &self,
        channel: u32,
        cast: &Cast,
        draw: &mut Draw,
    ) -> Option<Text<'static>> {
        let questions = &self.recent[channel as usize].questions;
        let index = draw.below(RECENT_MAX as u32) as usize;
        questions.get(index.min(questions.len().saturating_sub(1))).map(|number| cast.id('m', *number))
    }

    pub(super) fn next(&mut self, now: Timestamp, cast: &Cast, spotlight: &Spotlight) -> Event<'static> {
        self.events += 1;
        let is_due = self.actions.front().is_some_and(|action| action.at <= now);
        let action = if is_due { self.actions.pop_front() } else { None };
        let event = match action {
            Some(action) => self.moderate(now, cast, &action),
            None if self.spam_draw.chance(25) => self.spam(now, cast),
            None => self.talk(now, cast, spotlight),
        };
        Event::Chat(event)
    }

    fn talk(&mut self, now: Timestamp, cast: &Cast, spotlight: &Spotlight) -> ChatEvent<'static> {
        let draw = &mut self.draw;
        let (channel, attraction) = spotlight.channel(cast, draw, 600);
        let member = cast.regular(channel, draw);
        let mut event = cast.chat(self.events, now, channel, ChatKind::Message);
        event.user_id = Some(user_id(member.user));
        event.user_name = Some(user_name(member.user));
        event.roles = member.roles();
        event.is_first_message = draw.chance(4);
        let mut text = String::with_capacity(64);
        let recent = &mut self.recent[channel as usize];
        match attraction {
            Some(Attraction::Storm(emote)) => add_emote(&mut text, &mut event, emote, draw.between(1, 5)),
            Some(Attraction::Raid) => text.push_str(draw.pick(&RAID_PHRASES)),
            None => match draw.weighted(&[560, 230, 90, 20, 100]) {
                0 => say(&mut text, draw),
                1 => {
                    say(&mut text, draw);
                    let emote = favourite(draw);
                    add_emote(&mut text, &mut event, emote, 1);
                }
                2 => {
                    for _ in 0..draw.between(1, 3) {
                        let (emote, uses) = (favourite(draw), draw.between(1, 3));
                        add_emote(&mut text, &mut event, emote, uses);
                    }
                }
                3 => {
                    text.push_str(draw.pick(&QUESTIONS));
                    event.is_question = true;
                    remember(&mut recent.questions, self.events);
                }
                _ => match recent.messages.get(draw.below(RECENT_MAX as u32) as usize) {
                    Some((number, author)) => {
                        event.reply_to = Some(cast.id('m', *number));
                        text.push('@');
                        text.push_str(&user_name(*author));
                        text.push(' ');
                        text.push_str(draw.pick(&ANSWERS));
                    }
                    None => say(&mut text, draw),
                },
            },
        }
        remember(&mut recent.messages, (self.events, member.user));
        event.text = Some(text.into());
        event
    }

    fn spam(&mut self, now: Timestamp, cast: &Cast) -> ChatEvent<'static> {
        let draw = &mut self.spam_draw;
        if self.campaigns.len() < CAMPAIGNS_MAX {
            self.spammers += 1;
            self.campaigns.push(Campaign {
                spammer: self.spammers,
                channel: cast.popular_channel(draw),
                text: draw.pick(&SPAM),
                left: draw.between(2, 10),
            });
        }
        let index = draw.below(self.campaigns.len() as u32) as usize;
        let campaign = &mut self.campaigns[index];
        campaign.left -= 1;
        let mut event = cast.chat(self.events, now, campaign.channel, ChatKind::Message);
        event.user_id = Some(spammer_id(cast, campaign.spammer));
        event.user_name = Some(format!("visitor{}", campaign.spammer).into());
        event.text = Some(campaign.text.into());
        let mut is_over = campaign.left == 0;
        if draw.chance(500) && self.actions.len() < self.actions_max {
            let kinds = [ChatKind::MessageDeleted, ChatKind::UserTimedOut, ChatKind::UserBanned];
            let kind = kinds[draw.weighted(&[60, 25, 15])];
            // moderators act one after the other, so the queue stays in order
            let earliest = self.actions.back().map_or(now, |action| action.at);
            let at = now.plus_micros(i64::from(draw.between(800, 5_000)) * 1_000).max(earliest);
            let (channel, spammer) = (campaign.channel, campaign.spammer);
            self.actions.push_back(Action { at, channel, kind, message: self.events, spammer });
            is_over |= kind != ChatKind::MessageDeleted;
        }
        if is_over {
            self.campaigns.swap_remove(index);
        }
        event
    }

    fn moderate(&mut self, now: Timestamp, cast: &Cast, action: &Action) -> ChatEvent<'static> {
        let moderator = cast.member_at(action.channel, self.spam_draw.between(1, 3));
        let mut event = cast.chat(self.events, now, action.channel, action.kind);
        event.user_id = Some(user_id(moderator.user));
        event.user_name = Some(user_name(moderator.user));
        event.roles = vec!["moderator".into()];
        if action.kind == ChatKind::MessageDeleted {
            event.target_message_id = Some(cast.id('m', action.message));
        } else {
            event.target_user_id = Some(spammer_id(cast, action.spammer));
        }
        if action.kind == ChatKind::UserTimedOut {
            event.duration_ms = Some(self.spam_draw.pick(&[60_000, 600_000, 600_000, 86_400_000]));
        }
        event
    }
}

fn spammer_id(cast: &Cast, spammer: u64) -> Text<'static> {
    cast.id('x', spammer)
}

fn remember<T>(recent: &mut VecDeque<T>, item: T) {
    if recent.len() == RECENT_MAX {
        recent.pop_front();
    }
    recent.push_back(item);
}

fn say(text: &mut String, draw: &mut Draw) {
    text.push_str(draw.pick(&OPENERS));
    text.push_str(draw.pick(&PHRASES));
}

/// Some emotes are far more popular than others.
fn favourite(draw: &mut Draw) -> usize {
    let (first, second) = (draw.below(EMOTES.len() as u32), draw.below(EMOTES.len() as u32));
    first.min(second) as usize
}

fn add_emote(text: &mut String, event: &mut ChatEvent<'static>, emote: usize, uses: u32) {
    let (name, id) = EMOTES[emote];
    debug_assert!(id.starts_with(SOURCE));
    for _ in 0..uses {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(name);
    }
    match event.emotes.iter_mut().find(|known| known.id == id) {
        Some(known) => known.count += uses as i32,
        None => event.emotes.push(Emote { id: id.into(), name: name.into(), count: uses as i32 }),
    }
}
