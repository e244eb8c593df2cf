//! One IRC line: tags (IRCv3), source, command, parameters.
//!
//! Always holds: everything borrows from the line, but for tag values with escapes. Does not know: what a
//! command means.

use std::borrow::Cow;

use super::ParseError;

/// A line, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    tags: &'a str,
    /// Who sent it, as `nick!user@host` or a server's name.
    pub source: Option<&'a str>,
    /// The command: letters, or three digits.
    pub command: &'a str,
    /// The parameters before the trailing one.
    middle: &'a str,
    trailing: Option<&'a str>,
}

impl<'a> Message<'a> {
    /// Takes a line apart; line ends are not part of it.
    ///
    /// # Errors
    /// If there is no command, or it is not a word of letters or a number.
    pub fn parse(line: &'a str) -> Result<Self, ParseError> {
        let mut rest = line.trim_end_matches(['\r', '\n']);
        let mut tags = "";
        if let Some(tagged) = rest.strip_prefix('@') {
            let (first, after) =
                tagged.split_once(' ').ok_or_else(|| ParseError::Shape("nothing follows the tags".into()))?;
            tags = first;
            rest = after.trim_start_matches(' ');
        }
        let mut source = None;
        if let Some(sourced) = rest.strip_prefix(':') {
            let (first, after) = sourced
                .split_once(' ')
                .ok_or_else(|| ParseError::Shape("nothing follows the source".into()))?;
            source = Some(first);
            rest = after.trim_start_matches(' ');
        }
        let (command, parameters) = rest.split_once(' ').unwrap_or((rest, ""));
        let is_command = !command.is_empty() && command.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !is_command {
            let shown: String = command.chars().take(32).collect();
            return Err(ParseError::Shape(format!("`{shown}` is not an IRC command")));
        }
        let (middle, trailing) = match parameters.strip_prefix(':') {
            Some(trailing) => ("", Some(trailing)),
            None => match parameters.split_once(" :") {
                Some((middle, trailing)) => (middle, Some(trailing)),
                None => (parameters, None),
            },
        };
        Ok(Message { tags, source, command, middle, trailing })
    }

    /// The parameters in order, the trailing one last.
    pub fn parameters(&self) -> impl Iterator<Item = &'a str> {
        self.middle.split(' ').filter(|parameter| !parameter.is_empty()).chain(self.trailing)
    }

    /// The tags in order, with their values as written.
    pub fn raw_tags(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let pairs = self.tags.split(';').filter(|pair| !pair.is_empty());
        pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")))
    }

    /// The value of a tag; none if it is not there or empty. The last one counts if it is there twice.
    #[must_use]
    pub fn tag(&self, name: &str) -> Option<Cow<'a, str>> {
        let found = self.raw_tags().filter(|(key, _)| *key == name).last();
        found.map(|(_, value)| value).filter(|value| !value.is_empty()).map(unescape)
    }

    /// The nick name in the source, where it is a user.
    #[must_use]
    pub fn nick(&self) -> Option<&'a str> {
        let source = self.source?;
        let end = source.find(['!', '@'])?;
        Some(&source[..end]).filter(|nick| !nick.is_empty())
    }
}

/// Undoes the escapes of a tag value: `\:` `\s` `\\` `\r` `\n`; before any other character the backslash goes.
#[must_use]
pub fn unescape(value: &str) -> Cow<'_, str> {
    if !value.contains('\\') {
        return Cow::Borrowed(value);
    }
    let mut plain = String::with_capacity(value.len());
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            plain.push(character);
            continue;
        }
        match characters.next() {
            Some(':') => plain.push(';'),
            Some('s') => plain.push(' '),
            Some('r') => plain.push('\r'),
            Some('n') => plain.push('\n'),
            Some(other) => plain.push(other),
            None => {}
        }
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_taken_apart() {
        let line = "@a=1;b;c=x\\sy\\:z\\\\\\q\\ :nick!user@host PRIVMSG #room  extra :: text : more ";
        let message = Message::parse(line).expect("a line");
        assert_eq!(message.tag("a").as_deref(), Some("1"));
        assert_eq!(message.tag("b"), None);
        assert_eq!(message.tag("c").as_deref(), Some("x y;z\\q"));
        assert_eq!(message.nick(), Some("nick"));
        assert_eq!(message.command, "PRIVMSG");
        assert_eq!(message.parameters().collect::<Vec<_>>(), ["#room", "extra", ": text : more "]);
    }

    #[test]
    fn lines_without_a_command_are_named() {
        for line in ["", "@a=b", "@a=b ", ":source", "@a=b :source", "P!NG", "@a :s \u{1}"] {
            assert!(matches!(Message::parse(line), Err(ParseError::Shape(_))), "{line:?}");
        }
    }
}
