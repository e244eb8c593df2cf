//! A response, from the thread that makes it to the connection, encoded on the way.
//!
//! The head waits until a buffer is full or the result is whole, so that an exception that comes early is a clean HTTP
//! error. One that comes later ends the body, marked as ClickHouse marks it, and the connection is broken off, so that
//! no client takes a part for the whole. Memory is bounded unless the client asks to wait for the end of the query.

use std::{
    io::{self, Write as _},
    task::Poll,
};

use axum::{
    body::Body,
    http::{HeaderValue, Response as HttpResponse, StatusCode, header, response::Builder},
};
use bytes::Bytes;
use flate2::write::GzEncoder;
use futures_util::Stream;
use lz4_flex::frame::FrameEncoder;
use tokio::sync::{mpsc, oneshot};

use super::{
    compression::write_blocks,
    exception::Exception,
    library::Summary,
    request::{Encoding, Request},
};

/// How much of an encoded result is held back before the head is sent.
const BUFFER_LENGTH: usize = 1 << 20;
const PIECES_WAITING: usize = 1;

/// What every response says about its query.
#[derive(Clone)]
pub(super) struct Context {
    pub(super) query_id: String,
    pub(super) version: String,
    pub(super) timezone: String,
}

impl Context {
    /// A response builder with the headers that every answer has.
    fn builder(&self, status: StatusCode) -> Builder {
        HttpResponse::builder()
            .status(status)
            .header(
                "X-ClickHouse-Query-Id",
                HeaderValue::from_str(&self.query_id).unwrap_or(HeaderValue::from_static("")),
            )
            .header("X-ClickHouse-Server-Display-Name", "ovation-devstack")
            .header("X-ClickHouse-Timezone", self.timezone.as_str())
    }

    /// The answer to a query that failed before anything of its result was sent.
    pub(super) fn failure(&self, exception: &Exception) -> HttpResponse<Body> {
        self.builder(exception.status())
            .header("X-ClickHouse-Exception-Code", exception.code())
            .header(header::CONTENT_TYPE, "text/plain; charset=UTF-8")
            .body(Body::from(exception.body(&self.version)))
            .unwrap_or_default()
    }
}

enum Encoder {
    Identity(Vec<u8>),
    Blocks(Vec<u8>),
    Gzip(GzEncoder<Vec<u8>>),
    Lz4(Box<FrameEncoder<Vec<u8>>>),
}

impl Encoder {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Encoder::Identity(output) => output.extend_from_slice(bytes),
            Encoder::Blocks(output) => write_blocks(bytes, output),
            Encoder::Gzip(encoder) => encoder.write_all(bytes)?,
            Encoder::Lz4(encoder) => encoder.write_all(bytes)?,
        }
        Ok(())
    }

    /// What is encoded so far and not taken yet.
    fn output(&mut self) -> &mut Vec<u8> {
        match self {
            Encoder::Identity(output) | Encoder::Blocks(output) => output,
            Encoder::Gzip(encoder) => encoder.get_mut(),
            Encoder::Lz4(encoder) => encoder.get_mut(),
        }
    }

    /// Pushes out what the encoder holds, so that it can be decoded without what follows.
    fn flush(&mut self) -> io::Result<()> {
        match self {
            Encoder::Identity(_) | Encoder::Blocks(_) => Ok(()),
            Encoder::Gzip(encoder) => encoder.flush(),
            Encoder::Lz4(encoder) => encoder.flush(),
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        match self {
            Encoder::Identity(_) | Encoder::Blocks(_) => Ok(()),
            Encoder::Gzip(encoder) => encoder.try_finish(),
            Encoder::Lz4(encoder) => encoder.try_finish().map_err(io::Error::other),
        }
    }
}

/// The result of one query on its way to the client.
pub(super) struct Response {
    context: Context,
    format: String,
    encoding: Option<Encoding>,
    encoder: Encoder,
    waits: bool,
    tag: String,
    head: Option<oneshot::Sender<HttpResponse<Body>>>,
    pieces: Option<mpsc::Sender<io::Result<Bytes>>>,
}

impl Response {
    /// A response that answers `request`; the receiver gets its head, body to follow.
    pub(super) fn new(
        request: &Request,
        context: Context,
    ) -> (Response, oneshot::Receiver<HttpResponse<Body>>) {
        let (head, receiver) = oneshot::channel();
        let encoding = request.response_encoding.filter(|_| !request.compress);
        let encoder = match encoding {
            _ if request.compress => Encoder::Blocks(Vec::new()),
            Some(Encoding::Gzip) => Encoder::Gzip(GzEncoder::new(Vec::new(), flate2::Compression::fast())),
            Some(Encoding::Lz4) => Encoder::Lz4(Box::new(FrameEncoder::new(Vec::new()))),
            None => Encoder::Identity(Vec::new()),
        };
        let response = Response {
            context,
            format: String::new(),
            encoding,
            encoder,
            waits: request.wait_end_of_query,
            tag: uuid::Uuid::new_v4().simple().to_string()[..16].to_owned(),
            head: Some(head),
            pieces: None,
        };
        (response, receiver)
    }

    /// Says which format the result is in; before the first write.
    pub(super) fn set_format(&mut self, format: &str) {
        format.clone_into(&mut self.format);
    }

    /// Appends to the result; blocks where the client is behind.
    ///
    /// # Errors
    /// If the client has gone.
    pub(super) fn write(&mut self, bytes: &[u8], so_far: Summary) -> io::Result<()> {
        self.encoder.write(bytes)?;
        if self.pieces.is_none() && (self.waits || self.encoder.output().len() < BUFFER_LENGTH) {
            return Ok(());
        }
        if self.pieces.is_none() {
            self.send_head(so_far, None)?;
        }
        self.send_piece()
    }

    /// Ends the result.
    ///
    /// # Errors
    /// If the client has gone.
    pub(super) fn finish(mut self, summary: Summary) -> io::Result<()> {
        self.encoder.finish()?;
        if self.pieces.is_some() {
            return self.send_piece();
        }
        let whole = std::mem::take(self.encoder.output());
        self.send_head(summary, Some(whole.into()))
    }

    /// Ends the response with an exception.
    pub(super) fn fail(mut self, exception: &Exception) {
        if let Some(head) = self.head.take() {
            // the client may have gone, and then nobody is told
            head.send(self.context.failure(exception)).ok();
            return;
        }
        let message = exception.body(&self.context.version);
        let tag = &self.tag;
        let mark = "__exception__";
        let text = format!("\r\n{mark}\r\n{tag}\r\n{message}{} {tag}\r\n{mark}\r\n", message.len());
        let sent = self
            .encoder
            .flush()
            .and_then(|()| self.send_piece())
            .and_then(|()| self.encoder.write(text.as_bytes()))
            .and_then(|()| self.encoder.flush())
            .and_then(|()| self.send_piece());
        if let (Ok(()), Some(pieces)) = (sent, &self.pieces) {
            pieces.blocking_send(Err(io::Error::other("the query failed"))).ok();
        }
    }

    fn send_head(&mut self, summary: Summary, whole: Option<Bytes>) -> io::Result<()> {
        let mut builder = self
            .context
            .builder(StatusCode::OK)
            .header("X-ClickHouse-Summary", summary_header(summary))
            .header(header::CONTENT_TYPE, content_type(&self.format));
        if !self.format.is_empty() {
            builder = builder.header("X-ClickHouse-Format", self.format.as_str());
        }
        builder = match self.encoding {
            Some(Encoding::Gzip) => builder.header(header::CONTENT_ENCODING, "gzip"),
            Some(Encoding::Lz4) => builder.header(header::CONTENT_ENCODING, "lz4"),
            None => builder,
        };
        let body = match whole {
            Some(whole) => Body::from(whole),
            None => {
                builder = builder.header("X-ClickHouse-Exception-Tag", self.tag.as_str());
                let (sender, receiver) = mpsc::channel(PIECES_WAITING);
                self.pieces = Some(sender);
                Body::from_stream(in_order(receiver))
            }
        };
        let response = builder.body(body).map_err(io::Error::other)?;
        let head = self.head.take().ok_or_else(|| io::Error::other("the head was sent before"))?;
        head.send(response).map_err(|_| gone())
    }

    fn send_piece(&mut self) -> io::Result<()> {
        let piece = std::mem::take(self.encoder.output());
        match &self.pieces {
            Some(pieces) if !piece.is_empty() => pieces.blocking_send(Ok(piece.into())).map_err(|_| gone()),
            _ => Ok(()),
        }
    }
}

/// The pieces as they come. An error waits for one more turn, for the connection is broken off the moment it is seen,
/// and what was written before it would be lost instead of sent.
fn in_order(mut receiver: mpsc::Receiver<io::Result<Bytes>>) -> impl Stream<Item = io::Result<Bytes>> {
    let mut failure = None;
    futures_util::stream::poll_fn(move |context| match failure.take() {
        Some(error) => Poll::Ready(Some(Err(error))),
        None => match receiver.poll_recv(context) {
            Poll::Ready(Some(Err(error))) => {
                failure = Some(error);
                context.waker().wake_by_ref();
                Poll::Pending
            }
            piece => piece,
        },
    })
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the client has gone")
}

/// All values are texts, as in a server.
fn summary_header(summary: Summary) -> String {
    format!(
        "{{\"read_rows\":\"{}\",\"read_bytes\":\"{}\",\"written_rows\":\"{}\",\"written_bytes\":\"{}\",\
         \"total_rows_to_read\":\"0\",\"result_rows\":\"{}\",\"result_bytes\":\"{}\",\"elapsed_ns\":\"{}\"}}",
        summary.read_rows,
        summary.read_bytes,
        summary.written_rows,
        summary.written_bytes,
        summary.result_rows,
        summary.result_bytes,
        summary.elapsed_ns
    )
}

fn content_type(format: &str) -> &'static str {
    match format {
        "" => "text/plain; charset=UTF-8",
        _ if format.starts_with("TabSeparated") || format.starts_with("TSV") => {
            "text/tab-separated-values; charset=UTF-8"
        }
        _ if format.starts_with("CSV") && format.contains("WithNames") => {
            "text/csv; charset=UTF-8; header=present"
        }
        _ if format.starts_with("CSV") => "text/csv; charset=UTF-8; header=absent",
        _ if format.starts_with("JSON") && (format.contains("EachRow") || format == "JSONLines") => {
            "application/x-ndjson; charset=UTF-8"
        }
        _ if format.starts_with("JSON") => "application/json; charset=UTF-8",
        _ if format.starts_with("RowBinary")
            || ["Native", "Parquet", "Arrow", "ORC", "Avro"].contains(&format) =>
        {
            "application/octet-stream"
        }
        _ => "text/plain; charset=UTF-8",
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context as TaskContext, Waker};

    use super::*;

    #[test]
    fn what_comes_before_a_failure_is_sent_before_it() {
        let (sender, receiver) = mpsc::channel(2);
        sender.try_send(Ok(Bytes::from_static(b"text"))).unwrap();
        sender.try_send(Err(io::Error::other("the query failed"))).unwrap();
        let mut pieces = std::pin::pin!(in_order(receiver));
        let mut poll = || pieces.as_mut().poll_next(&mut TaskContext::from_waker(Waker::noop()));
        assert!(matches!(poll(), Poll::Ready(Some(Ok(piece))) if &piece[..] == b"text"));
        // here the connection writes out what it has
        assert!(poll().is_pending());
        assert!(matches!(poll(), Poll::Ready(Some(Err(_)))));
    }

    #[test]
    fn a_summary_is_texts_in_json() {
        let summary = Summary { read_rows: 3, written_bytes: 7, ..Summary::default() };
        let header: std::collections::HashMap<String, String> =
            serde_json::from_str(&summary_header(summary)).unwrap();
        assert_eq!((header["read_rows"].as_str(), header["written_bytes"].as_str()), ("3", "7"));
    }
}
