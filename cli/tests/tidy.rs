//! The house rules that a machine can check: the arrows between crates, purity, file heads, lengths, words.
//!
//! Always holds: a rule names the file that breaks it and says what would be right. Add a rule here rather than to a list
//! of good intentions.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const FILE_LINES_MAX: usize = 400;
const FUNCTION_LINES_MAX: usize = 70;

/// Which of our crates each crate may depend on: data flows producers -> kafka -> processors -> kafka -> sinks.
const ARROWS: [(&str, &[&str]); 10] = [
    ("schemas", &[]),
    ("kafka", &["schemas"]),
    ("processors", &["schemas"]),
    ("producers", &["schemas", "kafka"]),
    ("runtime", &["schemas", "kafka", "processors"]),
    ("sinks", &["schemas", "kafka"]),
    ("devstack", &["schemas", "kafka"]),
    ("cli", &["schemas", "kafka", "processors", "producers", "runtime", "sinks", "devstack"]),
    ("bench/simulation", &["schemas", "kafka", "processors", "runtime"]),
    ("bench/harness", &["schemas", "kafka", "processors", "producers", "devstack"]),
];

/// Outside systems that one crate alone may know.
const KNOWN_TO_ONE: [(&str, &str); 3] =
    [("rdkafka", "kafka"), ("clickhouse", "sinks"), ("libloading", "devstack")];

/// All that the pure crates may depend on: nothing here does IO, reads a clock or draws a random number.
const PURE: [(&str, &[&str]); 2] = [
    (
        "schemas",
        &["apache-avro", "base64", "bigdecimal", "serde", "serde_avro_fast", "serde_json", "thiserror"],
    ),
    (
        "processors",
        &[
            "schemas",
            "aho-corasick",
            "hashbrown",
            "jiff",
            "libm",
            "rustc-hash",
            "serde",
            "thiserror",
            "twox-hash",
            "unicode-normalization",
        ],
    ),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every file of the repository with one of these extensions, as (path from the root, text).
fn files(extensions: &[&str]) -> Vec<(String, String)> {
    const NOT_OURS: [&str; 6] = ["target", "node_modules", "dist", ".git", ".ovation", "test-results"];
    fn walk(folder: &Path, extensions: &[&str], found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
            if path.is_dir() {
                if !NOT_OURS.contains(&name.as_str()) {
                    walk(&path, extensions, found);
                }
            } else if extensions.iter().any(|extension| name.ends_with(&format!(".{extension}"))) {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root(), extensions, &mut found);
    found.sort();
    assert!(!found.is_empty(), "no file with extension {extensions:?}");
    let relative = |path: &Path| path.strip_prefix(root()).expect("inside").display().to_string();
    found.iter().map(|path| (relative(path), read(path))).collect()
}

/// The names in `[dependencies]` of a crate's manifest.
fn dependencies(krate: &str) -> Vec<String> {
    let manifest: toml::Table = read(&root().join(krate).join("Cargo.toml")).parse().expect("a manifest");
    let table = manifest.get("dependencies").and_then(toml::Value::as_table).cloned().unwrap_or_default();
    table.keys().cloned().collect()
}

fn complain(rule: &str, offences: &[String]) {
    assert!(offences.is_empty(), "{rule}:\n  {}", offences.join("\n  "));
}

#[test]
fn crates_depend_along_the_arrows_only() {
    let ours: Vec<&str> = ARROWS.iter().map(|(krate, _)| *krate).collect();
    let workspace: toml::Table = read(&root().join("Cargo.toml")).parse().expect("a manifest");
    let members = workspace["workspace"]["members"].as_array().expect("members");
    let mut members: Vec<&str> = members.iter().filter_map(toml::Value::as_str).collect();
    let mut expected = ours.clone();
    members.sort_unstable();
    expected.sort_unstable();
    assert_eq!(members, expected, "a new crate needs a row in ARROWS");
    let mut offences = Vec::new();
    for (krate, allowed) in ARROWS {
        for dependency in dependencies(krate) {
            if ours.contains(&dependency.as_str()) && !allowed.contains(&dependency.as_str()) {
                offences.push(format!("{krate} must not depend on {dependency}"));
            }
        }
    }
    complain("arrows", &offences);
}

#[test]
fn an_outside_system_is_known_to_one_crate() {
    let mut offences = Vec::new();
    for (krate, _) in ARROWS {
        for dependency in dependencies(krate) {
            for (system, owner) in KNOWN_TO_ONE {
                if dependency == system && krate != owner {
                    offences.push(format!("{krate} must not depend on {system}: only {owner} knows it"));
                }
            }
        }
    }
    complain("outside systems", &offences);
}

#[test]
fn the_pure_crates_can_do_no_io() {
    const IMPURE: [&str; 8] = [
        "SystemTime",
        "Instant::now",
        "std::fs",
        "std::net",
        "std::thread",
        "std::env",
        "async fn",
        "RandomState",
    ];
    let mut offences = Vec::new();
    for (krate, allowed) in PURE {
        for dependency in dependencies(krate) {
            if !allowed.contains(&dependency.as_str()) {
                offences.push(format!(
                    "{krate} depends on {dependency}, which is not on the list of pure crates"
                ));
            }
        }
        for (path, text) in files(&["rs"]) {
            if !path.starts_with(&format!("{krate}/src/")) {
                continue;
            }
            for word in IMPURE {
                if production(&text).contains(word) {
                    offences.push(format!("{path} uses {word}; time and input come in as arguments"));
                }
            }
        }
    }
    complain("purity", &offences);
}

#[test]
fn every_source_file_says_what_it_is() {
    let silent = files(&["rs"]).into_iter().filter(|(_, text)| !text.starts_with("//! "));
    let offences: Vec<String> =
        silent.map(|(path, _)| format!("{path} must open with `//! ` and what it is")).collect();
    complain("file heads", &offences);
}

/// The text before the tests.
fn production(text: &str) -> &str {
    text.find("\n#[cfg(test)]\nmod ").map_or(text, |end| &text[..end])
}

fn is_test_file(path: &str) -> bool {
    path.contains("/tests/") || path.contains("/benches/") || path.ends_with("/tests.rs")
}

#[test]
fn files_and_functions_are_short() {
    let mut offences = Vec::new();
    for (path, text) in files(&["rs"]) {
        if is_test_file(&path) {
            continue;
        }
        let text = production(&text);
        let lines = text.lines().count();
        if lines > FILE_LINES_MAX {
            offences.push(format!("{path} has {lines} lines, at most {FILE_LINES_MAX}: concerns are mixed"));
        }
        for (name, lines) in function_lengths(text) {
            if lines > FUNCTION_LINES_MAX {
                offences.push(format!("{path}: fn {name} has {lines} lines, at most {FUNCTION_LINES_MAX}"));
            }
        }
    }
    complain("lengths", &offences);
}

/// Each function's name and length, by the closing brace that stands as far in as the line that opens it.
fn function_lengths(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let Some((before, after)) = line.split_once("fn ") else { continue };
        let is_function = before.trim().split(' ').all(|word| {
            let qualifiers = ["", "const", "async", "unsafe", "extern", "\"C\""];
            word.starts_with("pub") || qualifiers.contains(&word)
        });
        if !is_function || line.trim_end().ends_with(';') {
            continue;
        }
        let close = format!("{}}}", " ".repeat(indent));
        if let Some(length) = lines[start..].iter().position(|line| *line == close) {
            let name = after.split(['(', '<']).next().unwrap_or_default();
            found.push((name.to_owned(), length + 1));
        }
    }
    found
}

#[test]
fn unsafe_code_lives_in_two_crates() {
    let mut offences = Vec::new();
    for (path, text) in files(&["rs"]) {
        let may =
            path.starts_with("kafka/") || path.starts_with("devstack/") || path.ends_with("tests/tidy.rs");
        let uses = text.lines().any(|line| {
            let code = line.split("//").next().unwrap_or_default();
            ["unsafe {", "unsafe fn", "allow(unsafe_code"].iter().any(|word| code.contains(word))
        });
        if uses && !may {
            offences.push(format!("{path} has unsafe code; only kafka/ and devstack/ may"));
        }
    }
    complain("unsafe", &offences);
}

#[test]
fn words_that_do_not_belong_here_are_absent() {
    // Written in two halves so that this file does not find itself.
    let banned = [
        (concat!("TO", "DO"), "finish it, or say in a comment what is absent and why"),
        (concat!("FIX", "ME"), "finish it, or say in a comment what is absent and why"),
        (concat!("todo", "!("), "finish it"),
        (concat!("unimpl", "emented!("), "finish it"),
        (concat!("dbg", "!("), "remove it"),
        (concat!("#[ig", "nore"), "a test that does not run proves nothing"),
        (concat!("static.", "crates.io"), "name no registry's host"),
        (concat!("registry.", "npmjs"), "name no registry's host"),
        (concat!("repo.", "maven"), "name no registry's host"),
        (concat!("pypi", ".org"), "name no registry's host"),
        (concat!("/wo", "rk/"), "a path of one machine"),
    ];
    let mut offences = Vec::new();
    for (path, text) in files(&[
        "rs", "ts", "mjs", "sql", "md", "toml", "sh", "yml", "yaml", "xml", "css", "html", "json", "py",
    ]) {
        for (word, advice) in banned {
            if text.contains(word) {
                offences.push(format!("{path} has `{word}`: {advice}"));
            }
        }
    }
    complain("words", &offences);
}

#[test]
fn log_and_error_texts_are_lower_case_without_a_full_stop() {
    const CALLS: [&str; 7] = ["info!(", "warn!(", "error!(", "debug!(", "#[error(", "bail!(", "anyhow!("];
    let mut offences = Vec::new();
    for (path, text) in files(&["rs"]) {
        // The registry answers with the texts that clients of the original know.
        if is_test_file(&path) || path == "devstack/src/registry/error.rs" {
            continue;
        }
        for (number, line) in production(&text).lines().enumerate() {
            if !CALLS.iter().any(|call| line.contains(call)) {
                continue;
            }
            let Some(message) = line.rsplit_once('"').and_then(|(before, _)| before.rsplit_once('"')) else {
                continue;
            };
            let mut letters = message.1.chars();
            let (first, second) = (letters.next().unwrap_or('x'), letters.next().unwrap_or('x'));
            // Two capitals are a name (CSV, URL).
            if (first.is_uppercase() && second.is_lowercase()) || message.1.ends_with('.') {
                offences.push(format!("{path}:{}: `{}`", number + 1, message.1));
            }
        }
    }
    complain("log and error texts are lower case, without a full stop", &offences);
}

#[test]
fn documents_name_what_exists() {
    let readme = read(&root().join("README.md"));
    let architecture = read(&root().join("ARCHITECTURE.md"));
    let mut offences = Vec::new();
    for (krate, _) in ARROWS {
        if !architecture.contains(&format!("`{krate}/`")) {
            offences.push(format!("ARCHITECTURE.md does not mention `{krate}/`"));
        }
    }
    for topic in schemas::Topic::ALL {
        if !readme.contains(topic.name()) {
            offences.push(format!("README.md does not mention {topic}"));
        }
    }
    for command in ["make demo", "make test"] {
        if !readme.contains(command) {
            offences.push(format!("README.md does not show `{command}`"));
        }
    }
    // Links between our own documents lead somewhere.
    for (path, text) in files(&["md"]) {
        let path_here = root().join(&path);
        let folder = path_here.parent().expect("a folder");
        for link in text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            if !link.is_empty() && !link.contains("://") && !folder.join(link).exists() {
                offences.push(format!("{path} links to {link}, which does not exist"));
            }
        }
    }
    complain("documents", &offences);
}

#[test]
fn migrations_are_numbered_without_a_gap() {
    let mut numbers = BTreeMap::new();
    for (path, _) in files(&["sql"]) {
        let Some(name) = path.strip_prefix("sinks/migrations/") else { continue };
        let number: usize = name.split('_').next().and_then(|digits| digits.parse().ok()).unwrap_or(0);
        assert!(numbers.insert(number, name.to_owned()).is_none(), "two migrations numbered {number}");
    }
    let found: Vec<usize> = numbers.keys().copied().collect();
    assert_eq!(found, (1..=numbers.len()).collect::<Vec<_>>(), "{numbers:?}");
}
