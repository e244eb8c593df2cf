//! The messages that filters are given: simulated chat, plain sentences with a listed word in them or not, lines by hand, lines of a file.
//!
//! Always holds: no author is exempt from moderation; a plain sentence has ASCII letters only, and a listed term in it is a whole word that no
//! other text makes. Lines of a file stay in memory. Does not know: any filter.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use producers::{Shares, Simulator, SimulatorOptions};
use schemas::{ChatEvent, ChatKind, Event, Timestamp};

/// What both sides look for.
pub const TERMS: [&str; 36] = [
    "free followers",
    "buy viewers",
    "kill yourself",
    "cheap followers",
    "free skins",
    "free gift card",
    "idiot",
    "loser",
    "stupid",
    "trash",
    "moron",
    "clown",
    "noob",
    "dumb",
    "lame",
    "pathetic",
    "scammer",
    "cheater",
    "garbage",
    "weirdo",
    "crybaby",
    "bozo",
    "dimwit",
    "fool",
    "imbecile",
    "nitwit",
    "numbskull",
    "scumbag",
    "twerp",
    "airhead",
    "blockhead",
    "dunce",
    "halfwit",
    "simpleton",
    "nincompoop",
    "dipstick",
];

/// A line by hand, whether it says a listed term, and what is particular about it.
pub const BY_HAND: [(&str, bool, &str); 28] = [
    ("i d i o t streamer", true, "spaces between letters"),
    ("that l.o.s.e.r", true, "full stops between letters"),
    ("such a l.o.s.e.r", true, "the same behind a word of one letter"),
    ("lo-ser", true, "a hyphen within"),
    ("what an 1d10t", true, "digits for letters"),
    ("tr@sh player", true, "a sign for a letter"),
    ("$tupid", true, "a sign for the first letter"),
    ("stuuuupid channel", true, "a stretched letter"),
    ("LoSeR", true, "capitals"),
    ("\u{ff49}\u{ff44}\u{ff49}\u{ff4f}\u{ff54}", true, "full-width letters"),
    ("lo\u{200b}ser", true, "an invisible character within"),
    ("l\u{43e}ser", true, "a Cyrillic letter"),
    ("m\u{336}o\u{336}r\u{336}o\u{336}n\u{336}", true, "struck through by combining marks"),
    ("\u{1f17b}\u{1f17e}\u{1f182}\u{1f174}\u{1f181}", true, "letters in boxes"),
    ("\u{1d4f7}\u{1d4f8}\u{1d4f8}\u{1d4eb}", true, "script letters"),
    ("\u{131}d\u{131}ot", true, "a Turkish letter"),
    ("loser123", true, "a number behind"),
    ("fr33   f0llow3rs here", true, "a phrase, with digits and spaces"),
    ("m*ron", true, "a star for a letter"),
    ("losers", true, "a plural"),
    ("xXloserXx", true, "within a name"),
    ("a foolproof plan", false, "a term begins another word"),
    ("that was even closer", false, "a term ends another word"),
    ("do not blame the flame", false, "a term within other words"),
    ("lift the dumbbell", false, "a term begins another word"),
    ("pick a piano object", false, "a term across parts of two words"),
    ("was it no observer", false, "a term across a word and a part"),
    ("what the ****", false, "only stars"),
];

/// The same messages for all.
pub struct Messages {
    /// What the simulator says, and then the lines of the file.
    pub all: Vec<Event<'static>>,
    pub simulated_count: usize,
    /// Each with whether a listed term is in it.
    pub plain: Vec<(Event<'static>, bool)>,
    pub by_hand: Vec<Event<'static>>,
}

impl Messages {
    /// So many of the simulator's, and all lines of a file.
    ///
    /// # Errors
    /// If the file cannot be read, or there is too little to make sentences of.
    pub fn new(count: usize, terms: &[String], file: Option<&Path>) -> Result<Self> {
        let shares = Shares { viewers: 0, chat: 1, reactions: 0, trades: 0 };
        let options = SimulatorOptions {
            channels: 1_000,
            users: 100_000,
            shares,
            is_moderated: false,
            ..SimulatorOptions::default()
        };
        let is_text = |chat: &ChatEvent<'_>| chat.kind == ChatKind::Message && chat.text.is_some();
        let chats = Simulator::new(options)?.filter_map(|event| match event {
            Event::Chat(chat) if is_text(&chat) => Some(ChatEvent { roles: vec![], ..chat }),
            _ => None,
        });
        let simulated: Vec<ChatEvent<'static>> = chats.take(count).collect();
        let pattern = simulated.first().context("no message")?;
        let plain = plain(&simulated, terms);
        ensure!(plain.len() > terms.len(), "too few plain sentences among {count} messages");
        let by_hand =
            BY_HAND.iter().enumerate().map(|(number, (line, ..))| said(pattern, number, line)).collect();
        let lines = file
            .map(|file| std::fs::read_to_string(file).with_context(|| file.display().to_string()))
            .transpose()?;
        let lines = lines.as_deref().unwrap_or_default().lines().filter(|line| !line.trim().is_empty());
        let recorded: Vec<_> = lines.enumerate().map(|(number, line)| said(pattern, number, line)).collect();
        let mut all: Vec<_> = simulated.into_iter().map(Event::Chat).collect();
        let simulated_count = all.len();
        all.extend(recorded);
        Ok(Messages { all, simulated_count, plain, by_hand })
    }
}

/// What a message says.
pub fn text_of<'m>(event: &'m Event<'static>) -> &'m str {
    match event {
        Event::Chat(ChatEvent { text: Some(text), .. }) => text.as_str(),
        _ => "",
    }
}

/// One user's next message, a second later.
fn said(pattern: &ChatEvent<'static>, number: usize, text: &str) -> Event<'static> {
    let event_time = Timestamp::from_micros(1_700_000_040_000_000 + number as i64 * 1_000_000);
    Event::Chat(ChatEvent {
        event_id: format!("m{number}").into(),
        event_time,
        ingest_time: event_time,
        user_id: Some(format!("u{}", number % 100).into()),
        text: Some(text.to_owned().into()),
        ..pattern.clone()
    })
}

/// Each different sentence of ASCII letters in which no term is to be seen, once as it is and once for each place of a term in it.
fn plain(simulated: &[ChatEvent<'static>], terms: &[String]) -> Vec<(Event<'static>, bool)> {
    let bare_terms: Vec<String> = terms.iter().map(|term| bare(term)).collect();
    let is_plain = |text: &&str| {
        let is_letters = text.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b' ');
        let bare = bare(text);
        is_letters && text.contains(' ') && bare_terms.iter().all(|term| !bare.contains(term))
    };
    let texts = simulated.iter().filter_map(|chat| chat.text.as_ref().map(|text| text.as_str()));
    let sentences: std::collections::BTreeSet<&str> = texts.filter(is_plain).collect();
    let mut found = Vec::new();
    let Some(pattern) = simulated.first() else { return found };
    for (sentence, term) in sentences.into_iter().zip(terms.iter().cycle()) {
        let middle = sentence.replacen(' ', &format!(" {term} "), 1);
        for text in [format!("{term} {sentence}"), middle, format!("{sentence} {term}")] {
            found.push((said(pattern, found.len(), &text), true));
        }
        found.push((said(pattern, found.len(), sentence), false));
    }
    found
}

/// Lower case, without spaces, each letter once where it stands several times in a row.
fn bare(text: &str) -> String {
    let mut letters: Vec<char> = text.to_lowercase().chars().filter(|letter| *letter != ' ').collect();
    letters.dedup();
    letters.into_iter().collect()
}
