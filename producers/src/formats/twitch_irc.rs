//! Raw Twitch IRC lines with tags, one a line.
//!
//! | command | events |
//! |---|---|
//! | PRIVMSG | a message; with bits also a cheer, with a paid pin also a super chat |
//! | USERNOTICE | sub, resub: subscription; gifts: gift; raid: raid; with a text also a message |
//! | CLEARMSG | message_deleted |
//! | CLEARCHAT | user_timed_out or user_banned; without a user chat_cleared |
//! | the rest of Twitch's commands | none |
//!
//! **Times**: event time is `tmi-sent-ts`; ingest time is `rm-received-ts`, else the time in front of the line, else
//! the event time. A line without `tmi-sent-ts` (old captures without tags) takes the time in front of the line;
//! without either it is an error.
//! **Ids**: `twitch:` and the tag `id`. Where there is none (CLEARCHAT, CLEARMSG, untagged lines) the id is `twitch:`,
//! the command in lower case, `/`, and 16 hex digits of SHA-256 over the line's room, time, and what it says: the same
//! line always has the same id. The channel is `twitch:` and `room-id`; where that is missing the room's number is
//! taken from an earlier line of the same input, else its name. A user without `user-id` is known by login name.
//! **Gifts**: a batch is announced (`submysterygift`, counted as so many) and then listed one by one; those that belong
//! to an announced batch of the same input are not counted again.
//! **Emotes** are counted where their ranges (code points) lie within the text; ranges that do not fit are left out.
//!
//! Does not know: files, line numbers.

use std::collections::{HashMap, VecDeque};

use schemas::{ChatKind, Emote, Event, ReactionKind, Text, Timestamp};
use sha2::{Digest, Sha256};

use super::irc::Message;
use super::twitch::{self, Context};
use super::{ParseError, field_error, parse_instant};

/// Announced gift batches that are remembered.
const GIFT_BATCHES_MAX: usize = 256;
/// Rooms whose number is remembered.
const ROOMS_MAX: usize = 10_000;
/// Who stands for people that give without a name.
const ANONYMOUS_LOGINS: [&str; 2] = ["ananonymousgifter", "ananonymouscheerer"];

/// Reads lines; remembers room numbers and announced gift batches, nothing else.
#[derive(Debug, Default)]
pub struct Parser {
    rooms: HashMap<String, String>,
    gift_batches: VecDeque<String>,
}

impl Parser {
    /// Appends what the line means to `events`.
    ///
    /// # Errors
    /// If it is not a line of Twitch IRC, or lacks what its event needs.
    pub fn parse(&mut self, line: &str, events: &mut Vec<Event<'static>>) -> Result<(), ParseError> {
        let (received, line) = split_leading_time(line);
        if line.trim().is_empty() {
            return Ok(());
        }
        let message = Message::parse(line)?;
        self.remember_room(&message);
        match message.command {
            "PRIVMSG" => self.message(&message, received, events),
            "USERNOTICE" => self.notice(&message, received, events),
            "CLEARMSG" => self.message_deleted(&message, received, events),
            "CLEARCHAT" => self.cleared(&message, received, events),
            "CAP" | "ERROR" | "GLOBALUSERSTATE" | "HOSTTARGET" | "JOIN" | "MODE" | "NICK" | "NOTICE"
            | "PART" | "PASS" | "PING" | "PONG" | "QUIT" | "RECONNECT" | "ROOMSTATE" | "SERVERCHANGE"
            | "USERSTATE" | "WHISPER" => Ok(()),
            numeric if numeric.len() == 3 && numeric.bytes().all(|byte| byte.is_ascii_digit()) => Ok(()),
            other => {
                let shown: String = other.chars().take(32).collect();
                Err(ParseError::Shape(format!("`{shown}` is not a command of twitch")))
            }
        }
    }

    fn remember_room(&mut self, message: &Message<'_>) {
        let (Some(name), Some(number)) = (room_name(message), message.tag("room-id")) else { return };
        if self.rooms.get(name).is_some_and(|known| *known == number) || self.rooms.len() >= ROOMS_MAX {
            return;
        }
        self.rooms.insert(name.to_owned(), number.into_owned());
    }

    fn context(&self, message: &Message<'_>, received: Option<Timestamp>) -> Result<Context, ParseError> {
        let sent = number_tag(message, "tmi-sent-ts")?.map(Timestamp::from_millis);
        let event_time = sent.or(received).ok_or(ParseError::Missing("tmi-sent-ts"))?;
        let stamped = number_tag(message, "rm-received-ts")?.map(Timestamp::from_millis);
        let room = match message.tag("room-id") {
            Some(number) => number.into_owned(),
            None => {
                let name = room_name(message).ok_or(ParseError::Missing("room-id"))?;
                self.rooms.get(name).cloned().unwrap_or_else(|| name.to_owned())
            }
        };
        let login = message.tag("login").or_else(|| message.nick().map(Into::into));
        let is_anonymous = login.as_deref().is_some_and(|login| ANONYMOUS_LOGINS.contains(&login))
            || message.tag("msg-id").is_some_and(|notice| notice.starts_with("anonsub"));
        let mut user_id = message.tag("user-id").or_else(|| login.clone()).map(|user| twitch::id(&user));
        let display_name = message.tag("display-name").or(login);
        let mut user_name = display_name.map(|name| name.trim().to_owned().into());
        if is_anonymous {
            (user_id, user_name) = (None, None);
        }
        let id = match message.tag("id") {
            Some(id) => twitch::id(&id),
            None => derived_id(message, &room, event_time),
        };
        Ok(Context {
            id,
            event_time,
            ingest_time: stamped.or(received).unwrap_or(event_time),
            channel_id: twitch::id(&room),
            user_id,
            user_name,
        })
    }

    fn message(
        &self,
        message: &Message<'_>,
        received: Option<Timestamp>,
        events: &mut Vec<Event<'static>>,
    ) -> Result<(), ParseError> {
        let text = message.parameters().nth(1).ok_or(ParseError::Missing("text"))?;
        let context = self.context(message, received)?;
        if context.user_id.is_none() && message.nick().is_none() {
            return Err(ParseError::Missing("user-id"));
        }
        let cheered = number_tag(message, "bits")?.filter(|bits| *bits > 0);
        let paid = paid_pin(message)?;
        events.push(Event::Chat(chat_message(message, &context, text)));
        if let Some(bits) = cheered {
            events.push(Event::Reaction(context.reaction(ReactionKind::Cheer, bits)));
        }
        if let Some((amount_micros, currency)) = paid {
            let mut reaction = context.reaction(ReactionKind::SuperChat, 1);
            reaction.amount_micros = Some(amount_micros);
            reaction.currency = Some(currency);
            events.push(Event::Reaction(reaction));
        }
        Ok(())
    }

    fn notice(
        &mut self,
        message: &Message<'_>,
        received: Option<Timestamp>,
        events: &mut Vec<Event<'static>>,
    ) -> Result<(), ParseError> {
        let notice = message.tag("msg-id").ok_or(ParseError::Missing("msg-id"))?;
        let context = self.context(message, received)?;
        let reaction = match twitch::notice_kind(&notice) {
            Some(ReactionKind::Raid) => {
                let viewers = number_tag(message, "msg-param-viewerCount")?;
                let viewers = viewers.ok_or(ParseError::Missing("msg-param-viewerCount"))?;
                Some(context.reaction(ReactionKind::Raid, viewers.max(1)))
            }
            Some(ReactionKind::Gift) => self.gift(message, &notice, &context)?,
            Some(kind) => Some(context.reaction(kind, 1)),
            None => None,
        };
        if let Some(text) = message.parameters().nth(1) {
            events.push(Event::Chat(chat_message(message, &context, text)));
        }
        events.extend(reaction.map(Event::Reaction));
        Ok(())
    }

    fn gift(
        &mut self,
        message: &Message<'_>,
        notice: &str,
        context: &Context,
    ) -> Result<Option<schemas::ReactionEvent<'static>>, ParseError> {
        let batches = ["msg-param-community-gift-id", "msg-param-origin-id"].map(|name| message.tag(name));
        if notice.ends_with("mysterygift") {
            let gifts = number_tag(message, "msg-param-mass-gift-count")?;
            let gifts = gifts.ok_or(ParseError::Missing("msg-param-mass-gift-count"))?;
            for batch in batches.into_iter().flatten() {
                if self.gift_batches.len() >= GIFT_BATCHES_MAX {
                    self.gift_batches.pop_front();
                }
                self.gift_batches.push_back(batch.into_owned());
            }
            return Ok(Some(context.reaction(ReactionKind::Gift, gifts)));
        }
        if batches.iter().flatten().any(|batch| self.gift_batches.iter().any(|known| known == batch)) {
            return Ok(None);
        }
        let mut reaction = context.reaction(ReactionKind::Gift, 1);
        reaction.target_id = message.tag("msg-param-recipient-id").map(|user| twitch::id(&user));
        Ok(Some(reaction))
    }

    fn message_deleted(
        &self,
        message: &Message<'_>,
        received: Option<Timestamp>,
        events: &mut Vec<Event<'static>>,
    ) -> Result<(), ParseError> {
        let target = message.tag("target-msg-id").ok_or(ParseError::Missing("target-msg-id"))?;
        // the tag `login` is the author's; who deleted is not told
        let context = Context { user_id: None, user_name: None, ..self.context(message, received)? };
        let mut event = context.chat(ChatKind::MessageDeleted);
        event.target_message_id = Some(twitch::id(&target));
        events.push(Event::Chat(event));
        Ok(())
    }

    fn cleared(
        &self,
        message: &Message<'_>,
        received: Option<Timestamp>,
        events: &mut Vec<Event<'static>>,
    ) -> Result<(), ParseError> {
        let context = Context { user_id: None, user_name: None, ..self.context(message, received)? };
        let login = message.parameters().nth(1).map(Into::into);
        let target = message.tag("target-user-id").or(login);
        let duration_s = number_tag(message, "ban-duration")?;
        let mut event = context.chat(match (&target, duration_s) {
            (None, _) => ChatKind::ChatCleared,
            (Some(_), Some(_)) => ChatKind::UserTimedOut,
            (Some(_), None) => ChatKind::UserBanned,
        });
        event.target_user_id = target.map(|user| twitch::id(&user));
        if event.target_user_id.is_some() {
            event.duration_ms = duration_s.map(|seconds| seconds.saturating_mul(1_000));
        }
        events.push(Event::Chat(event));
        Ok(())
    }
}

fn chat_message(message: &Message<'_>, context: &Context, text: &str) -> schemas::ChatEvent<'static> {
    // emotes are counted within the words, without what marks them as an action
    let action = text.strip_prefix("\u{1}ACTION ");
    let words = action.map_or(text, |action| action.strip_suffix('\u{1}').unwrap_or(action));
    let badges = message.tag("badges").unwrap_or_default();
    let badges = badges.split(',').filter(|badge| !badge.is_empty());
    let mut event = context.chat(ChatKind::Message);
    event.emotes = message.tag("emotes").map(|tag| emotes(&tag, words)).unwrap_or_default();
    event.text = Some(twitch::text(words, action.is_some()));
    event.roles = twitch::roles(badges.clone());
    event.badges = badges.map(|badge| badge.to_owned().into()).collect();
    event.reply_to = message.tag("reply-parent-msg-id").map(|parent| twitch::id(&parent));
    event.is_first_message = message.tag("first-msg").as_deref() == Some("1");
    event
}

/// Reads `ID:FROM-TO,FROM-TO/ID:FROM-TO`: code points of `text`, both ends included.
fn emotes(tag: &str, text: &str) -> Vec<Emote<'static>> {
    let mut uses: Vec<(usize, usize, &str)> = Vec::new();
    for (id, ranges) in tag.split('/').filter_map(|emote| emote.split_once(':')) {
        let ranges = ranges.split(',').filter_map(|range| range.split_once('-'));
        uses.extend(ranges.filter_map(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?, id))));
    }
    uses.sort_unstable_by_key(|(from, ..)| *from);
    let starts: Vec<usize> = text.char_indices().map(|(start, _)| start).chain([text.len()]).collect();
    let mut emotes = Vec::new();
    for (from, to, id) in uses {
        let end = to.checked_add(1).and_then(|end| starts.get(end));
        if let (true, Some(start), Some(end)) = (from <= to && !id.is_empty(), starts.get(from), end) {
            twitch::count_emote(&mut emotes, id, &text[*start..*end]);
        }
    }
    emotes
}

/// A message that was paid for to be pinned: millionths of a currency.
fn paid_pin(message: &Message<'_>) -> Result<Option<(i64, Text<'static>)>, ParseError> {
    let Some(amount) = number_tag(message, "pinned-chat-paid-amount")? else { return Ok(None) };
    let currency =
        message.tag("pinned-chat-paid-currency").ok_or(ParseError::Missing("pinned-chat-paid-currency"))?;
    let exponent = number_tag(message, "pinned-chat-paid-exponent")?.unwrap_or(0);
    let factor = u32::try_from(exponent).ok().and_then(|exponent| 6u32.checked_sub(exponent));
    let amount_micros = factor.and_then(|factor| amount.checked_mul(10i64.pow(factor)));
    let problem = "does not fit with its exponent";
    let amount_micros = amount_micros
        .ok_or_else(|| field_error("pinned-chat-paid-amount", &format!("{amount}e-{exponent}"), problem))?;
    Ok(Some((amount_micros, currency.into_owned().into())))
}

fn number_tag(message: &Message<'_>, name: &'static str) -> Result<Option<i64>, ParseError> {
    let Some(value) = message.tag(name) else { return Ok(None) };
    match value.parse::<i64>() {
        Ok(number) if number >= 0 => Ok(Some(number)),
        _ => Err(field_error(name, &value, "not a whole number from 0")),
    }
}

fn room_name<'a>(message: &Message<'a>) -> Option<&'a str> {
    message.parameters().next()?.strip_prefix('#').filter(|name| !name.is_empty())
}

fn derived_id(message: &Message<'_>, room: &str, event_time: Timestamp) -> Text<'static> {
    let mut hash = Sha256::new();
    let mut add = |part: &str| {
        hash.update(part.as_bytes());
        hash.update([0]);
    };
    add(room);
    add(&event_time.micros().to_string());
    add(message.nick().unwrap_or_default());
    message.parameters().skip(1).for_each(&mut add);
    for name in ["target-msg-id", "target-user-id", "ban-duration", "msg-id"] {
        add(&message.tag(name).unwrap_or_default());
    }
    let digest = hash.finalize();
    let digits: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    twitch::id(&format!("{}/{digits}", message.command.to_ascii_lowercase()))
}

/// Some captures write the time of receipt in front of the line.
fn split_leading_time(line: &str) -> (Option<Timestamp>, &str) {
    if line.starts_with(['@', ':']) {
        return (None, line);
    }
    match line.split_once(' ') {
        Some((first, rest)) if rest.starts_with(['@', ':']) => match parse_instant(first) {
            Some(received) => (Some(received), rest),
            None => (None, line),
        },
        _ => (None, line),
    }
}
