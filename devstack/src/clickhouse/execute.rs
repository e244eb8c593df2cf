//! One query, from its request to its response, on a thread of its own.
//!
//! An INSERT's data goes to the engine as it arrives, and a SELECT's result to the client as it is made, where its
//! format can be cut into pieces; any other result is held whole and limited by `max_result_bytes`. Each query has a
//! session of its own, so that no setting outlives it.

use std::io::Read;

use super::{
    exception::{Exception, code},
    library::{Connection, Engine, Output, Summary},
    request::Request,
    response::Response,
    statement::{self, Statement},
};

/// The most SQL that is read from a body; an INSERT's data does not count.
const SQL_LIMIT: usize = 16 << 20;
/// The limit of a result that must be held whole, unless the client sets `max_result_bytes`; the engine measures it
/// before it is formatted.
const RESULT_LIMIT_BYTES: &str = "268435456";
const DATA_PIECE_LENGTH: usize = 256 << 10;

/// Why a query ended early.
enum Failure {
    /// the client is told
    Exception(Exception),
    /// the client has gone
    Gone(std::io::Error),
}

impl From<Exception> for Failure {
    fn from(exception: Exception) -> Failure {
        Failure::Exception(exception)
    }
}

/// Runs the query of `request`, whose further text or data is in `body`, and completes `response` in any case.
pub(super) fn execute(engine: &Engine, request: &Request, body: &mut dyn Read, mut response: Response) {
    let summary = match run(engine, request, body, &mut response) {
        Ok(summary) => summary,
        Err(Failure::Exception(exception)) => {
            tracing::debug!(code = exception.code(), query = %request.query, "a query failed: {exception}");
            return response.fail(&exception);
        }
        Err(Failure::Gone(error)) => return tracing::debug!("a result was not taken: {error}"),
    };
    if let Err(error) = response.finish(summary) {
        tracing::debug!("a result was not taken: {error}");
    }
}

fn run(
    engine: &Engine,
    request: &Request,
    body: &mut dyn Read,
    response: &mut Response,
) -> Result<Summary, Failure> {
    let mut text = request.query.clone().into_bytes();
    let mut statement = statement::parse(&text)?;
    let is_insert = matches!(statement, Statement::Insert { format: Some(_), .. });
    if !is_insert {
        let start = if text.is_empty() { 0 } else { text.len() + 1 };
        let ended = read_text(&mut text, body)?;
        statement = statement::parse(&text)?;
        match &mut statement {
            // INSERT INTO t in the address and its data in the body
            Statement::Insert { format: format @ None, statement_end, data_start } if start > 0 => {
                (*statement_end, *data_start) = (start.min(text.len()), start.min(text.len()));
                *format = Some(request.default_format.clone().unwrap_or_else(|| "Values".to_owned()));
            }
            Statement::Insert { .. } => {}
            _ if !ended => {
                let message = "Max query size exceeded: a query's text is too long";
                return Err(Exception::new(code::SYNTAX_ERROR, "SYNTAX_ERROR", message).into());
            }
            _ => {}
        }
    }
    let mut connection = engine.connect().map_err(|error| Exception::from_engine(&error.to_string()))?;
    let format = request.default_format.as_deref().unwrap_or("TabSeparated");
    match statement {
        Statement::Insert { statement_end, format: Some(format), data_start } => {
            prepare(&mut connection, request, &[])?;
            insert(&mut connection, request, &text[..statement_end], &format, &text[data_start..], body)
                .map_err(Failure::from)
        }
        Statement::Select { format: named } => {
            let format = named.as_deref().unwrap_or(format);
            response.set_format(format);
            match Framing::of(format).filter(|_| !mentions_array_of_rows(&text, request)) {
                Some(framing) => select(&mut connection, request, &text, format, framing, response),
                None => whole(&mut connection, request, &text, format, response),
            }
        }
        Statement::Other { format: named } => {
            let format = named.as_deref().unwrap_or(format);
            response.set_format(format);
            whole(&mut connection, request, &text, format, response)
        }
        Statement::Insert { format: None, .. } => whole(&mut connection, request, &text, format, response),
    }
}

/// Appends the body to the text of the query, on a line of its own; true if that was all of it.
fn read_text(text: &mut Vec<u8>, body: &mut dyn Read) -> Result<bool, Exception> {
    let break_at = text.len();
    let length = body.take(SQL_LIMIT as u64).read_to_end(text).map_err(Exception::from_body)?;
    if break_at > 0 && length > 0 {
        text.insert(break_at, b'\n');
    }
    Ok(length < SQL_LIMIT)
}

fn prepare(
    connection: &mut Connection,
    request: &Request,
    defaults: &[(&str, &str)],
) -> Result<(), Exception> {
    for statement in request.use_statement().into_iter().chain(request.set_statement(defaults)?) {
        connection.query(statement.as_bytes(), "Null", &[])?;
    }
    Ok(())
}

fn insert(
    connection: &mut Connection,
    request: &Request,
    sql: &[u8],
    format: &str,
    first: &[u8],
    body: &mut dyn Read,
) -> Result<Summary, Exception> {
    let mut insert = connection.insert(sql, format, &request.parameters)?;
    let mut accepts = first.is_empty() || insert.append(first);
    let mut piece = Vec::with_capacity(DATA_PIECE_LENGTH);
    while accepts {
        piece.clear();
        // on an error, the insert is dropped, which cancels it
        body.take(DATA_PIECE_LENGTH as u64).read_to_end(&mut piece).map_err(Exception::from_body)?;
        if piece.is_empty() {
            break;
        }
        accepts = insert.append(&piece);
    }
    insert.finish()
}

/// Runs a statement whose result is held whole.
fn whole(
    connection: &mut Connection,
    request: &Request,
    text: &[u8],
    format: &str,
    response: &mut Response,
) -> Result<Summary, Failure> {
    prepare(
        connection,
        request,
        &[("max_result_bytes", RESULT_LIMIT_BYTES), ("result_overflow_mode", "throw")],
    )?;
    let output = connection.query(text, format, &request.parameters)?;
    let summary = output.summary();
    response.write(output.bytes(), summary).map_err(Failure::Gone)?;
    Ok(summary)
}

fn select(
    connection: &mut Connection,
    request: &Request,
    text: &[u8],
    format: &str,
    framing: Framing,
    response: &mut Response,
) -> Result<Summary, Failure> {
    prepare(connection, request, &[])?;
    let mut rows = connection.stream(text, format, &request.parameters)?;
    let mut summary = Summary::default();
    let mut header = Vec::new();
    while let Some(piece) = rows.next()? {
        summary.add(piece.summary());
        let bytes = without_header(&piece, &header);
        response.write(bytes, summary).map_err(Failure::Gone)?;
        if header.is_empty() {
            header = piece.bytes()[..framing.header_length(piece.bytes())].to_vec();
        }
    }
    Ok(summary)
}

/// A piece's rows: the engine starts each piece with the header again.
fn without_header<'piece>(piece: &'piece Output, header: &[u8]) -> &'piece [u8] {
    piece.bytes().strip_prefix(header).unwrap_or(piece.bytes())
}

/// Whether each row is an element of one array, which cannot be cut into pieces.
fn mentions_array_of_rows(text: &[u8], request: &Request) -> bool {
    let name = b"output_format_json_array_of_rows";
    request.settings.iter().any(|(set, _)| set.as_bytes() == name)
        || text.windows(name.len()).any(|window| window == name)
}

/// How a result in some format is made up, where rows follow rows with nothing between or behind them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    /// rows only
    Rows,
    /// names, and maybe types, on so many lines; then rows
    Lines(usize),
    /// as `Lines`, where a quoted name may hold line breaks
    QuotedLines(usize),
    /// the number of columns as a varint, then so many texts for each column; then rows
    Binary(usize),
}

impl Framing {
    /// None where a result of this format has to be made whole.
    fn of(format: &str) -> Option<Framing> {
        let (base, header_lines) = match format {
            _ if format.ends_with("WithNamesAndTypes") => {
                (&format[..format.len() - "WithNamesAndTypes".len()], 2)
            }
            _ if format.ends_with("WithNames") => (&format[..format.len() - "WithNames".len()], 1),
            _ => (format, 0),
        };
        match (base, header_lines) {
            (
                "TabSeparated"
                | "TSV"
                | "TabSeparatedRaw"
                | "TSVRaw"
                | "CSV"
                | "RowBinary"
                | "Native"
                | "TSKV"
                | "JSONEachRow"
                | "JSONLines"
                | "NDJSON"
                | "JSONStringsEachRow"
                | "JSONCompactEachRow"
                | "JSONCompactStringsEachRow",
                0,
            ) => Some(Framing::Rows),
            ("TabSeparated" | "TSV" | "JSONCompactEachRow" | "JSONCompactStringsEachRow", lines) => {
                Some(Framing::Lines(lines))
            }
            ("CSV", lines) => Some(Framing::QuotedLines(lines)),
            ("RowBinary", texts) => Some(Framing::Binary(texts)),
            _ => None,
        }
    }

    /// How many bytes of a piece are its header.
    fn header_length(self, piece: &[u8]) -> usize {
        match self {
            Framing::Rows => 0,
            Framing::Lines(lines) => lines_length(piece, lines, false),
            Framing::QuotedLines(lines) => lines_length(piece, lines, true),
            Framing::Binary(texts) => binary_header_length(piece, texts).unwrap_or(0),
        }
    }
}

fn lines_length(piece: &[u8], mut lines: usize, has_quotes: bool) -> usize {
    let mut is_quoted = false;
    for (at, byte) in piece.iter().enumerate() {
        match byte {
            b'"' if has_quotes => is_quoted = !is_quoted,
            b'\n' if !is_quoted => {
                lines -= 1;
                if lines == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
    }
    piece.len()
}

fn binary_header_length(piece: &[u8], texts: usize) -> Option<usize> {
    let (columns, mut at) = varint(piece, 0)?;
    for _ in 0..columns.checked_mul(texts)? {
        let (length, start) = varint(piece, at)?;
        at = start.checked_add(length).filter(|end| *end <= piece.len())?;
    }
    Some(at)
}

/// An unsigned LEB128 number at a position, and the position behind it.
fn varint(bytes: &[u8], mut at: usize) -> Option<(usize, usize)> {
    let mut value = 0;
    for shift in (0..usize::BITS).step_by(7) {
        let byte = *bytes.get(at)?;
        at += 1;
        value |= usize::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some((value, at));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_measured() {
        let header = |format: &str, piece: &[u8]| Framing::of(format).unwrap().header_length(piece);
        assert_eq!(header("TSVWithNames", b"a\tb\n1\t2\n"), 4);
        assert_eq!(header("TabSeparatedWithNamesAndTypes", b"a\nInt8\n1\n"), 7);
        assert_eq!(header("CSVWithNames", b"\"a\nb\",\"c\"\"\n\"\n1,2\n"), 13);
        assert_eq!(header("RowBinaryWithNamesAndTypes", b"\x01\x01a\x05UInt8\x07"), 9);
        assert_eq!(header("RowBinaryWithNames", b"\x02\x01a\x01b\x07"), 5);
        assert_eq!(header("RowBinaryWithNames", b"\x02\x01a\xff"), 0, "a header that is cut off is none");
        assert_eq!(header("Native", b"\x01\x01"), 0);
        assert_eq!(Framing::of("JSON"), None);
        assert_eq!(Framing::of("Parquet"), None);
    }
}
