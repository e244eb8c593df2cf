//! Who may read what: tokens (JWT), the keys that they are signed with, and what is open to everybody.
//!
//! Always holds: a token counts only if its signature is by the key that its `kid` names, with that key's own algorithm, and
//! only from `nbf` to `exp`, give or take [`LEEWAY_S`]; without `exp` it never counts. What may be read is a list of
//! selectors, as subscriptions have them. Neither keys nor tokens can be printed.
//!
//! Does not know: how a token comes here, and what becomes of a connection whose token expires.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::crypto;
use super::selector::{Kind, Selectors};

/// How far clocks may differ, in seconds: a token counts this much longer, and sooner.
pub const LEEWAY_S: u64 = 30;
/// The least length of an HS256 secret in bytes: that of its hash.
const SECRET_BYTES_MIN: usize = 32;
/// Beyond this a token is not looked at.
const TOKEN_BYTES_MAX: usize = 8 << 10;
/// Selectors, and channels, that a token may name.
const READABLE_MAX: usize = 256;

/// How tokens of a key are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum TokenAlgorithm {
    /// HMAC with SHA-256: whoever can check a token can make one.
    #[serde(rename = "HS256")]
    Hs256,
    /// Ed25519: the gateway has the public key only.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl TokenAlgorithm {
    fn named(self) -> Algorithm {
        match self {
            TokenAlgorithm::Hs256 => Algorithm::HS256,
            TokenAlgorithm::EdDsa => Algorithm::EdDSA,
        }
    }
}

/// A key that cannot be used, in words for whoever configured it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadKey(String);

/// What tokens are checked with.
#[derive(Clone)]
pub struct Key {
    kid: String,
    algorithm: TokenAlgorithm,
    decoding: DecodingKey,
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Key({}, {:?})", self.kid, self.algorithm)
    }
}

/// The secret as it is meant: an editor's line end is no part of it.
fn secret(bytes: &[u8]) -> Result<&[u8], BadKey> {
    let bytes = bytes.trim_ascii_end();
    if bytes.len() < SECRET_BYTES_MIN {
        return Err(BadKey(format!("an HS256 secret must have at least {SECRET_BYTES_MIN} bytes")));
    }
    Ok(bytes)
}

impl Key {
    /// From the secret's bytes (HS256; white space at the end is ignored) or the public key in PEM (EdDSA).
    ///
    /// # Errors
    /// If the bytes are no such key, or too short.
    pub fn new(kid: &str, algorithm: TokenAlgorithm, bytes: &[u8]) -> Result<Self, BadKey> {
        let decoding = match algorithm {
            TokenAlgorithm::Hs256 => DecodingKey::from_secret(secret(bytes)?),
            TokenAlgorithm::EdDsa => DecodingKey::from_ed_pem(bytes)
                .map_err(|_| BadKey("this is no Ed25519 public key in PEM".to_owned()))?,
        };
        Ok(Key { kid: kid.to_owned(), algorithm, decoding })
    }
}

/// Signs a token that lets read what `claims` say (`read`, `channels`) for `valid_for`. `bytes`: the secret (HS256) or the
/// private key as PKCS #8 in PEM (EdDSA).
///
/// # Errors
/// If the bytes are no such key.
pub fn mint(
    kid: &str,
    algorithm: TokenAlgorithm,
    bytes: &[u8],
    mut claims: Json,
    valid_for: Duration,
) -> Result<String, BadKey> {
    crypto::install();
    let no_key = || BadKey("this is no Ed25519 private key (PKCS #8) in PEM".to_owned());
    let encoding = match algorithm {
        TokenAlgorithm::Hs256 => EncodingKey::from_secret(secret(bytes)?),
        TokenAlgorithm::EdDsa => EncodingKey::from_ed_pem(bytes).map_err(|_| no_key())?,
    };
    let mut header = Header::new(algorithm.named());
    header.kid = Some(kid.to_owned());
    claims["exp"] = now_s().saturating_add(valid_for.as_secs()).into();
    jsonwebtoken::encode(&header, &claims, &encoding).map_err(|_| no_key())
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Why somebody may not read anything.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// There is no token, and without one nothing is open.
    #[error("a token is needed")]
    Missing,
    /// There is a token, and its time is over.
    #[error("the token has expired")]
    Expired,
    /// There is a token that does not count.
    #[error("{0}")]
    Invalid(&'static str),
}

impl Denied {
    /// The word for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Denied::Missing => "unauthorized",
            Denied::Expired => "token_expired",
            Denied::Invalid(_) => "invalid_token",
        }
    }
}

/// What one client may read, and how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// This much.
    pub readable: Selectors,
    /// From then on nothing, in seconds since 1970; none: for as long as it is connected.
    expires_s: Option<u64>,
}

impl Grant {
    /// Look again after this long; zero if nothing may be read any more; none if that never comes.
    #[must_use]
    pub fn left(&self) -> Option<Duration> {
        /// Longer than a timer can wait; and a clock that is set is noticed within it.
        const LOOK_AGAIN_S: u64 = 60;
        let left_s = self.expires_s?.saturating_sub(now_s());
        Some(Duration::from_secs(left_s.min(LOOK_AGAIN_S)))
    }

    /// Resolves when nothing may be read any more.
    pub async fn expired(&self) {
        let Some(mut left) = self.left() else { return std::future::pending().await };
        while !left.is_zero() {
            tokio::time::sleep(left).await;
            left = self.left().unwrap_or_default();
        }
    }
}

/// The keys, and what is open.
#[derive(Clone, Debug)]
pub struct Access {
    keys: Vec<Key>,
    audience: Option<String>,
    anonymous: Option<Selectors>,
    /// What there is not, whatever a token says.
    withheld: Option<Kind>,
}

impl Access {
    /// Tokens of these keys count, if they are meant for `audience` (none: if they name no audience). Without a token
    /// `anonymous` may be read.
    ///
    /// # Errors
    /// If two keys have the same `kid`.
    pub fn new(
        keys: Vec<Key>,
        audience: Option<String>,
        anonymous: Option<Selectors>,
    ) -> Result<Self, BadKey> {
        crypto::install();
        for (index, key) in keys.iter().enumerate() {
            if keys[..index].iter().any(|other| other.kid == key.kid) {
                return Err(BadKey(format!("two keys have the kid `{}`", key.kid)));
            }
        }
        Ok(Access { keys, audience, anonymous, withheld: None })
    }

    /// From now on nobody may read this kind.
    pub fn withhold(&mut self, kind: Kind) {
        self.withheld = Some(kind);
    }

    /// Everybody may read everything.
    #[must_use]
    pub fn open() -> Self {
        Access { keys: Vec::new(), audience: None, anonymous: Some(Selectors::everything()), withheld: None }
    }

    /// True if nobody can read anything.
    #[must_use]
    pub fn is_shut(&self) -> bool {
        self.keys.is_empty() && self.anonymous.is_none()
    }

    /// What a client with this token, or without one, may read.
    ///
    /// # Errors
    /// If that is nothing.
    pub fn grant(&self, token: Option<&str>) -> Result<Grant, Denied> {
        let mut grant = match (token, &self.anonymous) {
            (Some(token), _) => self.of_bearer(token)?,
            (None, Some(readable)) => Grant { readable: readable.clone(), expires_s: None },
            (None, None) => return Err(Denied::Missing),
        };
        if let Some(kind) = self.withheld {
            grant.readable = grant.readable.without(kind);
        }
        Ok(grant)
    }

    fn of_bearer(&self, token: &str) -> Result<Grant, Denied> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Denied::Invalid("the token is too long"));
        }
        let header = jsonwebtoken::decode_header(token).map_err(|error| denied(error.kind()))?;
        let key = match (&header.kid, self.keys.as_slice()) {
            (Some(kid), keys) => keys.iter().find(|key| key.kid == *kid),
            (None, [only]) => Some(only),
            (None, _) => None,
        };
        let key = key.ok_or(Denied::Invalid("the token's `kid` names no key"))?;
        // a list of one: what the header says is never followed, only compared
        let mut validation = Validation::new(key.algorithm.named());
        validation.leeway = LEEWAY_S;
        validation.validate_nbf = true;
        if let Some(audience) = &self.audience {
            validation.set_audience(&[audience]);
            validation.set_required_spec_claims(&["exp", "aud"]);
        }
        let claims = jsonwebtoken::decode::<Json>(token, &key.decoding, &validation);
        let claims = claims.map_err(|error| denied(error.kind()))?.claims;
        let expires = &claims["exp"];
        let expires_s = expires.as_u64().or_else(|| expires.as_f64().map(|seconds| seconds as u64));
        let expires_s = expires_s.ok_or(Denied::Invalid("the token's `exp` is no number"))?;
        Ok(Grant { readable: readable(&claims)?, expires_s: Some(expires_s.saturating_add(LEEWAY_S + 1)) })
    }
}

/// What the claims let read: `read`, a list of selectors or `"*"`, and `channels`, a list of channels.
fn readable(claims: &Json) -> Result<Selectors, Denied> {
    let wrong_read = Denied::Invalid("the token's `read` must be \"*\" or a list of at most 256 selectors");
    let wrong_channels = Denied::Invalid("the token's `channels` must be a list of at most 256 names");
    let read = match &claims["read"] {
        Json::Null => None,
        Json::String(all) if all == "*" => Some(Selectors::everything()),
        list => Some(Selectors::from_json(list, "read", READABLE_MAX).map_err(|_| wrong_read)?),
    };
    let channels = match &claims["channels"] {
        Json::Null => None,
        Json::Array(list) if list.len() <= READABLE_MAX => {
            let names: Option<Vec<&str>> = list.iter().map(Json::as_str).collect();
            Some(Selectors::of_channels(names.ok_or(wrong_channels)?.into_iter()))
        }
        _ => return Err(wrong_channels),
    };
    match (read, channels) {
        (Some(read), Some(channels)) => Ok(read.and(&channels)),
        (Some(some), None) | (None, Some(some)) => Ok(some),
        (None, None) => Err(Denied::Invalid("the token has neither `read` nor `channels`")),
    }
}

fn denied(error: &ErrorKind) -> Denied {
    match error {
        ErrorKind::ExpiredSignature => Denied::Expired,
        ErrorKind::ImmatureSignature => Denied::Invalid("the token is not valid yet"),
        ErrorKind::InvalidAudience => Denied::Invalid("the token is for another audience"),
        ErrorKind::MissingRequiredClaim(claim) if claim == "aud" => {
            Denied::Invalid("the token is for another audience")
        }
        ErrorKind::MissingRequiredClaim(_) => Denied::Invalid("the token has no `exp`"),
        ErrorKind::InvalidSignature | ErrorKind::InvalidAlgorithm => {
            Denied::Invalid("the token is not signed by that key")
        }
        _ => Denied::Invalid("this is no token"),
    }
}

/// The claims of a token that lets read these selectors and channels, for this audience.
#[must_use]
pub fn claims(read: Option<Json>, channels: &[String], audience: Option<&str>) -> Json {
    let mut claims = json!({});
    if let Some(read) = read {
        claims["read"] = read;
    }
    if !channels.is_empty() {
        claims["channels"] = channels.into();
    }
    if let Some(audience) = audience {
        claims["aud"] = audience.into();
    }
    claims
}

#[cfg(test)]
mod tests;
