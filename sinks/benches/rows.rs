//! What a chat record costs on its way to an insert, in our process: decoding, the row, columns, LZ4.
//!
//! `cargo bench -p sinks --bench rows`. Always holds: the same messages in all. Does not know: what the server pays.

use clickhouse::Compression;
use clickhouse::insert_formatted::CompressedData;
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use schemas::{ChatEvent, ChatKind, Decoder, Emote, Encoder, Event, SchemaIds, Timestamp, Topic};
use sinks::clickhouse::native;
use sinks::clickhouse::rowbinary::RowBuffer;
use sinks::clickhouse::rows::{Place, Rows};
use sinks::clickhouse::tables::Table;

const MESSAGES: i64 = 10_000;

fn main() {
    divan::main();
}

fn message(number: i64) -> ChatEvent<'static> {
    let at = Timestamp::from_micros(1_767_571_200_000_000 + number * 1_000);
    ChatEvent {
        event_id: format!("simulator:{:032x}", number * 2_654_435_761).into(),
        event_time: at,
        ingest_time: at,
        source: "simulator".into(),
        channel_id: format!("simulator:channel-{}", number % 50).into(),
        user_id: Some(format!("simulator:user-{}", number * 7_919 % 20_000).into()),
        stream_id: Some(format!("simulator:stream-{}", number % 50).into()),
        kind: ChatKind::Message,
        user_name: Some(format!("User{}", number * 7_919 % 20_000).into()),
        text: Some(format!("what a play number {number}, did you see that Kappa").into()),
        emotes: vec![Emote { id: "simulator:25".into(), name: "Kappa".into(), count: 1 }],
        roles: vec!["subscriber".into()],
        badges: vec!["subscriber/12".into()],
        reply_to: None,
        is_question: false,
        is_first_message: false,
        target_message_id: None,
        target_user_id: None,
        duration_ms: None,
    }
}

fn payloads() -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(SchemaIds::local());
    let encode = |number| {
        let mut payload = Vec::new();
        encoder.encode(&message(number), &mut payload).map(|()| payload).unwrap_or_default()
    };
    (0..MESSAGES).map(encode).collect()
}

fn rows(payloads: &[Vec<u8>]) -> RowBuffer {
    let (decoder, mut rows) = (Decoder::new(SchemaIds::local()), RowBuffer::default());
    for (offset, payload) in (0..).zip(payloads) {
        if let Ok(event) = decoder.decode_event(Topic::Chat, payload) {
            event.write(&Place { topic: "events.chat", partition: 0, offset }, &mut rows);
        }
    }
    rows
}

#[divan::bench]
fn decode(bencher: Bencher<'_, '_>) {
    let payloads = payloads();
    bencher.counter(ItemsCount::new(MESSAGES as usize)).bench_local(|| {
        let decoder = Decoder::new(SchemaIds::local());
        for payload in &payloads {
            if let Ok(Event::Chat(event)) = decoder.decode_event(Topic::Chat, payload) {
                black_box(event);
            }
        }
    });
}

#[divan::bench]
fn decode_and_row_binary(bencher: Bencher<'_, '_>) {
    let payloads = payloads();
    bencher.counter(ItemsCount::new(MESSAGES as usize)).bench_local(|| rows(&payloads));
}

#[divan::bench]
fn rows_into_columns(bencher: Bencher<'_, '_>) {
    let rows = rows(&payloads());
    bencher.counter(ItemsCount::new(MESSAGES as usize)).bench_local(|| {
        native::blocks(Table::of(Topic::Chat).columns(), black_box(rows.as_bytes()), |block| {
            black_box(block);
            Ok::<(), ()>(())
        })
    });
}

#[divan::bench]
fn rows_into_columns_and_lz4(bencher: Bencher<'_, '_>) {
    let rows = rows(&payloads());
    bencher.counter(ItemsCount::new(MESSAGES as usize)).bench_local(|| {
        native::blocks(Table::of(Topic::Chat).columns(), black_box(rows.as_bytes()), |block| {
            CompressedData::new(block, Compression::Lz4).map(drop)
        })
    });
}

#[divan::bench]
fn lz4(bencher: Bencher<'_, '_>) {
    let rows = rows(&payloads());
    bencher
        .counter(ItemsCount::new(MESSAGES as usize))
        .bench_local(|| CompressedData::new(rows.as_bytes(), Compression::Lz4).is_ok());
}
