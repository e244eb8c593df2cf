//! What clients that ask for the same share: the filter, and the step that all of them take who stand at the same place.
//!
//! Always holds: a step is found only for the very filter that it was made with, which lives as long as its steps are kept; at most
//! [`KEPT_BYTES_MAX`] are. Does not know: clients.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::cursor::{Cursor, Place, Step};
use super::hub::Hub;
use super::selector::Filter;

/// Beyond this what was kept is made again.
const KEPT_BYTES_MAX: usize = 16 << 20;
/// Filters that nobody has any more are looked for when there are this many, and then whenever there are twice as many.
const FILTERS_SWEPT: usize = 64;

/// Filters, and steps of this moment.
pub struct Steps {
    filters: HashSet<Arc<Filter>>,
    sweep_at: usize,
    /// By the filter's address; the filter is kept so that no other can have it.
    kept: HashMap<(usize, Place), (Arc<Filter>, Arc<Step>)>,
    kept_bytes: usize,
    /// How many changes had been taken back when they were made.
    taken_back: u64,
}

impl Steps {
    /// None yet.
    pub fn new() -> Self {
        Steps {
            filters: HashSet::new(),
            sweep_at: FILTERS_SWEPT,
            kept: HashMap::new(),
            kept_bytes: 0,
            taken_back: 0,
        }
    }

    /// This filter, the same one for all who have an equal one.
    pub fn shared(&mut self, filter: Filter) -> Arc<Filter> {
        if self.filters.len() >= self.sweep_at {
            self.forget();
            self.filters.retain(|filter| Arc::strong_count(filter) > 1);
            self.sweep_at = FILTERS_SWEPT.max(self.filters.len() * 2);
        }
        if let Some(known) = self.filters.get(&filter) {
            return Arc::clone(known);
        }
        let filter = Arc::new(filter);
        self.filters.insert(Arc::clone(&filter));
        filter
    }

    /// The moment is over.
    pub fn forget(&mut self) {
        self.kept.clear();
        self.kept_bytes = 0;
    }

    /// Takes a cursor's next step. Its filter must be a shared one.
    pub fn take(&mut self, cursor: &mut Cursor, hub: &Hub) -> Arc<Step> {
        let taken_back = hub.taken_back();
        if std::mem::replace(&mut self.taken_back, taken_back) != taken_back {
            self.forget();
        }
        let at = (Arc::as_ptr(cursor.filter()).addr(), cursor.place());
        if let Some((_, step)) = self.kept.get(&at) {
            cursor.go(step);
            return Arc::clone(step);
        }
        let step = Arc::new(cursor.step(hub));
        cursor.go(&step);
        if self.kept_bytes > KEPT_BYTES_MAX {
            self.forget();
        }
        self.kept_bytes +=
            size_of::<Step>() + step.frames.iter().map(|frame| frame.text.text_len()).sum::<usize>();
        self.kept.insert(at, (Arc::clone(cursor.filter()), Arc::clone(&step)));
        step
    }
}

#[cfg(test)]
mod tests {
    use schemas::Topic;
    use serde_json::json;

    use super::super::row::Row;
    use super::super::selector::Selectors;
    use super::super::store::StoreLimits;
    use super::*;

    fn selectors(text: &str) -> Selectors {
        Selectors::from_json(&serde_json::from_str(text).expect("JSON"), "subscribe", 8).expect("selectors")
    }

    fn filter(asked: &str, readable: &str) -> Filter {
        Filter::new(selectors(asked), selectors(readable)).expect("readable")
    }

    #[test]
    fn who_asks_for_the_same_and_may_read_the_same_shares_a_step_and_nobody_else_does() {
        const ALL: &str = r#"[{"kind":"moderation"}]"#;
        let hub = Hub::new(StoreLimits::default());
        let mut steps = Steps::new();
        let mut take = |filter: Filter| {
            let mut cursor = Cursor::new(&hub, steps.shared(filter), None);
            steps.take(&mut cursor, &hub)
        };
        let one = take(filter(ALL, ALL));
        assert!(Arc::ptr_eq(&one, &take(filter(ALL, ALL))));
        let narrower = r#"[{"kind":"moderation","channel":"twitch:1"}]"#;
        let others =
            [filter(ALL, narrower), filter(narrower, ALL), Filter::partial(selectors(ALL), selectors(ALL))];
        for other in others {
            assert!(!Arc::ptr_eq(&one, &take(other)));
        }
    }

    #[test]
    fn a_step_with_what_was_taken_back_since_is_not_shared() {
        let hub = Hub::new(StoreLimits::default());
        let mut steps = Steps::new();
        let publish = |event: serde_json::Value| {
            hub.publish(&[Row::from_record(Topic::Chat, event).expect("an event")]);
        };
        let message = |id: &str, text: &str| {
            json!({"kind": "message", "event_id": id, "event_time": 1, "ingest_time": 1, "channel_id": "c",
                "user_id": "u", "text": text, "is_question": false})
        };
        let chat = || filter(r#"[{"kind":"chat"}]"#, r#"[{"kind":"chat"}]"#);
        let text = |step: &Step| step.frames.iter().map(|frame| frame.text.as_str()).collect::<String>();
        publish(message("before", "hello"));
        let mut earlier = Cursor::new(&hub, steps.shared(chat()), None);
        steps.take(&mut earlier, &hub);
        let id = format!("{}:{}", hub.epoch(), earlier.offset());
        publish(message("m", "a secret"));
        assert!(text(&steps.take(&mut earlier, &hub)).contains("a secret"));
        publish(json!({"kind": "message_deleted", "event_id": "d", "event_time": 2, "ingest_time": 2,
            "channel_id": "c", "target_message_id": "m"}));
        let mut back = Cursor::new(&hub, steps.shared(chat()), Some(&id));
        steps.take(&mut back, &hub);
        assert!(back.is_live(), "it stands where the other stood");
        let came = text(&steps.take(&mut back, &hub));
        assert!(!came.contains("a secret") && came.contains("message_deleted"), "{came}");
    }

    #[test]
    fn filters_that_nobody_has_any_more_are_forgotten() {
        let hub = Hub::new(StoreLimits::default());
        let mut steps = Steps::new();
        let channel = |number: usize| format!(r#"[{{"kind":"moderation","channel":"{number}"}}]"#);
        let kept = steps.shared(filter(&channel(0), &channel(0)));
        for number in 1..10_000 {
            let mut cursor =
                Cursor::new(&hub, steps.shared(filter(&channel(number), &channel(number))), None);
            steps.take(&mut cursor, &hub);
        }
        assert!(steps.filters.len() <= 2 * FILTERS_SWEPT, "{}", steps.filters.len());
        assert!(Arc::ptr_eq(&kept, &steps.shared(filter(&channel(0), &channel(0)))));
    }
}
