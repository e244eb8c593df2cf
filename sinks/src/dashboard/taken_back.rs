//! What of a chat event decides whether a message stands: who wrote it, and what moderators took back.
//!
//! Always holds: the rules are those of the page (`chatOf` in `web/src/select.ts`): a deletion takes its message whenever
//! that came, a ban, a time-out and a clear what was said up to their time. Times are those of slots, which a clock that runs
//! ahead does not move. Does not know: what is kept, and who has seen it.

use serde_json::Value as Json;

use super::row::{Row, Slot};
use super::selector::Kind;

/// The part of a chat event that is looked at when another comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// A message or a question, of this user; none: of somebody unknown.
    Message(Option<Box<str>>),
    /// The message of this id was deleted.
    Deleted(Box<str>),
    /// This user was banned or timed out.
    Silenced(Box<str>),
    /// Everything was.
    Cleared,
    /// A moderator did what takes nothing back.
    Other,
}

impl Said {
    /// Of a row of the chat; none of any other.
    #[must_use]
    pub fn of(row: &Row) -> Option<Self> {
        if row.key.kind != Kind::Chat {
            return None;
        }
        let text = |field: &str| row.value.get(field).and_then(Json::as_str).map(Box::from);
        let kind = row.value.get("kind").and_then(Json::as_str).unwrap_or_default();
        let target = match kind {
            "message" => return Some(Said::Message(text("user_id"))),
            "message_deleted" => text("target_message_id").map(Said::Deleted),
            "user_banned" | "user_timed_out" => text("target_user_id").map(Said::Silenced),
            "chat_cleared" => Some(Said::Cleared),
            _ => None,
        };
        Some(target.unwrap_or(Said::Other))
    }

    /// True if this, done at `at`, takes back `message`, which stands at `said_at` in the same channel.
    #[must_use]
    pub fn takes_back(&self, at: &Slot, message: &Said, said_at: &Slot) -> bool {
        let Said::Message(author) = message else { return false };
        match self {
            Said::Deleted(id) => *id == said_at.id,
            Said::Silenced(user) => said_at.time <= at.time && author.as_ref() == Some(user),
            Said::Cleared => said_at.time <= at.time,
            Said::Message(_) | Said::Other => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use schemas::Topic;
    use serde_json::json;

    use super::super::selector::{Filter, Selectors, Subscribe};
    use super::super::store::{Store, StoreLimits};
    use super::*;

    /// Room for so few that history is lost.
    const CHAT_MAX: usize = 5;

    #[derive(Clone, Debug)]
    enum Step {
        /// A message or a question of a user, with a time.
        Say(u8, i64, bool),
        /// A message that was there comes again.
        Repeat(usize),
        Delete(usize),
        Silence(u8, i64),
        Clear(i64),
        /// The client reads everything there is for it.
        Read,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            8 => (0..3_u8, 0..30_i64, any::<bool>()).prop_map(|(user, time, asks)| Step::Say(user, time, asks)),
            1 => (0..40_usize).prop_map(Step::Repeat),
            2 => (0..40_usize).prop_map(Step::Delete),
            1 => (0..3_u8, 0..30_i64).prop_map(|(user, time)| Step::Silence(user, time)),
            1 => (0..30_i64).prop_map(Step::Clear),
            3 => Just(Step::Read),
        ]
    }

    fn event(number: usize, step: &Step, said: &[Json]) -> Option<Json> {
        let one = |kind: &str, time: i64, more: Json| {
            let mut event = json!({"kind": kind, "event_id": format!("e{number}"), "event_time": time,
                "ingest_time": time, "channel_id": "c", "is_question": false, "user_id": null});
            event.as_object_mut()?.extend(more.as_object()?.clone());
            Some(event)
        };
        match step {
            Step::Say(user, time, asks) => {
                one("message", *time, json!({"user_id": user.to_string(), "is_question": asks}))
            }
            Step::Repeat(which) => said.get(*which).cloned(),
            Step::Delete(which) => {
                let id = said.get(*which).map_or(Json::Null, |message| message["event_id"].clone());
                one("message_deleted", 15, json!({"target_message_id": id}))
            }
            Step::Silence(user, time) => {
                one("user_banned", *time, json!({"target_user_id": user.to_string()}))
            }
            Step::Clear(time) => one("chat_cleared", *time, json!({})),
            Step::Read => None,
        }
    }

    /// In the words of the documentation, on plain JSON.
    fn is_taken_back(message: &Json, action: &Json) -> bool {
        let is_before = message["event_time"].as_i64() <= action["event_time"].as_i64();
        match action["kind"].as_str() {
            Some("message_deleted") => action["target_message_id"] == message["event_id"],
            Some("user_banned") => is_before && action["target_user_id"] == message["user_id"],
            Some("chat_cleared") => is_before,
            _ => false,
        }
    }

    /// What a client knows: events by id, and how far it has read.
    #[derive(Default)]
    struct Client {
        events: BTreeMap<String, Json>,
        offset: u64,
    }

    impl Client {
        /// The values that came.
        fn read(&mut self, store: &Store, filter: &Filter) -> Vec<Json> {
            if !store.can_continue(self.offset, filter) {
                *self = Client::default();
            }
            let batch = store.read(self.offset, filter, usize::MAX, usize::MAX);
            self.offset = batch.offset;
            let value = |text: &str| serde_json::from_str::<Json>(text).expect("JSON")["value"].clone();
            let came: Vec<Json> = batch.frames.iter().map(|(_, text)| value(text.as_str())).collect();
            for event in &came {
                self.events.insert(event["event_id"].as_str().expect("text").to_owned(), event.clone());
            }
            came
        }

        /// The ids of messages that none of the actions that it knows takes back.
        fn standing(&self) -> Vec<&str> {
            let is_message = |event: &Json| event["kind"] == "message";
            let actions = || self.events.values().filter(|event| !is_message(event));
            let messages = self.events.iter().filter(|(_, event)| is_message(event));
            let standing =
                messages.filter(|(_, message)| !actions().any(|action| is_taken_back(message, action)));
            standing.map(|(id, _)| id.as_str()).collect()
        }
    }

    proptest! {
        /// However rarely a client reads: nothing comes to it, or to one that comes new, that was taken back before; what
        /// it has and what is taken back, it is told; and it misses nothing that is kept.
        #[test]
        fn nobody_gets_what_was_taken_back_and_nobody_misses_what_was_not(
            steps in proptest::collection::vec(step(), 1..120),
        ) {
            let limits = StoreLimits { chat_max: CHAT_MAX, ..StoreLimits::default() };
            let mut store = Store::new("e".into(), limits);
            let asked = Subscribe::parse(r#"{"subscribe":[{"kind":"chat"}]}"#, 8).expect("a message").asked;
            let filter = Filter::new(asked, Selectors::everything()).expect("all may be read");
            let mut client = Client::default();
            let (mut said, mut actions, mut taken_back) = (Vec::new(), Vec::new(), Vec::<String>::new());
            for (number, step) in steps.iter().chain([&Step::Read]).enumerate() {
                if let Some(event) = event(number, step, &said) {
                    let is_full = actions.len() > CHAT_MAX; // some of them are forgotten
                    let id = || event["event_id"].as_str().expect("text").to_owned();
                    if event["kind"] == "message" {
                        let is_over = actions.iter().any(|action| is_taken_back(&event, action));
                        taken_back.retain(|one| *one != id());
                        if is_over && !is_full {
                            taken_back.push(id());
                        }
                        said.push(event.clone());
                    } else {
                        let over = said.iter().filter(|message| is_taken_back(message, &event));
                        taken_back.extend(over.map(|one| one["event_id"].as_str().expect("text").to_owned()));
                        actions.push(event.clone());
                    }
                    store.put(&Row::from_record(Topic::Chat, event).expect("an event"));
                    continue;
                }
                let came = client.read(&store, &filter);
                let fresh = Client::default().read(&store, &filter);
                for event in came.iter().chain(&fresh).filter(|event| event["kind"] == "message") {
                    let id = event["event_id"].as_str().expect("text");
                    prop_assert!(!taken_back.iter().any(|one| one == id), "{} was taken back", id);
                    // an action that only the client remembers hides what came much later
                    prop_assert!(actions.len() > CHAT_MAX || client.standing().contains(&id), "{} is kept", id);
                }
                if actions.len() <= CHAT_MAX {
                    for id in client.standing() {
                        prop_assert!(!taken_back.iter().any(|one| one == id), "{} stands at the client", id);
                    }
                }
            }
            let kept = store.size();
            prop_assert!(kept.0 <= 3 * CHAT_MAX);
            prop_assert_eq!(kept.1, store.read(0, &filter, usize::MAX, usize::MAX).frames.iter().map(|(_, text)| text.text_len()).sum::<usize>());
        }
    }

    #[test]
    fn what_is_taken_back_leaves_no_trace_in_memory_and_others_go_on() {
        let mut store = Store::new("e".into(), StoreLimits::default());
        let put = |store: &mut Store, event: Json| {
            store.put(&Row::from_record(Topic::Chat, event).expect("an event"))
        };
        let message = |id: &str, time: i64| {
            json!({"kind": "message", "event_id": id, "event_time": time, "ingest_time": time,
                "channel_id": "c", "user_id": "u", "is_question": false})
        };
        let ahead = json!({"kind": "message", "event_id": "ahead", "event_time": i64::MAX, "ingest_time": 3,
            "channel_id": "c", "user_id": "u", "is_question": true});
        assert!(put(&mut store, message("before", 1)) && put(&mut store, ahead));
        let elsewhere = json!({"kind": "message", "event_id": "x", "event_time": 1, "ingest_time": 1,
            "channel_id": "d", "user_id": "u", "is_question": false});
        assert!(put(&mut store, elsewhere));
        let ban = json!({"kind": "user_timed_out", "event_id": "b", "event_time": 5, "ingest_time": 5,
            "channel_id": "c", "target_user_id": "u"});
        assert!(put(&mut store, ban));
        assert!(!put(&mut store, message("late", 4)), "it came late, and was taken back before");
        assert!(put(&mut store, message("after", 6)), "a time-out ends");
        let everything = Filter::new(Selectors::everything(), Selectors::everything()).expect("all");
        let offsets = |from| {
            let batch = store.read(from, &everything, usize::MAX, usize::MAX);
            batch.frames.iter().map(|(offset, _)| *offset).collect::<Vec<_>>()
        };
        assert_eq!(offsets(0), [3, 4, 5], "the other channel's, the action, and what came after");
        assert!(store.can_continue(0, &everything), "nobody starts over for it: the action says it all");
        assert_eq!(offsets(2), [3, 4, 5]);
    }
}
