//! Every published version of every schema keeps a value's bytes, which must decode for ever.
//!
//! `golden/vN/` holds for each record the schema as published (`.avsc`), one value's bytes in the wire format
//! (`.hex`) and the same value as JSON (`.json`), if its schema changed with that version. The files of a published version never
//! change. For a new version run `OVATION_WRITE_GOLDEN=v2 cargo test -p schemas --test golden` and commit what is new in the folder.

mod common;

use std::fmt::Debug;
use std::path::{Path, PathBuf};

use common::*;
use schemas::json::JsonReader;
use schemas::*;
use serde::Deserialize;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
}

/// The folders of all versions.
fn versions() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(golden()).expect("golden folder");
    entries.map(|entry| entry.expect("entry").path()).collect()
}

fn file_stem(topic: Topic) -> String {
    let schema: serde_json::Value = serde_json::from_str(topic.spec().schema).expect("json");
    let name = schema["name"].as_str().expect("name");
    let mut stem = String::new();
    for (index, letter) in name.char_indices() {
        if letter.is_uppercase() && index > 0 {
            stem.push('_');
        }
        stem.extend(letter.to_lowercase());
    }
    stem
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .chunks(32)
        .map(|row| row.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + "\n")
        .collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().filter_map(|letter| letter.to_digit(16)).collect();
    digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect()
}

fn check<M: Message + Debug>(message: &M, read: impl Fn(&Decoder, &[u8]) -> String) {
    let stem = file_stem(M::TOPIC);
    let mut bytes = Vec::new();
    Encoder::new(SchemaIds::local()).encode(message, &mut bytes).expect("fits");
    let is_published = |folder: &PathBuf| {
        let schema = std::fs::read_to_string(folder.join(format!("{stem}.avsc")));
        schema.is_ok_and(|schema| schema == M::TOPIC.spec().schema)
    };
    if let Ok(version) = std::env::var("OVATION_WRITE_GOLDEN")
        && !versions().iter().any(is_published)
    {
        std::fs::create_dir_all(golden().join(&version)).expect("writable");
        let json = JsonReader::new(M::TOPIC.spec().schema).expect("a schema").read(&bytes).expect("reads");
        let write = |extension: &str, text: String| {
            let path = golden().join(&version).join(format!("{stem}.{extension}"));
            assert!(!path.exists(), "{} is published and never changes", path.display());
            std::fs::write(path, text).expect("writable");
        };
        write("avsc", M::TOPIC.spec().schema.to_owned());
        write("hex", hex(&bytes));
        write("json", serde_json::to_string_pretty(&json).expect("json") + "\n");
    }
    assert!(versions().iter().any(is_published), "today's schema of {stem} has no golden bytes");
    for folder in versions().iter().filter(|folder| folder.join(format!("{stem}.avsc")).exists()) {
        let text_of = |extension: &str| {
            let path = folder.join(format!("{stem}.{extension}"));
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        };
        let (writer_schema, published) = (text_of("avsc"), unhex(&text_of("hex")));
        let expected: serde_json::Value = serde_json::from_str(&text_of("json")).expect("json");
        let shown = JsonReader::new(&writer_schema).expect("a schema").read(&published).expect("reads");
        assert_eq!(shown, expected, "{} as {}", folder.display(), stem);
        let mut decoder = Decoder::new(SchemaIds::local());
        let (id, _) = schemas::codec::split_wire_format(&published).expect("wire format");
        let other_id = id + 1000;
        decoder.add_writer_schema(other_id, &writer_schema).expect("a schema");
        let mut renumbered = published.clone();
        renumbered[1..5].copy_from_slice(&other_id.to_be_bytes());
        let decoded = read(&decoder, &renumbered);
        if writer_schema == M::TOPIC.spec().schema {
            assert_eq!(decoded, format!("{message:?}"));
            assert_eq!(hex(&published), hex(&bytes), "today's encoder writes other bytes for {stem}");
        }
    }
}

fn show<'a, M: Message + Deserialize<'a> + Debug>(decoder: &Decoder, bytes: &'a [u8]) -> String {
    format!("{:?}", decoder.decode::<M>(bytes).expect("published bytes decode"))
}

#[test]
fn published_bytes_decode() {
    check(&chat(), |decoder, bytes| show::<ChatEvent<'_>>(decoder, bytes));
    check(&reaction(), |decoder, bytes| show::<ReactionEvent<'_>>(decoder, bytes));
    check(&viewer(), |decoder, bytes| show::<ViewerEvent<'_>>(decoder, bytes));
    check(&trade(), |decoder, bytes| show::<TradeEvent<'_>>(decoder, bytes));
    check(&leaderboard(), |decoder, bytes| show::<LeaderboardResult>(decoder, bytes));
    check(&engagement(), |decoder, bytes| show::<EngagementResult>(decoder, bytes));
    check(&candle(), |decoder, bytes| show::<CandleResult>(decoder, bytes));
    check(&flag(), |decoder, bytes| show::<ModerationFlag>(decoder, bytes));
    check(&dead_letter(), |decoder, bytes| show::<DeadLetter>(decoder, bytes));
    check(&partial(), |decoder, bytes| show::<BoardPartial>(decoder, bytes));
}
