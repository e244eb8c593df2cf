//! Tokens, good and forged.

use jsonwebtoken::EncodingKey;
use proptest::prelude::*;
use rcgen::{KeyPair, PKCS_ED25519};

use super::*;

const SECRET: &[u8] = b"a secret of at least thirty-two bytes\n";
const OTHER: &[u8] = b"another secret of more than thirty-two bytes";

fn pair() -> KeyPair {
    KeyPair::generate_for(&PKCS_ED25519).expect("a key pair")
}

fn key(kid: &str, bytes: &[u8]) -> Key {
    Key::new(kid, TokenAlgorithm::Hs256, bytes).expect("a key")
}

fn access(keys: Vec<Key>, audience: Option<&str>) -> Access {
    Access::new(keys, audience.map(str::to_owned), None).expect("different kids")
}

/// Good for an hour unless `claims` say otherwise.
fn signed(kid: Option<&str>, secret: &[u8], mut claims: Json) -> String {
    crypto::install();
    let mut header = Header::new(Algorithm::HS256);
    header.kid = kid.map(str::to_owned);
    if claims.get("exp").is_none() {
        claims["exp"] = (now_s() + 3_600).into();
    }
    jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(secret.trim_ascii_end()))
        .expect("signed")
}

fn code_and_text(access: &Access, token: &str) -> (&'static str, String) {
    let denied = access.grant(Some(token)).expect_err(token);
    (denied.code(), denied.to_string())
}

#[test]
fn tokens_of_both_algorithms_and_of_old_and_new_keys_count() {
    let pair = pair();
    let public = pair.public_key_pem();
    let eddsa = Key::new("ed", TokenAlgorithm::EdDsa, public.as_bytes()).expect("a public key");
    let access = access(vec![key("old", OTHER), key("new", SECRET), eddsa], Some("dashboards"));
    let mint = |kid, algorithm, bytes: &[u8]| {
        let claims = claims(Some("*".into()), &[], Some("dashboards"));
        super::mint(kid, algorithm, bytes, claims, Duration::from_secs(60)).expect("a token")
    };
    let private = pair.serialize_pem();
    for token in [
        mint("old", TokenAlgorithm::Hs256, OTHER),
        mint("new", TokenAlgorithm::Hs256, SECRET),
        mint("ed", TokenAlgorithm::EdDsa, private.as_bytes()),
    ] {
        assert_eq!(access.grant(Some(&token)).expect("good").readable, Selectors::everything());
    }
}

#[test]
fn a_forged_token_is_refused() {
    let pair = pair();
    let public = pair.public_key_pem();
    let eddsa = Key::new("ed", TokenAlgorithm::EdDsa, public.as_bytes()).expect("a public key");
    let access = access(vec![key("hs", SECRET), eddsa], None);
    let wide = signed(Some("hs"), SECRET, json!({"read": "*"}));
    let narrow = signed(Some("hs"), SECRET, json!({"channels": ["twitch:1"]}));
    assert!(access.grant(Some(&wide)).is_ok() && access.grant(Some(&narrow)).is_ok());
    let parts = |token: &str| token.split('.').map(str::to_owned).collect::<Vec<_>>();
    let (wide_parts, narrow_parts) = (parts(&wide), parts(&narrow));
    // {"alg":"none","typ":"JWT"} and {"alg":"none","kid":"hs"}
    let none = ["eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0", "eyJhbGciOiJub25lIiwia2lkIjoiaHMifQ"];
    let other_pair = self::pair().serialize_pem();
    let by_other_pair = mint(
        "ed",
        TokenAlgorithm::EdDsa,
        other_pair.as_bytes(),
        json!({"read": "*"}),
        Duration::from_secs(60),
    );
    let wrong_type = mint(
        "hs",
        TokenAlgorithm::EdDsa,
        other_pair.as_bytes(),
        json!({"read": "*"}),
        Duration::from_secs(60),
    );
    let raw_public = pair.public_key_raw().to_vec();
    for (what, token) in [
        ("another key", signed(Some("hs"), OTHER, json!({"read": "*"}))),
        ("another pair", by_other_pair.expect("signed")),
        ("an algorithm that is not the key's", wrong_type.expect("signed")),
        ("the public key as a secret", signed(Some("ed"), public.as_bytes(), json!({"read": "*"}))),
        ("the public key's bytes as a secret", signed(Some("ed"), &raw_public, json!({"read": "*"}))),
        ("a changed payload", format!("{}.{}.{}", narrow_parts[0], wide_parts[1], narrow_parts[2])),
        ("no algorithm, no signature", format!("{}.{}.", none[0], wide_parts[1])),
        ("no algorithm, the key's name", format!("{}.{}.", none[1], wide_parts[1])),
        ("no algorithm, an old signature", format!("{}.{}.{}", none[1], wide_parts[1], wide_parts[2])),
        ("no signature", format!("{}.{}.", wide_parts[0], wide_parts[1])),
        ("two parts", format!("{}.{}", wide_parts[0], wide_parts[1])),
        ("a key that is not there", signed(Some("gone"), SECRET, json!({"read": "*"}))),
        ("no kid where there are two keys", signed(None, SECRET, json!({"read": "*"}))),
        ("too long", signed(Some("hs"), SECRET, json!({"read": "*", "x": "x".repeat(9_000)}))),
        ("nothing", String::new()),
    ] {
        assert_eq!(code_and_text(&access, &token).0, "invalid_token", "{what}");
    }
}

#[test]
fn a_token_counts_from_nbf_to_exp_for_its_audience_only() {
    let open = access(vec![key("k", SECRET)], None);
    let dashboards = access(vec![key("k", SECRET)], Some("dashboards"));
    let now = now_s();
    for (access, claims, expected) in [
        (&open, json!({"exp": now - LEEWAY_S + 10}), None),
        (&open, json!({"exp": now - LEEWAY_S - 10}), Some("the token has expired")),
        (&open, json!({"exp": 1}), Some("the token has expired")),
        (&open, json!({"exp": null}), Some("the token has no `exp`")),
        (&open, json!({"exp": "9999999999"}), Some("the token has no `exp`")),
        (&open, json!({"exp": -1}), Some("the token has no `exp`")),
        (&open, json!({"exp": u64::MAX}), None),
        (&open, json!({"nbf": now + LEEWAY_S - 10}), None),
        (&open, json!({"nbf": now + LEEWAY_S + 10}), Some("the token is not valid yet")),
        (&open, json!({"aud": "elsewhere"}), Some("the token is for another audience")),
        (&dashboards, json!({"aud": "elsewhere"}), Some("the token is for another audience")),
        (&dashboards, json!({}), Some("the token is for another audience")),
        (&dashboards, json!({"aud": ["elsewhere", "dashboards"]}), None),
    ] {
        let mut all = claims.clone();
        all["read"] = "*".into();
        let found = access.grant(Some(&signed(None, SECRET, all))).err().map(|denied| denied.to_string());
        assert_eq!(found.as_deref(), expected, "{claims}");
    }
}

#[test]
fn claims_that_say_nothing_or_nonsense_are_refused() {
    let access = access(vec![key("k", SECRET)], None);
    for (claims, part) in [
        (json!({}), "neither"),
        (json!({"read": "all"}), "`read`"),
        (json!({"read": []}), "`read`"),
        (json!({"read": [{"kind": "boards"}]}), "`read`"),
        (json!({"read": [{"kind": "health", "x": 1}], "channels": ["a"]}), "`read`"),
        (json!({"channels": "twitch:1"}), "`channels`"),
        (json!({"channels": [1]}), "`channels`"),
    ] {
        let (code, text) = code_and_text(&access, &signed(Some("k"), SECRET, claims.clone()));
        assert!(code == "invalid_token" && text.contains(part), "{claims}: {text}");
    }
}

#[test]
fn keys_that_are_too_short_or_of_another_kind_are_refused() {
    let pair = pair();
    let short =
        Key::new("k", TokenAlgorithm::Hs256, b"too short\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n");
    assert!(short.expect_err("short").to_string().contains("32 bytes"));
    let private = Key::new("k", TokenAlgorithm::EdDsa, pair.serialize_pem().as_bytes());
    assert!(private.expect_err("a private key").to_string().contains("public key"));
    let public =
        mint("k", TokenAlgorithm::EdDsa, pair.public_key_pem().as_bytes(), json!({}), Duration::ZERO);
    assert!(public.expect_err("a public key").to_string().contains("private key"));
    assert!(Access::new(vec![key("k", SECRET), key("k", OTHER)], None, None).is_err());
}

#[test]
fn nothing_of_a_key_is_printed() {
    let shown = format!("{:?}", access(vec![key("k", SECRET)], None));
    assert_eq!(shown, "Access { keys: [Key(k, Hs256)], audience: None, anonymous: None, withheld: None }");
}

#[tokio::test]
async fn a_grant_expires_when_its_token_does() {
    let grant = |expires_s| Grant { readable: Selectors::everything(), expires_s };
    let ends = tokio::time::timeout(Duration::from_secs(10), async { grant(Some(0)).expired().await });
    ends.await.expect("a grant whose time is over has expired");
    for expires_s in [None, Some(u64::MAX), Some(now_s() + 3_600)] {
        let waited =
            tokio::time::timeout(Duration::from_millis(50), async { grant(expires_s).expired().await });
        assert!(waited.await.is_err(), "{expires_s:?}");
    }
}

proptest! {
    /// Whatever comes as a token: denied, never a panic.
    #[test]
    fn any_text_is_denied(
        text in any::<String>(),
        header in "[A-Za-z0-9_-]{0,80}",
        payload in "[A-Za-z0-9_-]{0,80}",
        cut in 0_usize..400,
    ) {
        let access = access(vec![key("k", SECRET)], None);
        let good = signed(Some("k"), SECRET, json!({"read": "*"}));
        let parts: Vec<&str> = good.split('.').collect();
        let cut = &good[..cut.min(good.len() - 1)];
        for token in [
            text,
            format!("{header}.{payload}.{}", parts[2]),
            format!("{}.{payload}.{}", parts[0], parts[2]),
            format!("{}.{}.{header}", parts[0], parts[1]),
            cut.to_owned(),
        ] {
            prop_assert!(access.grant(Some(&token)).is_err(), "{}", token);
        }
    }
}
