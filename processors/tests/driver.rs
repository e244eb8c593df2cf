//! The driver: what it writes into a record besides the processors' part.

mod common;

use common::{at, chat, job, reaction, viewer};
use processors::{Driver, Output};
use schemas::{Event, ReactionKind, Timestamp, Topic, ViewerKind};

const TOML: &str = "lateness = '0s'\n[engagement]\nwindow = '10us'\nemit_every = '10us'\n";

fn message(micros: i64) -> Event<'static> {
    Event::Chat(chat(&format!("m{micros}"), at(micros), "a", Some("u"), "x"))
}

#[test]
fn records_say_how_fresh_they_are_and_where_they_come_from() {
    let mut driver = Driver::new(&job(TOML));
    driver.push(Topic::Chat, at(1_000), &message(3));
    driver.push(Topic::Chat, at(1_007), &message(27));
    assert_eq!(driver.take(), [], "reactions and viewers may still come");
    driver.mark_idle(Topic::Reactions);
    driver.mark_idle(Topic::Viewers);
    let mut outputs = driver.take();
    assert_eq!(outputs.len(), 1);
    let freshness = outputs[0].freshness_mut().clone();
    assert_eq!((freshness.as_of, freshness.watermark, freshness.computed_at), (at(10), at(27), at(1_007)));
    assert_eq!((freshness.job.as_str(), freshness.shard), ("test", 0));
    assert_eq!(freshness.input_offsets.into_iter().collect::<Vec<_>>(), [("events.chat".to_owned(), 2)]);
    let mut last = driver.finish();
    assert_eq!(last.len(), 1);
    assert_eq!(last[0].freshness_mut().watermark, at(30), "an ended input has no watermark to show");
}

#[test]
fn a_flag_goes_out_at_once_and_its_watermark_is_not_before_as_of() {
    let toml = format!("{TOML}[moderation]\nterms = [{{ term = 'x', category = 'c', severity = 1 }}]\n");
    let mut driver = Driver::new(&job(&toml));
    let flagged = |driver: &mut Driver, micros: i64| {
        driver.push(Topic::Chat, at(micros), &message(micros));
        let mut outputs = driver.take();
        assert!(matches!(outputs[..], [Output::Flag(_)]));
        let freshness = outputs[0].freshness_mut();
        (freshness.as_of.micros(), freshness.watermark.micros())
    };
    assert_eq!(flagged(&mut driver, 50), (50, 50));
    assert_eq!(flagged(&mut driver, 40), (40, 40));
    assert_eq!(flagged(&mut driver, 70), (50, 50));
    // The other inputs begin, and are behind: the shard's watermark is 2.
    driver.push(
        Topic::Reactions,
        at(2),
        &Event::Reaction(reaction("r", at(2), "a", None, ReactionKind::Like, 1)),
    );
    driver.push(Topic::Viewers, at(3), &Event::Viewer(viewer("v", at(3), "a", ViewerKind::Join, "s")));
    assert_eq!(flagged(&mut driver, 72), (70, 70));
}

#[test]
fn absurd_times_neither_stop_nor_close_anything() {
    let mut driver = Driver::new(&job(TOML));
    driver.mark_idle(Topic::Reactions);
    driver.mark_idle(Topic::Viewers);
    let future = driver.push(Topic::Chat, at(0), &message(i64::MAX));
    assert!(future.is_clamped && !future.is_late);
    let past = driver.push(Topic::Chat, at(0), &message(i64::MIN));
    assert!(past.is_clamped && past.is_late);
    assert!(driver.push(Topic::Chat, Timestamp::MAX, &message(i64::MAX - 1)).is_clamped);
    let outputs = driver.finish();
    assert_eq!(outputs.len(), 2);
}
