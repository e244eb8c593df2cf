//! The rule `links`: links to domains that are not on the allow list.
//!
//! What is a link: anything after `://`, anything that begins with `www.`, a domain with a path, and a bare domain. The last
//! two only where the ending is a known one: [`ENDINGS`] anywhere, [`WORD_ENDINGS`] (which are also words, so that
//! "wait.what.is it" has none) only with a path. So "3.5", "e.g.", "node.js" and "hello.world" are no links. Disguises are
//! seen through: "example dot com", "example(.)com", "example[dot]com", full-width dots, invisible characters.
//! The one place of a URL that counts is its host: not a domain before `@`, nor one in its path.
//!
//! Always holds: an allowed domain allows its subdomains and nothing that merely looks like it; an e-mail address is no link;
//! work is linear in the text. Does not know: where a link leads.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::normalise::{CHARS_MAX, is_invisible};
use super::{Finding, Verdict};

/// Endings that make a link of any domain.
const ENDINGS: [&str; 46] = [
    "com", "net", "org", "edu", "gov", "info", "biz", "tv", "gg", "io", "xyz", "icu", "cc", "ws", "ru", "cn",
    "uk", "fr", "nl", "pl", "jp", "br", "eu", "ch", "cz", "hu", "tk", "ml", "ga", "cf", "gq", "ly", "gl",
    "fm", "co", "kr", "ua", "tr", "mx", "ai", "au", "dk", "fi", "gr", "pt", "pw",
];

/// Endings that are words of some language too: a link only with a path, `www.` or a scheme.
const WORD_ENDINGS: [&str; 43] = [
    "app", "art", "at", "be", "bio", "blog", "ca", "cam", "click", "club", "de", "dev", "es", "fun", "game",
    "games", "group", "in", "is", "it", "link", "live", "lol", "me", "monster", "my", "news", "no", "one",
    "online", "page", "pro", "se", "shop", "site", "so", "space", "store", "stream", "to", "top", "us",
    "vip",
];

/// Dots in disguise, with brackets.
const BRACKETED_DOTS: [&str; 6] = ["(.)", "[.]", "{.}", "(dot)", "[dot]", "{dot}"];

/// Before "dot com" these make a figure of speech.
const NOT_A_DOMAIN: [&str; 9] = ["the", "a", "this", "that", "any", "every", "of", "my", "is"];

/// Stands for a dot in disguise while a text is looked at.
const DISGUISED_DOT: char = '\u{1}';

/// The rule as configured, validated: domains in lower case.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LinksSpec {
    pub(crate) allow: Vec<String>,
    pub(crate) verdict: Verdict,
}

/// A link found in a text.
#[derive(Clone, Debug, PartialEq)]
struct Link {
    host: String,
    score: f64,
}

impl LinksSpec {
    /// Looks for links to domains that are not allowed.
    pub(super) fn find(&self, text: &str) -> Option<Finding> {
        let mut links = links(text);
        links.retain(|link| !self.allows(&link.host));
        let score = links.iter().map(|link| link.score).reduce(f64::max)?;
        let mut hosts: Vec<&str> = Vec::new();
        for link in &links {
            if !hosts.contains(&link.host.as_str()) {
                hosts.push(&link.host);
            }
        }
        let more = if hosts.len() > 3 { format!(" and {} more", hosts.len() - 3) } else { String::new() };
        hosts.truncate(3);
        let evidence = format!("link to {}{more}", hosts.join(", "));
        Some(Finding { rule: "links", verdict: self.verdict.clone(), score, evidence })
    }

    fn allows(&self, host: &str) -> bool {
        self.allow.iter().any(|allowed| {
            host.strip_suffix(allowed.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        })
    }
}

/// Whether a text of the allow list is a domain: lower-case labels with dots between them.
pub(crate) fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        !label.is_empty() && label.bytes().all(is_plain)
    };
    text.contains('.') && text.split('.').all(is_label)
}

fn links(text: &str) -> Vec<Link> {
    undisguised(text).split_whitespace().filter_map(link_in).collect()
}

/// Lower case, in compatibility form, with [`DISGUISED_DOT`] for dots in disguise.
fn undisguised(text: &str) -> String {
    let visible =
        text.chars().filter(|character| !is_combining_mark(*character) && !is_invisible(*character));
    let mut clean: String =
        visible.take(CHARS_MAX).nfkc().flat_map(char::to_lowercase).take(2 * CHARS_MAX).collect();
    clean = clean.replace('。', ".");
    let dot = format!(" {DISGUISED_DOT} ");
    for disguise in BRACKETED_DOTS {
        if clean.contains(disguise) {
            clean = clean.replace(disguise, &dot);
        }
    }
    let words: Vec<&str> = clean.split_whitespace().collect();
    let mut joined = String::with_capacity(clean.len());
    let mut glue = true;
    for (index, word) in words.iter().enumerate() {
        let is_dot = index > 0
            && index + 1 < words.len()
            && (word.starts_with(DISGUISED_DOT)
                || (*word == "dot" && !NOT_A_DOMAIN.contains(&words[index - 1])));
        if is_dot {
            joined.push(DISGUISED_DOT);
        } else {
            joined.push_str(if glue { "" } else { " " });
            joined.push_str(word);
        }
        glue = is_dot;
    }
    joined
}

/// The link in a text without white space, if there is one.
fn link_in(token: &str) -> Option<Link> {
    let is_host_char =
        |character: char| character.is_alphanumeric() || matches!(character, '-' | '.' | DISGUISED_DOT);
    let mut rest_start = 0;
    while let Some(offset) = token[rest_start..].find(is_host_char) {
        let start = rest_start + offset;
        let len = token[start..].find(|character| !is_host_char(character)).unwrap_or(token.len() - start);
        let (before, run, after) = (&token[..start], &token[start..start + len], &token[start + len..]);
        rest_start = start + len;
        if after.starts_with('@') {
            continue;
        }
        let is_after_user = before.ends_with('@');
        let has_scheme = before.ends_with("://") || (is_after_user && before.contains("://"));
        if is_after_user && !has_scheme {
            return None;
        }
        let has_path = after.strip_prefix('/').is_some_and(|path| !path.is_empty());
        if let Some(link) = link_to(run.trim_matches(['.', '-', DISGUISED_DOT]), has_scheme, has_path) {
            return Some(link);
        }
    }
    None
}

fn link_to(run: &str, has_scheme: bool, has_path: bool) -> Option<Link> {
    let host = run.replace(DISGUISED_DOT, ".");
    let labels: Vec<&str> = host.split('.').collect();
    let ending = *labels.last()?;
    if labels.len() < 2 || labels.iter().any(|label| label.is_empty() || label.len() > 63) {
        return None;
    }
    let is_address = labels.len() == 4 && labels.iter().all(|label| label.parse::<u8>().is_ok());
    let is_ending = ending.chars().count() >= 2
        && (ending.starts_with("xn--") || ending.chars().all(char::is_alphabetic));
    let is_disguised = run.contains(DISGUISED_DOT);
    let is_explicit = has_scheme || (host.starts_with("www.") && labels.len() > 2);
    let is_known = ENDINGS.contains(&ending);
    let is_link = match (is_explicit, has_path) {
        (true, _) => is_ending || (is_address && has_scheme),
        (false, true) => is_known || WORD_ENDINGS.contains(&ending),
        (false, false) => is_known,
    };
    let score = match (is_disguised, is_explicit || has_path) {
        (true, _) => 0.7,
        (false, true) => 1.0,
        (false, false) => 0.9,
    };
    is_link.then_some(Link { host, score })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(text: &str) -> Vec<String> {
        links(text).into_iter().map(|link| link.host).collect()
    }

    #[test]
    fn links_are_found_in_any_disguise() {
        for (text, host) in [
            ("see https://example.org/a?b#c", "example.org"),
            ("HTTP://EXAMPLE.ORG:8080", "example.org"),
            ("(www.example.museum)", "www.example.museum"),
            ("example.com", "example.com"),
            ("go to:example.com, now", "example.com"),
            ("example.com.", "example.com"),
            ("youtu.be/abc", "youtu.be"),
            ("example dot com", "example.com"),
            ("example (dot) com/x", "example.com"),
            ("example(.)com", "example.com"),
            ("example[.]com", "example.com"),
            ("example．com", "example.com"),
            ("exa\u{200b}mple.com", "example.com"),
            ("xn--exmple-cua.com", "xn--exmple-cua.com"),
            ("\u{0435}xample.com", "\u{0435}xample.com"),
            ("https://good.org@evil.com/", "evil.com"),
            ("https://user:secret@evil.com/", "evil.com"),
            ("https://good.org/evil.com", "good.org"),
            ("https://good.org/?next=evil.com", "good.org"),
            ("http://10.0.0.1/x", "10.0.0.1"),
        ] {
            assert_eq!(hosts(text), [host], "{text}");
        }
        assert_eq!(hosts("a.com b.net"), ["a.com", "b.net"]);
    }

    #[test]
    fn numbers_abbreviations_and_missing_spaces_are_no_links() {
        for text in [
            "3.5",
            "e.g. this",
            "i.e.",
            "hello.world",
            "node.js",
            "wait.what.is it",
            "me@example.com",
            "...",
            "1.2.3.4",
            "the dot com bubble",
            "dot",
            "a dot",
            "and/or",
            "10/10",
            "v1.2.3",
            "no.it is",
            "http://",
            "localhost:80",
        ] {
            assert_eq!(hosts(text), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn an_allowed_domain_allows_its_subdomains_only() {
        let verdict = Verdict {
            category: "spam".into(),
            severity: 1,
            suggested_action: schemas::SuggestedAction::Review,
        };
        let rule = LinksSpec { allow: vec!["example.org".into()], verdict };
        assert_eq!(rule.find("https://example.org/x www.example.org"), None);
        let finding =
            rule.find("example.org badexample.org example.org.evil.com").expect("two are not allowed");
        assert_eq!(finding.evidence, "link to badexample.org, example.org.evil.com");
    }
}
