//! `ovation check`: what it says of a configuration, word for word. `OVATION_BLESS=1 cargo test -p cli --test check` rewrites the texts;
//! read the difference before you commit it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check")
}

fn check(config: Option<&Path>, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ovation"));
    command.arg("check").args(arguments).current_dir(env!("CARGO_TARGET_TMPDIR"));
    config.map(|path| command.arg("--config").arg(path));
    command.output().expect("the binary runs")
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).expect("text")
}

fn assert_is(found: &str, file: &str) {
    let path = folder().join(file);
    if std::env::var_os("OVATION_BLESS").is_some() {
        std::fs::write(&path, found).expect("writable");
    }
    let expected = std::fs::read_to_string(&path).expect("the expected text");
    assert_eq!(found, expected, "{}", path.display());
}

#[test]
fn jobs_are_explained_to_people_and_to_scripts() {
    let config = folder().join("several.toml");
    assert_is(&text(&check(Some(&config), &[])), "several.txt");
    let json: Value =
        serde_json::from_str(&text(&check(Some(&config), &["--output", "json"]))).expect("json");
    assert_is(&(serde_json::to_string_pretty(&json).expect("json") + "\n"), "several.json");
}

#[test]
fn the_configuration_that_comes_with_the_program_is_sound_and_bounded() {
    let json: Value = serde_json::from_str(&text(&check(None, &["--output", "json"]))).expect("json");
    let jobs = json["jobs"].as_array().expect("jobs");
    assert!(jobs.len() >= 4, "{json}");
    for job in jobs {
        let processors = job["processors"].as_array().expect("processors");
        assert!(!processors.is_empty(), "{job}");
        for processor in processors {
            let has = |what: &str| processor[what].as_array().is_some_and(|all| !all.is_empty());
            assert!(has("reads") && has("records") && has("memory"), "{processor}");
        }
    }
}

#[test]
fn a_wrong_configuration_is_refused_with_its_place_and_nothing_is_printed() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("wrong.toml");
    std::fs::write(&path, "[jobs.m]\nlateness = '1s'\n[jobs.m.candles]\nintervals = ['90s', '0s']\n")
        .expect("writable");
    let output = check(Some(&path), &[]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
    let message = String::from_utf8(output.stderr).expect("text");
    assert!(message.contains("wrong.toml:4") && message.contains("is zero"), "{message}");
}
