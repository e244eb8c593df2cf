//! Chat text as rules compare it: what is left when spelling tricks are taken away.
//!
//! A message has up to three *readings*, one a line: digits and signs taken for letters (`b4d` is `bad`), the same with
//! 1 for l instead of i, and digits and signs taken for gaps (`bad123` is `bad`). A line holds words with single spaces
//! between them; words spelled out letter by letter (`b a d`, `b.a.d`) follow joined, on a line of their own.
//!
//! Always holds: compatibility forms, case, accents and other combining marks, invisible and direction characters
//! are gone; a word all of whose letters are Latin or look it is written in Latin letters, any other word stays in its script;
//! numbers without letters stay numbers; a run of one letter is written once, its length kept beside it.
//! Work is linear in the text and stops after [`CHARS_MAX`] characters.
//! Does not know: rules.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::confusables::{latin_letter, leet_letter, unboxed};

/// So much of a text is looked at, counted after removing combining and invisible characters.
pub(super) const CHARS_MAX: usize = 10_000;

/// Single letters in a row that are taken for a word spelled out.
const SPELLED_OUT_LEN: usize = 3;

/// A text without its spelling tricks.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Normalised {
    /// Lines of words; no letter stands twice in a row within a word.
    letters: String,
    /// For each byte of `letters`, how often its character stood in a row.
    runs: Vec<u32>,
    first_line_len: usize,
}

/// What digits and signs inside words are taken for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    Letters,
    LettersWithOneAsL,
    Gaps,
}

impl Normalised {
    /// Normalises a text.
    pub(super) fn of(text: &str) -> Self {
        let chars = cleaned(text);
        let first = read(&chars, Reading::Letters);
        let mut normalised = Normalised::default();
        normalised.push(&first);
        normalised.first_line_len = normalised.letters.len();
        for other in [read(&chars, Reading::LettersWithOneAsL), read(&chars, Reading::Gaps)] {
            if other != first {
                normalised.push(&other);
            }
        }
        normalised
    }

    /// A word or phrase of the configuration: its first reading, with no trick to undo but case and accents.
    pub(super) fn of_term(term: &str) -> Self {
        let mut normalised = Normalised::default();
        let words = read(&cleaned(term), Reading::Letters);
        normalised.push_words(&words);
        normalised.first_line_len = normalised.letters.len();
        normalised
    }

    /// All readings.
    pub(super) fn letters(&self) -> &str {
        &self.letters
    }

    /// For each byte of [`Normalised::letters`], how often its character stood in a row.
    pub(super) fn runs(&self) -> &[u32] {
        &self.runs
    }

    /// The first reading: equal for texts that say the same.
    pub(super) fn first_reading(&self) -> &str {
        &self.letters[..self.first_line_len]
    }

    fn push(&mut self, words: &[String]) {
        if !self.letters.is_empty() {
            self.push_char('\n');
        }
        self.push_words(words);
        for spelled_out in words.chunk_by(|a, b| is_single(a) && is_single(b)) {
            if spelled_out.len() >= SPELLED_OUT_LEN {
                self.push_char('\n');
                spelled_out.concat().chars().for_each(|letter| self.push_letter(letter));
            }
        }
    }

    fn push_words(&mut self, words: &[String]) {
        for (index, word) in words.iter().enumerate() {
            if index > 0 {
                self.push_char(' ');
            }
            word.chars().for_each(|letter| self.push_letter(letter));
        }
    }

    fn push_letter(&mut self, letter: char) {
        if letter.is_alphabetic() && self.letters.ends_with(letter) {
            let start = self.letters.len() - letter.len_utf8();
            self.runs[start..].iter_mut().for_each(|run| *run += 1);
        } else {
            self.push_char(letter);
        }
    }

    fn push_char(&mut self, character: char) {
        self.letters.push(character);
        self.runs.resize(self.letters.len(), 1);
    }
}

fn is_single(word: &str) -> bool {
    let mut letters = word.chars();
    letters.next().is_some() && letters.next().is_none()
}

/// Takes up no room or steers the direction of others.
pub(super) fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{180B}'..='\u{180F}'
        | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{3164}'
        | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{E0000}'..='\u{E0FFF}')
}

/// Decomposed, lower case, without marks and invisible characters.
fn cleaned(text: &str) -> Vec<char> {
    let visible =
        text.chars().filter(|character| !is_combining_mark(*character) && !is_invisible(*character));
    visible
        .take(CHARS_MAX)
        .nfkd()
        .filter(|character| !is_combining_mark(*character))
        .map(|character| unboxed(character).unwrap_or(character))
        .flat_map(char::to_lowercase)
        .filter(|character| !is_combining_mark(*character))
        .take(2 * CHARS_MAX)
        .collect()
}

/// Whether a character belongs to a word, given its neighbours. Signs do where they stand for a letter.
fn is_in_word(chars: &[char], index: usize) -> bool {
    let is_alphanumeric = |index: Option<usize>| {
        index.and_then(|index| chars.get(index)).is_some_and(|neighbour| neighbour.is_alphanumeric())
    };
    let (before, after) = (is_alphanumeric(index.checked_sub(1)), is_alphanumeric(index.checked_add(1)));
    match chars[index] {
        '@' | '$' | '€' => before || after,
        '!' | '|' | '+' => before && after,
        character => character.is_alphanumeric(),
    }
}

/// The words of a text.
fn read(chars: &[char], reading: Reading) -> Vec<String> {
    let mut words = Vec::new();
    let mut start = 0;
    while start < chars.len() {
        let len = (start..chars.len()).take_while(|index| is_in_word(chars, *index)).count();
        if len > 0 {
            read_word(&chars[start..start + len], reading, &mut words);
        }
        start += len.max(1);
    }
    words
}

fn read_word(raw: &[char], reading: Reading, words: &mut Vec<String>) {
    let has_letter = raw.iter().any(|character| character.is_alphabetic());
    let letters = raw.iter().filter(|character| character.is_alphabetic());
    let is_latin = letters.clone().all(|letter| latin_letter(*letter).is_some());
    let letter = |character: char| {
        if character.is_alphabetic() {
            return if is_latin { latin_letter(character) } else { Some(character) };
        }
        match (has_letter, reading) {
            (false, _) => character.is_alphanumeric().then_some(character),
            (true, Reading::Gaps) => None,
            (true, Reading::LettersWithOneAsL) if matches!(character, '1' | '!' | '|') => Some('l'),
            (true, _) => leet_letter(character).or(character.is_alphanumeric().then_some(character)),
        }
    };
    let mut word = String::new();
    for character in raw {
        match letter(*character) {
            Some(letter) => word.push(letter),
            None if !word.is_empty() => words.push(std::mem::take(&mut word)),
            None => {}
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        Normalised::of(text).letters().lines().map(str::to_owned).collect()
    }

    #[test]
    fn tricks_are_taken_away() {
        for (text, first) in [
            ("BadWord", "badword"),
            ("ｂａｄｗｏｒｄ", "badword"),
            ("b\u{200b}a\u{202e}d", "bad"),
            ("b\u{0301}\u{0302}ád", "bad"),
            ("\u{0441}\u{0430}sino", "casino"),
            ("🅱ad 𝓫𝓪𝓭 ⓑⓐⓓ", "bad bad bad"),
            ("b4dw0rd", "badword"),
            ("b@d $hit!", "bad shit"),
            ("baaaad", "bad"),
            ("1337 455", "1337 455"),
            ("", ""),
            ("!!! 😂😂", ""),
        ] {
            assert_eq!(Normalised::of(text).first_reading().lines().next().unwrap_or(""), first, "{text}");
        }
        // A Russian word with a letter that looks like no Latin one stays Russian.
        assert_eq!(Normalised::of("жарко").first_reading(), "жарко");
    }

    #[test]
    fn there_is_a_line_for_each_reading_that_differs() {
        assert_eq!(lines("hello"), ["helo"]);
        assert_eq!(lines("b1ah5"), ["biahs", "blahs", "b ah"]);
        assert_eq!(lines("x b a d y"), ["x b a d y", "xbady"]);
        assert_eq!(lines("so b.a.d!"), ["so b a d", "bad"]);
    }

    #[test]
    fn runs_are_kept() {
        let normalised = Normalised::of("baaad");
        assert_eq!((normalised.letters(), normalised.runs()), ("bad", [1, 3, 1].as_slice()));
    }

    #[test]
    fn marks_and_long_texts_cost_bounded_work() {
        let marks = format!("a{}b", "\u{0301}".repeat(500_000));
        assert_eq!(Normalised::of(&marks).letters(), "ab");
        // The character with the longest decomposition: 18 characters.
        let expanding = "\u{FDFA}".repeat(200_000);
        assert!(Normalised::of(&expanding).letters().len() <= 2 * CHARS_MAX * 4 * 3);
    }
}
