//! Many WebSocket clients in one process, as cheap as they can be: what they cost must not be taken for what the gateway costs.
//!
//! Always holds: every text frame that a client receives is handed over whole, in order. A client that loses its connection ends with
//! an error. Does not know: what the frames say.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
/// What Centrifugo asks for a sign of life, a line that may stand beside others, and the answer.
const SIGN_OF_LIFE: &[u8] = b"{}";
/// How long a connection may take to be there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(60);

/// Where clients come in, and what they say first.
#[derive(Clone)]
pub struct Door {
    /// The server.
    pub address: SocketAddr,
    /// Its address for WebSockets.
    pub path: &'static str,
    /// The first message.
    pub ask: String,
}

impl Door {
    /// Our gateway's.
    pub fn of_gateway(address: SocketAddr, subscribe: &str) -> Self {
        Door { address, path: "/ws", ask: subscribe.to_owned() }
    }
}

/// A connection after its handshake.
pub struct Client {
    stream: TcpStream,
    /// What was received and not yet handed over.
    buffer: Vec<u8>,
}

impl Client {
    /// Connects and subscribes. `receive_bytes`: how much the system may receive before the client reads, if not as it likes.
    ///
    /// # Errors
    /// If the server cannot be reached, or refuses.
    pub async fn connect(door: &Door, receive_bytes: Option<u32>) -> Result<Self> {
        let Door { address, path, ask } = door;
        let connecting = async {
            let socket = TcpSocket::new_v4()?;
            if let Some(bytes) = receive_bytes {
                socket.set_recv_buffer_size(bytes)?;
            }
            let mut client = Client { stream: socket.connect(*address).await?, buffer: Vec::new() };
            client.stream.set_nodelay(true)?;
            let request = format!(
                "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            );
            client.stream.write_all(request.as_bytes()).await?;
            let head_end = loop {
                if let Some(at) = client.buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                    break at + 4;
                }
                client.fill(4_096).await?;
            };
            let head: Vec<u8> = client.buffer.drain(..head_end).collect();
            ensure!(head.starts_with(b"HTTP/1.1 101"), "refused: {}", String::from_utf8_lossy(&head));
            client.send(TEXT, ask.as_bytes()).await?;
            Ok(client)
        };
        tokio::time::timeout(CONNECT_TIMEOUT, connecting).await.context("no connection in time")?
    }

    /// Sends a frame. Clients must mask theirs; a mask of zeros changes nothing.
    async fn send(&mut self, kind: u8, payload: &[u8]) -> Result<()> {
        let length = u16::try_from(payload.len())?.to_be_bytes();
        let mut frame = vec![0x80 | kind, 0x80 | 126, length[0], length[1], 0, 0, 0, 0];
        frame.extend_from_slice(payload);
        Ok(self.stream.write_all(&frame).await?)
    }

    /// Receives at most so many bytes.
    async fn fill(&mut self, bytes_max: usize) -> Result<()> {
        self.buffer.reserve(bytes_max);
        let received = (&mut self.stream).take(bytes_max as u64).read_buf(&mut self.buffer).await?;
        ensure!(received > 0, "the gateway has closed the connection");
        Ok(())
    }

    /// Receives once, at most so many bytes, and hands over the text frames that are then complete.
    ///
    /// # Errors
    /// If the connection has ended.
    pub async fn receive(&mut self, bytes_max: usize, on_text: &mut impl FnMut(&[u8])) -> Result<()> {
        self.fill(bytes_max).await?;
        let mut done = 0;
        let (mut is_pinged, mut is_asked) = (false, false);
        while let Some((kind, start, end)) = frame(&self.buffer[done..]) {
            match kind {
                TEXT => {
                    let text = &self.buffer[done + start..done + end];
                    is_asked |= text.split(|byte| *byte == b'\n').any(|line| line == SIGN_OF_LIFE);
                    on_text(text);
                }
                CLOSE => bail!("closed: {}", String::from_utf8_lossy(&self.buffer[done + start..done + end])),
                PING => is_pinged = true,
                _ => {}
            }
            done += end;
        }
        self.buffer.drain(..done);
        if self.buffer.is_empty() {
            self.buffer.shrink_to(4_096);
        }
        if is_pinged {
            self.send(PING + 1, b"").await?;
        }
        if is_asked { self.send(TEXT, SIGN_OF_LIFE).await } else { Ok(()) }
    }
}

/// The kind of the first frame, and where its payload starts and ends; None if it is not complete.
fn frame(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let (kind, short) = (bytes.first()? & 0x0f, usize::from(bytes.get(1)? & 0x7f));
    let (start, length) = match short {
        126 => (4, usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?))),
        127 => (10, usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)).ok()?),
        length => (2, length),
    };
    (bytes.len() >= start + length).then_some((kind, start, start + length))
}

/// The number that follows a name in JSON text.
pub fn number_after(text: &[u8], name: &str) -> Option<i64> {
    let at = text.windows(name.len()).position(|bytes| bytes == name.as_bytes())? + name.len();
    let digits = &text[at..];
    let end = digits.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(digits.len());
    std::str::from_utf8(&digits[..end]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_found_once_they_are_whole() {
        assert_eq!(frame(b"\x81\x03abc"), Some((1, 2, 5)));
        assert_eq!(frame(b"\x81\x03ab"), None);
        let long = [b"\x81\x7e\x01\x00".as_slice(), &[b'x'; 256]].concat();
        assert_eq!(frame(&long), Some((1, 4, 260)));
        assert_eq!(frame(&long[..259]), None);
    }

    #[test]
    fn numbers_are_read_where_they_stand() {
        let text = br#"{"revision":42,"computed_at":17}"#;
        assert_eq!(number_after(text, "\"computed_at\":"), Some(17));
        assert_eq!(number_after(text, "\"revision\":"), Some(42));
        assert_eq!(number_after(text, "\"none\":"), None);
    }
}
