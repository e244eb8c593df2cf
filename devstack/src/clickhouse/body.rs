//! A request's body, from the connection to the thread that reads it, decoded on the way.
//!
//! Memory is bounded: a few pieces wait between the two sides, so a slow engine slows the sender down. A body that was
//! cut off is an error, never an end. Whatever is left of a body is read and dropped, so that a client that is still
//! sending gets to see the answer.

use std::io::{self, Read};

use axum::body::Body;
use bytes::{Buf as _, Bytes};
use futures_util::StreamExt as _;
use tokio::sync::mpsc;

use super::{compression::BlockReader, request::Encoding};

const PIECES_WAITING: usize = 4;

/// A piece of the body, or none at its end.
type Piece = io::Result<Option<Bytes>>;

/// A body on its way to another thread.
pub(super) struct Received {
    receiver: mpsc::Receiver<Piece>,
}

/// Starts to receive a body. Must be called in the runtime that serves the connection.
pub(super) fn receive(body: Body) -> Received {
    let (sender, receiver) = mpsc::channel(PIECES_WAITING);
    tokio::spawn(forward(body, sender));
    Received { receiver }
}

impl Received {
    /// A reader that undoes `encoding` and, where `in_blocks` says so, ClickHouse's compressed blocks. It blocks, also
    /// here, and so belongs on a thread of its own.
    pub(super) fn reader(self, encoding: Option<Encoding>, in_blocks: bool) -> Box<dyn Read> {
        let raw = PieceReader { receiver: self.receiver, piece: Bytes::new(), ended: false };
        let decoded: Box<dyn Read> = match encoding {
            Some(Encoding::Gzip) => Box::new(flate2::read::MultiGzDecoder::new(raw)),
            Some(Encoding::Lz4) => Box::new(lz4_flex::frame::FrameDecoder::new(raw)),
            None => Box::new(raw),
        };
        if in_blocks { Box::new(BlockReader::new(decoded)) } else { decoded }
    }
}

async fn forward(body: Body, sender: mpsc::Sender<Piece>) {
    let mut pieces = body.into_data_stream();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map(Some).map_err(io::Error::other);
        let failed = piece.is_err();
        // where nobody reads any more, the rest is dropped
        sender.send(piece).await.ok();
        if failed {
            return;
        }
    }
    sender.send(Ok(None)).await.ok();
}

struct PieceReader {
    receiver: mpsc::Receiver<Piece>,
    piece: Bytes,
    ended: bool,
}

impl Read for PieceReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() && !self.ended {
            match self.receiver.blocking_recv() {
                Some(Ok(Some(piece))) => self.piece = piece,
                Some(Ok(None)) => self.ended = true,
                Some(Err(error)) => return Err(error),
                None => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
        let length = buffer.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    async fn read(pieces: Vec<io::Result<Bytes>>, encoding: Option<Encoding>) -> io::Result<Vec<u8>> {
        let received = receive(Body::from_stream(futures_util::stream::iter(pieces)));
        tokio::task::spawn_blocking(move || {
            let mut content = Vec::new();
            received.reader(encoding, false).read_to_end(&mut content).map(|_| content)
        })
        .await
        .unwrap()
    }

    fn pieces(bytes: &[u8]) -> Vec<io::Result<Bytes>> {
        bytes.chunks(1000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect()
    }

    #[tokio::test]
    async fn every_encoding_is_undone_and_none_hides_a_cut() {
        let content: Vec<u8> = (0..200_000_u32).flat_map(|number| (number / 3).to_le_bytes()).collect();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&content).unwrap();
        let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
        lz4.write_all(&content).unwrap();
        for (encoding, encoded) in [
            (None, content.clone()),
            (Some(Encoding::Gzip), gzip.finish().unwrap()),
            (Some(Encoding::Lz4), lz4.finish().unwrap()),
        ] {
            assert!(read(pieces(&encoded), encoding).await.unwrap() == content, "{encoding:?}");
            let mut cut = pieces(&encoded[..encoded.len() / 2]);
            cut.push(Err(io::ErrorKind::ConnectionReset.into()));
            assert!(read(cut, encoding).await.is_err(), "{encoding:?}: a reset goes unseen");
            if encoding.is_some() {
                let cut = pieces(&encoded[..encoded.len() / 2]);
                assert!(read(cut, encoding).await.is_err(), "{encoding:?}: a cut goes unseen");
            }
        }
    }
}
