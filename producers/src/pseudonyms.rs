//! Pseudonyms: recorded chat names real accounts, and a demonstration must not.
//!
//! Always holds: with one key, one account has one pseudonym in every place (author, target, receiver), so boards and
//! bans work as before; ids of messages are replaced as well, because the platform can resolve them to their
//! authors. Without the key a pseudonym cannot be traced back by trying ids.
//! Does not know: names inside texts; they stay as written.

use std::fmt;

use schemas::{Event, ReactionKind, Text};
use sha2::{Digest, Sha256};

/// Replaces user ids, names and message ids by keyed hashes.
#[derive(Clone)]
pub struct Pseudonyms {
    keyed: Sha256,
}

impl fmt::Debug for Pseudonyms {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Pseudonyms")
    }
}

impl Pseudonyms {
    /// With a secret key of any length.
    #[must_use]
    pub fn new(key: &str) -> Self {
        let mut keyed = Sha256::new();
        keyed.update(Sha256::digest(key.as_bytes()));
        Pseudonyms { keyed }
    }

    /// 64 of the 256 bits, so that the hash cannot be continued.
    fn hash(&self, text: &str) -> String {
        let digest = self.keyed.clone().chain_update(text.as_bytes()).finalize();
        digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Keeps the source in front.
    fn replace(&self, id: &mut Text<'static>) {
        let source = id.split_once(':').map_or("", |(source, _)| source);
        *id = format!("{source}:p{}", self.hash(id)).into();
    }

    fn replace_user(&self, user_id: &mut Option<Text<'static>>, user_name: &mut Option<Text<'static>>) {
        if let Some(name) = user_name {
            let known_by = user_id.as_ref().unwrap_or(name);
            *user_name = Some(format!("user-{}", &self.hash(known_by)[..8]).into());
        }
        user_id.iter_mut().for_each(|id| self.replace(id));
    }

    /// Replaces what points to a person.
    pub fn apply(&self, event: &mut Event<'static>) {
        match event {
            Event::Chat(event) => {
                self.replace_user(&mut event.user_id, &mut event.user_name);
                self.replace(&mut event.event_id);
                event.reply_to.iter_mut().for_each(|id| self.replace(id));
                event.target_message_id.iter_mut().for_each(|id| self.replace(id));
                event.target_user_id.iter_mut().for_each(|id| self.replace(id));
            }
            Event::Reaction(event) => {
                self.replace_user(&mut event.user_id, &mut event.user_name);
                self.replace(&mut event.event_id);
                // a poll's id points to nobody
                if event.kind != ReactionKind::PollVote {
                    event.target_id.iter_mut().for_each(|id| self.replace(id));
                }
            }
            Event::Viewer(event) => {
                self.replace_user(&mut event.user_id, &mut None);
                self.replace(&mut event.event_id);
                self.replace(&mut event.session_id);
            }
            Event::Trade(event) => self.replace_user(&mut event.user_id, &mut None),
            Event::Partial(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::twitch_irc::Parser;

    fn events(key: &str) -> Vec<Event<'static>> {
        let lines = [
            "@id=m1;room-id=1;user-id=42;tmi-sent-ts=1700000000000;display-name=Ada :ada!a@b PRIVMSG #c :hello",
            "@id=m2;reply-parent-msg-id=m1;room-id=1;user-id=43;tmi-sent-ts=1700000000001 :bo!a@b PRIVMSG #c :hi",
            "@room-id=1;target-user-id=42;tmi-sent-ts=1700000000002 :tmi.twitch.tv CLEARCHAT #c :ada",
        ];
        let (mut parser, mut events) = (Parser::default(), Vec::new());
        for line in lines {
            parser.parse(line, &mut events).expect("a line");
        }
        events.iter_mut().for_each(|event| Pseudonyms::new(key).apply(event));
        events
    }

    #[test]
    fn one_account_has_one_pseudonym_everywhere_and_it_depends_on_the_key() {
        let [Event::Chat(first), Event::Chat(reply), Event::Chat(ban)] = &events("key")[..] else {
            panic!("three chat events")
        };
        assert_eq!(ban.target_user_id, first.user_id);
        assert_eq!(reply.reply_to.as_deref(), Some(first.event_id.as_str()));
        assert_ne!(reply.user_id, first.user_id);
        let shown = format!("{:?}", events("key"));
        for named in ["twitch:42", "twitch:43", "Ada", "ada", "m1", "m2"] {
            assert!(!shown.contains(named), "{named} in {shown}");
        }
        assert_eq!(events("key"), events("key"));
        assert_ne!(events("key")[0].header().user_id, events("other")[0].header().user_id);
    }
}
