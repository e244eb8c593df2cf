//! Wrong configurations and what is said about them, as a text file. `OVATION_BLESS=1 cargo test -p processors` rewrites what is
//! said; read the difference before you commit it.
//!
//! Always holds: every configuration in the file is refused, and for one reason unless its title says otherwise.

use std::fmt::Write as _;
use std::path::Path;

use processors::JobConfig;

/// What is wrong with a configuration, a line for each problem.
fn said(toml: &str) -> String {
    match toml::from_str::<JobConfig>(toml) {
        Err(error) => format!("{}\n", error.message().trim_end()),
        Ok(config) => {
            let errors = config.validate("job").expect_err("a configuration that must be refused");
            errors.iter().fold(String::new(), |mut text, error| {
                writeln!(text, "{error}").expect("a string");
                text
            })
        }
    }
}

#[test]
fn wrong_configurations_are_refused_with_what_would_be_right() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/boards_refused.txt");
    let text = std::fs::read_to_string(&path).expect("the file of configurations");
    let mut parts = text.split("=== ");
    let mut written = parts.next().expect("a head").to_owned();
    let mut count = 0;
    for part in parts {
        let (title, rest) = part.split_once('\n').expect("a title");
        let (toml, _) = rest.split_once("--- says\n").expect("what is said");
        let problems = said(toml);
        assert!(title.contains("several") || problems.lines().count() == 1, "{title}: {problems}");
        write!(written, "=== {title}\n{toml}--- says\n{problems}\n").expect("a string");
        count += 1;
    }
    assert!(count >= 30, "there are only {count}");
    let written = format!("{}\n", written.trim_end());
    if std::env::var_os("OVATION_BLESS").is_some() {
        std::fs::write(&path, written).expect("the file can be written");
    } else {
        assert_eq!(written, text);
    }
}
