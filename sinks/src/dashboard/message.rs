//! WebSocket messages (RFC 6455): ours as bytes, a client's from bytes.
//!
//! Always holds: ours are whole and unmasked; a client's must be masked, and one that announces more than may come is refused before
//! it is there. After an error nothing more is understood. A client that has said all it said takes no memory here. Does not know: sockets.

use bytes::Bytes;

/// The most bytes that a control frame may carry.
pub const CONTROL_BYTES_MAX: usize = 125;

/// What a frame is, by its number on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A part of a message that began before.
    Continuation = 0,
    /// Text.
    Text = 1,
    /// Bytes.
    Binary = 2,
    /// The end, with a code and a reason.
    Close = 8,
    /// A question for a sign of life.
    Ping = 9,
    /// The answer to it.
    Pong = 10,
}

/// A whole message.
#[must_use]
pub fn encode(kind: Kind, payload: &[u8]) -> Bytes {
    let mut message = Vec::with_capacity(payload.len() + 10);
    message.push(0x80 | kind as u8);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length @ ..126), _) => message.push(length),
        (_, Ok(length)) => {
            message.push(126);
            message.extend_from_slice(&length.to_be_bytes());
        }
        _ => {
            message.push(127);
            message.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    message.extend_from_slice(payload);
    message.into()
}

/// The end, with a code; of the reason as much as there is room for.
#[must_use]
pub fn encode_close(code: u16, reason: &str) -> Bytes {
    let mut length = reason.len().min(CONTROL_BYTES_MAX - 2);
    while !reason.is_char_boundary(length) {
        length -= 1;
    }
    encode(Kind::Close, &[&code.to_be_bytes(), &reason.as_bytes()[..length]].concat())
}

/// What a client has said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// A text.
    Text(String),
    /// Bytes, which are not looked at.
    Binary,
    /// A question for a sign of life, to be answered with the same bytes.
    Ping(Vec<u8>),
    /// A sign of life.
    Pong,
    /// It ends the connection, with this code.
    Close(Option<u16>),
}

/// Why a client is not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// Longer than may come.
    TooLong,
    /// This is no frame, or not in its place.
    Protocol,
    /// A text that is none.
    NotUtf8,
}

/// What of a client's bytes is not understood yet.
#[derive(Debug, Default)]
pub struct Incoming {
    bytes: Vec<u8>,
    /// The kind of a message of which parts have come, and these.
    begun: Option<(Kind, Vec<u8>)>,
    is_lost: bool,
}

struct Head {
    is_last: bool,
    kind: Kind,
    mask: [u8; 4],
    start: usize,
    length: usize,
}

impl Incoming {
    /// More has come.
    pub fn extend(&mut self, bytes: &[u8]) {
        if !self.is_lost {
            self.bytes.extend_from_slice(bytes);
        }
    }

    /// The next message, if it is all there; it and its parts may have `bytes_max`.
    ///
    /// # Errors
    /// If it cannot be understood; told once, and then there is no next one.
    pub fn next(&mut self, bytes_max: usize) -> Result<Option<Said>, Wrong> {
        let next = self.understand(bytes_max);
        if next.is_err() {
            *self = Incoming { is_lost: true, ..Incoming::default() };
        }
        next
    }

    fn understand(&mut self, bytes_max: usize) -> Result<Option<Said>, Wrong> {
        while let Some(head) = head(&self.bytes)? {
            let before = self.begun.as_ref().map_or(0, |(_, parts)| parts.len());
            if head.length > bytes_max - before.min(bytes_max) {
                return Err(Wrong::TooLong);
            }
            let end = head.start + head.length;
            if self.bytes.len() < end {
                return Ok(None);
            }
            let payload = self.bytes[head.start..end].iter().zip(head.mask.iter().cycle());
            let payload: Vec<u8> = payload.map(|(byte, mask)| byte ^ mask).collect();
            if self.bytes.len() == end {
                self.bytes = Vec::new();
            } else {
                self.bytes.drain(..end);
            }
            if let Some(said) = self.take(&head, payload)? {
                return Ok(Some(said));
            }
        }
        Ok(None)
    }

    fn take(&mut self, head: &Head, payload: Vec<u8>) -> Result<Option<Said>, Wrong> {
        let (kind, all) = match (head.kind, self.begun.take()) {
            (Kind::Ping | Kind::Pong | Kind::Close, begun) => {
                self.begun = begun;
                return control(head, payload).map(Some);
            }
            (Kind::Continuation, Some((kind, mut parts))) => {
                parts.extend_from_slice(&payload);
                (kind, parts)
            }
            (Kind::Continuation, None) | (_, Some(_)) => return Err(Wrong::Protocol),
            (kind, None) => (kind, payload),
        };
        if !head.is_last {
            self.begun = Some((kind, all));
            return Ok(None);
        }
        match kind {
            Kind::Text => {
                String::from_utf8(all).map(|text| Some(Said::Text(text))).map_err(|_| Wrong::NotUtf8)
            }
            _ => Ok(Some(Said::Binary)),
        }
    }
}

fn control(head: &Head, payload: Vec<u8>) -> Result<Said, Wrong> {
    if !head.is_last || payload.len() > CONTROL_BYTES_MAX {
        return Err(Wrong::Protocol);
    }
    match (head.kind, payload.as_slice()) {
        (Kind::Ping, _) => Ok(Said::Ping(payload)),
        (Kind::Pong, _) => Ok(Said::Pong),
        (_, []) => Ok(Said::Close(None)),
        (_, [high, low, ..]) => Ok(Said::Close(Some(u16::from_be_bytes([*high, *low])))),
        (_, [_]) => Err(Wrong::Protocol),
    }
}

/// The head of the first frame; none if it is not all there.
fn head(bytes: &[u8]) -> Result<Option<Head>, Wrong> {
    let [first, second, rest @ ..] = bytes else { return Ok(None) };
    let kind = match first & 0x7f {
        0 => Kind::Continuation,
        1 => Kind::Text,
        2 => Kind::Binary,
        8 => Kind::Close,
        9 => Kind::Ping,
        10 => Kind::Pong,
        _ => return Err(Wrong::Protocol),
    };
    if second & 0x80 == 0 {
        return Err(Wrong::Protocol);
    }
    let (length, rest) = match second & 0x7f {
        126 => match rest {
            [one, two, rest @ ..] => (usize::from(u16::from_be_bytes([*one, *two])), rest),
            _ => return Ok(None),
        },
        127 => match rest.split_first_chunk() {
            Some((length, rest)) => {
                (usize::try_from(u64::from_be_bytes(*length)).map_err(|_| Wrong::TooLong)?, rest)
            }
            None => return Ok(None),
        },
        length => (usize::from(length), rest),
    };
    let Some((mask, rest)) = rest.split_first_chunk() else { return Ok(None) };
    let start = bytes.len() - rest.len();
    Ok(Some(Head { is_last: first & 0x80 != 0, kind, mask: *mask, start, length }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A client's frame, masked.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let plain = encode(Kind::Text, payload);
        let head = plain.len() - payload.len();
        let mask = [7, 1, 255, 9];
        let mut bytes = vec![first, plain[1] | 0x80];
        bytes.extend_from_slice(&plain[2..head]);
        bytes.extend_from_slice(&mask);
        bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        bytes
    }

    fn all(bytes: &[u8]) -> Result<Vec<Said>, Wrong> {
        let (mut incoming, mut found) = (Incoming::default(), Vec::new());
        for byte in bytes {
            incoming.extend(&[*byte]);
            while let Some(said) = incoming.next(1_000)? {
                found.push(said);
            }
        }
        Ok(found)
    }

    #[test]
    fn messages_are_found_however_they_are_cut() {
        let long = "x".repeat(300);
        let bytes = [
            frame(0x81, b"one"),
            frame(0x01, b"be"),
            frame(0x89, b"ping"),
            frame(0x00, b"gu"),
            frame(0x80, b"n"),
            frame(0x82, &[0xff]),
            frame(0x8a, b""),
            frame(0x81, long.as_bytes()),
            frame(0x88, &[3, 233, b'x']),
        ];
        let expected = [
            Said::Text("one".to_owned()),
            Said::Ping(b"ping".to_vec()),
            Said::Text("begun".to_owned()),
            Said::Binary,
            Said::Pong,
            Said::Text(long),
            Said::Close(Some(1001)),
        ];
        assert_eq!(all(&bytes.concat()).as_deref(), Ok(&expected[..]));
        let mut at_once = Incoming::default();
        at_once.extend(&bytes.concat());
        for said in expected {
            assert_eq!(at_once.next(1_000), Ok(Some(said)));
        }
        assert_eq!((at_once.next(1_000), at_once.bytes.capacity()), (Ok(None), 0));
    }

    #[test]
    fn what_is_no_message_is_said_to_be_none() {
        let unmasked = encode(Kind::Text, b"x");
        for (bytes, wrong) in [
            (unmasked.to_vec(), Wrong::Protocol),
            (frame(0xc1, b"x"), Wrong::Protocol),
            (frame(0x83, b"x"), Wrong::Protocol),
            (frame(0x80, b"x"), Wrong::Protocol),
            ([frame(0x01, b"x"), frame(0x81, b"x")].concat(), Wrong::Protocol),
            (frame(0x09, b"x"), Wrong::Protocol),
            (frame(0x89, &[0; 126]), Wrong::Protocol),
            (frame(0x88, b"x"), Wrong::Protocol),
            (frame(0x81, &[0xff]), Wrong::NotUtf8),
            (frame(0x81, &[b'x'; 1_001])[..8].to_vec(), Wrong::TooLong),
            ([frame(0x01, &[b'x'; 600]), frame(0x80, &[b'x'; 401])].concat(), Wrong::TooLong),
            ([&[0x81, 0xff][..], &[0xff; 12]].concat(), Wrong::TooLong),
        ] {
            assert_eq!(all(&bytes), Err(wrong), "{bytes:?}");
        }
    }

    #[test]
    fn lengths_are_written_as_the_protocol_wants_them() {
        for (length, head) in [
            (125, &[0x81, 125][..]),
            (126, &[0x81, 126, 0, 126]),
            (65_535, &[0x81, 126, 255, 255]),
            (65_536, &[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let message = encode(Kind::Text, &vec![b'x'; length]);
            assert_eq!((&message[..head.len()], message.len()), (head, head.len() + length));
        }
        let close = encode_close(4401, &"ä".repeat(200));
        assert_eq!((&close[..4], close.len()), (&[0x88, 124, 0x11, 0x31][..], 126));
    }
}
