//! What a query's text asks for, as far as the HTTP interface must know before the engine parses it.
//!
//! Where an INSERT's data begins, which format a result is asked in, whether a result can be streamed. Words are found
//! outside strings, quoted names, comments and brackets, as the engine's own lexer finds them; whether the SQL is right
//! is for the engine to say.

use super::exception::{Exception, code};

/// A query's text, looked at.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Statement {
    /// A SELECT: its result can be fetched piece by piece; `format` is that of its FORMAT clause.
    Select { format: Option<String> },
    /// An INSERT with data: the statement is `text[..statement_end]`, its data begins at `text[data_start..]`.
    Insert { statement_end: usize, format: Option<String>, data_start: usize },
    /// Anything else, INSERT ... SELECT included.
    Other { format: Option<String> },
}

/// Looks at a query's text, of which more may follow where `is_whole` is false.
///
/// # Errors
/// If there is a second statement behind a semicolon, or a result is to be written to the server's disk.
pub(super) fn parse(text: &[u8]) -> Result<Statement, Exception> {
    let mut tokens = Tokens { text, position: 0, depth: 0, is_qualified: false };
    let first = tokens.next();
    let select = match first {
        Some(token) if token.is_word(text, "INSERT") => return parse_insert(text, tokens),
        Some(token) => {
            token.kind == Kind::Open
                || ["SELECT", "WITH", "FROM"].iter().any(|word| token.is_word(text, word))
        }
        None => false,
    };
    let format = output_format(text, first.into_iter().chain(tokens))?;
    Ok(if select { Statement::Select { format } } else { Statement::Other { format } })
}

/// The format that a statement names for its result.
fn output_format(text: &[u8], tokens: impl Iterator<Item = Token>) -> Result<Option<String>, Exception> {
    let mut outer = tokens.filter(|token| token.depth == 0).peekable();
    let mut format = None;
    while let Some(token) = outer.next() {
        let Some(next) = outer.peek().copied() else { break };
        if token.kind == Kind::Semicolon && next.kind != Kind::Semicolon {
            let message = format!(
                "Syntax error (Multi-statements are not allowed): failed at position {} (end of query)",
                token.start + 1
            );
            return Err(Exception::new(code::SYNTAX_ERROR, "SYNTAX_ERROR", message));
        }
        if token.is_word(text, "INTO") && next.is_word(text, "OUTFILE") {
            let message = "INTO OUTFILE is not allowed";
            return Err(Exception::new(code::INTO_OUTFILE_NOT_ALLOWED, "INTO_OUTFILE_NOT_ALLOWED", message));
        }
        if token.is_word(text, "FORMAT") && next.kind == Kind::Word {
            let name = outer.next().map(|name| name.text(text));
            let ends = outer
                .peek()
                .is_none_or(|after| after.kind == Kind::Semicolon || after.is_word(text, "SETTINGS"));
            format = name.filter(|_| ends).or(format);
        }
    }
    Ok(format)
}

fn parse_insert(text: &[u8], mut tokens: Tokens<'_>) -> Result<Statement, Exception> {
    // the target's name may be any word, so it is passed over: INSERT [INTO] [TABLE] [FUNCTION] name
    let mut named = false;
    while let Some(token) = tokens.next() {
        let introduces = ["INTO", "TABLE", "FUNCTION"].iter().any(|word| token.is_word(text, word));
        if !named {
            named = !introduces;
            continue;
        }
        let selects = ["SELECT", "WITH", "WATCH"].iter().any(|word| token.is_word(text, word));
        if (token.depth == 0 && (selects || token.is_word(text, "FROM")))
            || (token.kind == Kind::Open
                && tokens.clone().next().is_some_and(|next| next.is_word(text, "SELECT")))
        {
            // INSERT ... SELECT, or FROM INFILE, which the engine reads itself
            let format = output_format(text, tokens)?;
            return Ok(Statement::Other { format });
        }
        if token.depth == 0 && token.is_word(text, "VALUES") {
            let format = Some("Values".to_owned());
            return Ok(Statement::Insert { statement_end: token.start, format, data_start: token.end });
        }
        if token.depth == 0 && token.is_word(text, "FORMAT") {
            let statement_end = token.start;
            let Some(name) = tokens.next().filter(|name| name.kind == Kind::Word) else { break };
            let data_start = data_start(text, name.end);
            return Ok(Statement::Insert { statement_end, format: Some(name.text(text)), data_start });
        }
        if token.kind == Kind::Semicolon {
            return Ok(Statement::Insert { statement_end: token.start, format: None, data_start: token.end });
        }
    }
    Ok(Statement::Insert { statement_end: text.len(), format: None, data_start: text.len() })
}

/// Data begins behind the first line break after the format's name, or behind the blanks where there is none.
fn data_start(text: &[u8], mut at: usize) -> usize {
    let is = |at: usize, bytes: &[u8]| text.get(at).is_some_and(|byte| bytes.contains(byte));
    while is(at, b" \t\x0c;") {
        at += 1;
    }
    if is(at, b"\r") {
        at += 1;
    }
    if is(at, b"\n") {
        at += 1;
    }
    at
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Word,
    Quoted,
    Open,
    Close,
    Semicolon,
    Sign,
}

#[derive(Debug, Clone, Copy)]
struct Token {
    kind: Kind,
    start: usize,
    end: usize,
    /// how many brackets are open around it; an opening bracket counts as outside itself
    depth: usize,
}

impl Token {
    fn is_word(self, text: &[u8], word: &str) -> bool {
        self.kind == Kind::Word && text[self.start..self.end].eq_ignore_ascii_case(word.as_bytes())
    }

    fn text(self, text: &[u8]) -> String {
        String::from_utf8_lossy(&text[self.start..self.end]).into_owned()
    }
}

/// The tokens of a text; white space and comments are passed over.
#[derive(Clone)]
struct Tokens<'text> {
    text: &'text [u8],
    position: usize,
    depth: usize,
    /// the last token was a dot, so that a word which follows is a name and no keyword
    is_qualified: bool,
}

impl Tokens<'_> {
    fn rest(&self) -> &[u8] {
        &self.text[self.position..]
    }

    /// Moves behind the next `mark`, or to the end where there is none.
    fn skip_past(&mut self, mark: &[u8]) {
        let found = self.rest().windows(mark.len()).position(|window| window == mark);
        self.position = found.map_or(self.text.len(), |at| self.position + at + mark.len());
    }

    fn skip_blanks_and_comments(&mut self) {
        loop {
            match self.rest() {
                [byte, ..] if byte.is_ascii_whitespace() || *byte == 0x0b => self.position += 1,
                [b'-', b'-', ..] | [b'#', b' ' | b'!', ..] => self.skip_past(b"\n"),
                [b'/', b'*', ..] => {
                    self.position += 2;
                    self.skip_past(b"*/");
                }
                _ => return,
            }
        }
    }

    /// Moves behind a quoted text, in which a backslash or a second quote escapes.
    fn skip_quoted(&mut self, quote: u8) {
        self.position += 1;
        while let Some(&byte) = self.text.get(self.position) {
            self.position += 1;
            if byte == b'\\' {
                self.position += 1;
            } else if byte == quote {
                if self.text.get(self.position) != Some(&quote) {
                    break;
                }
                self.position += 1;
            }
        }
        self.position = self.position.min(self.text.len());
    }

    /// Moves behind `$tag$ ... $tag$`, if that is what stands here.
    fn skip_heredoc(&mut self) -> bool {
        let tag = self.rest()[1..].iter().position(|byte| !is_word_byte(*byte) || *byte == b'$');
        match tag {
            Some(length) if self.rest()[1 + length] == b'$' => {
                let mark = self.rest()[..length + 2].to_vec();
                self.position += mark.len();
                self.skip_past(&mark);
                true
            }
            _ => false,
        }
    }
}

fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        self.skip_blanks_and_comments();
        let start = self.position;
        let first = *self.text.get(start)?;
        let mut depth = self.depth;
        let kind = match first {
            b'\'' | b'"' | b'`' => {
                self.skip_quoted(first);
                Kind::Quoted
            }
            b'$' if self.skip_heredoc() => Kind::Quoted,
            byte if is_word_byte(byte) => {
                let length = self.rest().iter().take_while(|byte| is_word_byte(**byte)).count();
                self.position += length;
                if self.is_qualified { Kind::Quoted } else { Kind::Word }
            }
            byte => {
                self.position += 1;
                match byte {
                    b'(' | b'[' | b'{' => {
                        self.depth += 1;
                        Kind::Open
                    }
                    b')' | b']' | b'}' => {
                        self.depth = self.depth.saturating_sub(1);
                        depth = self.depth;
                        Kind::Close
                    }
                    b';' => Kind::Semicolon,
                    _ => Kind::Sign,
                }
            }
        };
        self.is_qualified = first == b'.';
        Some(Token { kind, start, end: self.position, depth })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn select(format: Option<&str>) -> Statement {
        Statement::Select { format: format.map(str::to_owned) }
    }

    fn other(format: Option<&str>) -> Statement {
        Statement::Other { format: format.map(str::to_owned) }
    }

    /// The parts of an INSERT: statement, format, data.
    fn insert(text: &str) -> (&str, Option<String>, &str) {
        match parse(text.as_bytes()) {
            Ok(Statement::Insert { statement_end, format, data_start }) => {
                (&text[..statement_end], format, &text[data_start..])
            }
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_result_s_format_is_found_where_it_is_one() {
        for (text, statement) in [
            ("SELECT 1", select(None)),
            ("select 1 format JSON", select(Some("JSON"))),
            (" /* INSERT */ -- INSERT\n (select 1) Format CSV ; ", select(Some("CSV"))),
            ("WITH 1 AS x SELECT x FORMAT TSV SETTINGS max_threads = 1", select(Some("TSV"))),
            ("SELECT format FROM t", select(None)),
            ("SELECT t.format alias", select(None)),
            ("SELECT 'FORMAT CSV', `FORMAT CSV`, \"\\\"FORMAT CSV\" FROM t", select(None)),
            ("SELECT * FROM (SELECT 1 FORMAT CSV)", select(None)),
            ("SELECT $x$ FORMAT CSV $x$", select(None)),
            ("SELECT $x$ ' $x$ FORMAT CSV", select(Some("CSV"))),
            ("SELECT 'it''s' FORMAT CSV", select(Some("CSV"))),
            ("SHOW TABLES FORMAT JSON", other(Some("JSON"))),
            ("CREATE TABLE t (a Int8) ENGINE = MergeTree ORDER BY a", other(None)),
            ("INSERT INTO t SELECT * FROM u", other(None)),
            ("INSERT INTO t (a, b) (SELECT 1, 2)", other(None)),
            ("INSERT INTO t (a) WITH 1 AS x SELECT x", other(None)),
            ("", other(None)),
        ] {
            assert_eq!(parse(text.as_bytes()).unwrap(), statement, "{text}");
        }
    }

    #[test]
    fn an_insert_is_parted_from_its_data() {
        assert_eq!(
            insert("INSERT INTO t VALUES (1, 'x')"),
            ("INSERT INTO t ", Some("Values".into()), " (1, 'x')")
        );
        assert_eq!(
            insert("insert into values values(1)"),
            ("insert into values ", Some("Values".into()), "(1)")
        );
        assert_eq!(
            insert("INSERT INTO t(a) FORMAT CSV\n 1"),
            ("INSERT INTO t(a) ", Some("CSV".into()), " 1")
        );
        assert_eq!(insert("INSERT INTO t FORMAT CSV \r\n\n1"), ("INSERT INTO t ", Some("CSV".into()), "\n1"));
        assert_eq!(insert("INSERT INTO t FORMAT CSV;"), ("INSERT INTO t ", Some("CSV".into()), ""));
        let settings = "INSERT INTO `a b`.format (`values`) SETTINGS x = 'FORMAT' FORMAT RowBinary";
        assert_eq!(
            insert(settings),
            (settings.trim_end_matches("FORMAT RowBinary"), Some("RowBinary".into()), "")
        );
        assert_eq!(insert("INSERT INTO t (* EXCEPT(b))"), ("INSERT INTO t (* EXCEPT(b))", None, ""));
        assert_eq!(
            insert("INSERT INTO FUNCTION file('x', CSV) VALUES (1)"),
            ("INSERT INTO FUNCTION file('x', CSV) ", Some("Values".into()), " (1)")
        );
    }

    #[test]
    fn data_is_not_read_as_sql() {
        assert_eq!(
            insert("INSERT INTO t FORMAT TSV\nit's; SELECT\t/*"),
            ("INSERT INTO t ", Some("TSV".into()), "it's; SELECT\t/*")
        );
    }

    #[test]
    fn second_statements_and_files_are_refused() {
        assert_eq!(parse(b"SELECT 1; SELECT 2").unwrap_err().code(), code::SYNTAX_ERROR);
        assert_eq!(parse(b"SELECT 1 INTO OUTFILE '/x'").unwrap_err().code(), code::INTO_OUTFILE_NOT_ALLOWED);
        parse(b"SELECT ';'; -- done\n ;").unwrap();
    }

    proptest::proptest! {
        #[test]
        fn any_text_ends_without_a_panic(text in ".{0,60}", bytes in proptest::collection::vec(0_u8.., 0..60)) {
            drop(parse(text.as_bytes()));
            drop(parse(&bytes));
            drop(parse(&[b"INSERT INTO t ", bytes.as_slice()].concat()));
        }
    }
}
