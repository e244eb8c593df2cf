//! `ovation dashboard token`, and what `ovation check` says of keys.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rcgen::{KeyPair, PKCS_ED25519};

const SECRET: &str = "a-secret-of-more-than-thirty-two-bytes";

/// A configuration with an HS256 key.
fn configuration(name: &str, more: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("secret"), format!("{SECRET}\n")).expect("written");
    let text = format!(
        "[kafka]\nbrokers = \"127.0.0.1:1\"\n[dashboard]\nlisten = \"127.0.0.1:0\"\naudience = \"dashboards\"\n\
         [[dashboard.keys]]\nkid = \"hs\"\nalgorithm = \"HS256\"\nfile = {:?}\n{more}",
        folder.join("secret")
    );
    std::fs::write(folder.join("ovation.toml"), text).expect("written");
    folder
}

fn ran(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ovation"));
    command.args(arguments).current_dir(folder).output().expect("the binary runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn token(folder: &Path, arguments: &[&str]) -> String {
    let output = ran(folder, &[&["dashboard", "token"], arguments].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout).trim().to_owned()
}

#[test]
fn a_token_is_made_for_a_key_of_the_configuration_and_checked() {
    let public = "[[dashboard.keys]]\nkid = \"ed\"\nalgorithm = \"EdDSA\"\nfile = \"public.pem\"\n";
    let folder = configuration("dashboard-token", public);
    let pair = || KeyPair::generate_for(&PKCS_ED25519).expect("a key pair");
    let (own, other) = (pair(), pair());
    for (name, content) in [
        ("private.pem", own.serialize_pem()),
        ("public.pem", own.public_key_pem()),
        ("other.pem", other.serialize_pem()),
    ] {
        std::fs::write(folder.join(name), content).expect("written");
    }
    let ed = ["--kid", "ed", "--read", r#"[{"kind":"markets"}]"#, "--private-key", "private.pem"];
    assert_eq!(token(&folder, &ed).split('.').count(), 3);
    assert_eq!(token(&folder, &["--kid", "hs", "--read", "*"]).split('.').count(), 3);
    for (arguments, part) in [
        (&["--read", "*"][..], "choose one with --kid"),
        (&["--kid", "hx", "--read", "*"], "did you mean `hs`?"),
        (&["--kid", "ed", "--read", "*"], "--private-key"),
        (&["--kid", "ed", "--read", "*", "--private-key", "other.pem"], "not signed by that key"),
        (&["--kid", "hs", "--read", "[{}]"], "`read`"),
        (&["--kid", "hs", "--read", "nonsense"], "neither * nor JSON"),
        (&["--kid", "hs"], "--channel"),
    ] {
        let output = ran(&folder, &[&["dashboard", "token"], arguments].concat());
        let errors = text(&output.stderr);
        assert!(!output.status.success() && errors.contains(part), "{arguments:?}: {errors}");
    }
    let check = ran(&folder, &["check"]);
    let shown = text(&check.stdout);
    assert!(shown.contains("without a token nothing; keys of tokens: hs, ed"), "{shown}");
    assert!(!shown.contains(SECRET), "{shown}");
    std::fs::remove_file(folder.join("secret")).expect("removed");
    let check = ran(&folder, &["check"]);
    assert_eq!((check.status.code(), check.stdout.is_empty()), (Some(2), true));
    assert!(text(&check.stderr).contains("key `hs` (dashboard.keys)"), "{}", text(&check.stderr));
}
