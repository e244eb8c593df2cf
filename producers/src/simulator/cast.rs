//! Who takes part: channels, users, and the ids of everything in one run.
//!
//! Always holds: ids of two runs differ unless seed and start are the same (users and channels are the same people in
//! every run). Does not know: what anybody does.

use schemas::{ChatEvent, ChatKind, ReactionEvent, ReactionKind, Text, Timestamp};

use super::draw::{Draw, Zipf, mix};
use super::phrases::{FIRST_NAMES, LAST_NAMES};

pub(super) const SOURCE: &str = "simulator";
pub(super) struct Cast {
    run: String,
    channels: Vec<String>,
    popularity: Zipf,
    regulars: Zipf,
    users: u32,
}

/// Somebody in a channel.
#[derive(Clone, Copy)]
pub(super) struct Member {
    pub channel: u32,
    pub user: u32,
    /// The place among those who write there.
    pub rank: u32,
}

impl Cast {
    /// `regulars`: so many of a channel's audience write, by Zipf's law.
    pub(super) fn new(seed: u64, start: Timestamp, channels: u32, users: u32, regulars: u32) -> Self {
        let run = mix(seed, start.micros() as u64) >> 32;
        Cast {
            run: format!("{SOURCE}:{run:08x}"),
            channels: (1..=channels).map(|number| format!("{SOURCE}:channel-{number}")).collect(),
            popularity: Zipf::new(channels),
            regulars: Zipf::new(users.min(regulars)),
            users,
        }
    }

    pub(super) fn popular_channel(&self, draw: &mut Draw) -> u32 {
        self.popularity.pick(draw)
    }

    pub(super) fn channel_id(&self, channel: u32) -> Text<'static> {
        self.channels[channel as usize].clone().into()
    }

    pub(super) fn channel_count(&self) -> u32 {
        self.channels.len() as u32
    }

    /// An id of this run: `simulator:RUN:LETTER NUMBER`.
    pub(super) fn id(&self, letter: char, number: u64) -> Text<'static> {
        format!("{}:{letter}{number}", self.run).into()
    }

    pub(super) fn any_user(&self, draw: &mut Draw) -> u32 {
        draw.below(self.users)
    }

    pub(super) fn member_at(&self, channel: u32, rank: u32) -> Member {
        let user = (mix(u64::from(channel), u64::from(rank)) % u64::from(self.users)) as u32;
        Member { channel, user, rank }
    }

    /// Somebody who writes in a channel: some far more often than others.
    pub(super) fn regular(&self, channel: u32, draw: &mut Draw) -> Member {
        self.member_at(channel, self.regulars.pick(draw))
    }

    pub(super) fn chat(
        &self,
        number: u64,
        now: Timestamp,
        channel: u32,
        kind: ChatKind,
    ) -> ChatEvent<'static> {
        ChatEvent {
            event_id: self.id('m', number),
            event_time: now,
            ingest_time: now,
            source: SOURCE.into(),
            channel_id: self.channel_id(channel),
            user_id: None,
            stream_id: None,
            kind,
            user_name: None,
            text: None,
            emotes: Vec::new(),
            roles: Vec::new(),
            badges: Vec::new(),
            reply_to: None,
            is_question: false,
            is_first_message: false,
            target_message_id: None,
            target_user_id: None,
            duration_ms: None,
        }
    }

    pub(super) fn reaction(
        &self,
        number: u64,
        now: Timestamp,
        channel: u32,
        kind: ReactionKind,
    ) -> ReactionEvent<'static> {
        ReactionEvent {
            event_id: self.id('r', number),
            event_time: now,
            ingest_time: now,
            source: SOURCE.into(),
            channel_id: self.channel_id(channel),
            user_id: None,
            stream_id: None,
            kind,
            count: 1,
            user_name: None,
            emoji: None,
            amount_micros: None,
            currency: None,
            target_id: None,
            option: None,
        }
    }
}

pub(super) fn user_id(user: u32) -> Text<'static> {
    format!("{SOURCE}:user-{user}").into()
}

pub(super) fn user_name(user: u32) -> Text<'static> {
    let mixed = mix(u64::from(user), 7);
    let first = FIRST_NAMES[(mixed % FIRST_NAMES.len() as u64) as usize];
    let last = LAST_NAMES[(mixed / 64 % LAST_NAMES.len() as u64) as usize];
    format!("{first}{last}{user}").into()
}

impl Member {
    /// The roles in the channel: the first writers are its staff, a quarter of the others subscribe.
    pub(super) fn roles(self) -> Vec<Text<'static>> {
        let is_subscriber = mix(u64::from(self.channel), u64::from(self.user)).is_multiple_of(4);
        match self.rank {
            0 => vec!["broadcaster".into()],
            1..=3 => vec!["moderator".into()],
            4..=6 => vec!["vip".into()],
            _ if is_subscriber => vec!["subscriber".into()],
            _ => Vec::new(),
        }
    }
}
