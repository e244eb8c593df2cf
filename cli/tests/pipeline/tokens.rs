//! The gateway as a process of its own: neither tokens nor keys get into its log, however much is logged.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use crate::deployment::Deployment;

const SECRET: &str = "a-secret-of-more-than-thirty-two-bytes";
const SELECTORS: &str = "kind=engagement&channel=twitch:1";

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok(); // it may have ended by itself
    }
}

/// What is answered to these bytes, up to `until`.
fn answer(address: &str, bytes: &[u8], until: &str) -> String {
    let mut socket = TcpStream::connect(address).expect("a connection");
    socket.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
    socket.write_all(bytes).expect("sent");
    let mut found = String::new();
    let mut part = [0; 4_096];
    while !found.contains(until) {
        let read = socket.read(&mut part).unwrap_or_else(|error| panic!("{error} after {found}"));
        assert!(read > 0, "ended after {found}");
        found.push_str(&text(&part[..read]));
    }
    found
}

/// A client's text frame: masked, with a mask of zeros.
fn text_frame(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).expect("short");
    let mut frame = vec![0x81, 0x80 | 126];
    frame.extend(length.to_be_bytes());
    frame.extend([0; 4]);
    frame.extend(text.as_bytes());
    frame
}

#[test]
fn neither_tokens_nor_keys_get_into_a_log() {
    let secret = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tokens-secret");
    std::fs::write(&secret, SECRET).expect("written");
    let mut deployment = Deployment::new("tokens");
    deployment
        .set("dashboard.keys", &format!("[{{ kid = \"hs\", algorithm = \"HS256\", file = {secret:?} }}]"));
    let token = deployment.run(&["dashboard", "token", "--channel", "twitch:1", "--for", "10m"]);
    let token = token.trim();
    let child = deployment
        .command(&["--log", "trace", "dashboard"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut running = Running(child);
    let mut out = BufReader::new(running.0.stdout.take().expect("piped"));
    let mut errors = running.0.stderr.take().expect("piped");
    // read while it runs: a full pipe would stop it
    let log = std::thread::spawn(move || {
        let mut log = Vec::new();
        errors.read_to_end(&mut log).map(|_| log)
    });
    let mut line = String::new();
    out.read_line(&mut line).expect("a line");
    let address = line.trim().strip_prefix("dashboard: http://").expect("the address").to_owned();

    let head = "HTTP/1.1\r\nhost: x\r\n";
    let sse = format!("GET /sse?{SELECTORS}&token={token} {head}\r\n");
    assert!(answer(&address, sse.as_bytes(), "\r\n\r\n").starts_with("HTTP/1.1 200"));
    let refused = format!("GET /sse?{SELECTORS}&token={token}x {head}\r\n");
    assert!(answer(&address, refused.as_bytes(), "\r\n\r\n").starts_with("HTTP/1.1 401"));
    let bearer = format!("GET /api/snapshot?{SELECTORS} {head}authorization: Bearer {token}\r\n\r\n");
    assert!(answer(&address, bearer.as_bytes(), "\r\n\r\n").starts_with("HTTP/1.1 "));
    let upgrade = format!(
        "GET /ws {head}connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\nsec-websocket-protocol: ovation, bearer.{token}\r\n\r\n"
    );
    let subscribe = format!(r#"{{"subscribe":[{{"kind":"markets"}}],"token":"{token}"}}"#);
    let both = [upgrade.as_bytes(), &text_frame(&subscribe)].concat();
    assert!(answer(&address, &both, "\"forbidden\"").starts_with("HTTP/1.1 101"));

    running.0.kill().expect("running");
    running.0.wait().expect("ended");
    let log = text(&log.join().expect("no panic").expect("readable"));
    assert!(log.contains("dashboard is listening"), "{log}");
    // the bytes of a message, as libraries like to write them
    let signature = token.rsplit('.').next().expect("three parts");
    let hex: String = signature.bytes().map(|byte| format!("{byte:02x}")).collect();
    for secret in [signature, &hex, SECRET] {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "a secret is in the log");
    }
}
