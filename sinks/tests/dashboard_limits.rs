//! What a client, an address and strangers may take, through the gateway's sockets; and the same over TLS.
//!
//! Addresses other than 127.0.0.1 are those of the loopback network: a socket may be bound to any of them.

mod dashboard_support;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use dashboard_support::*;
use futures_util::SinkExt;
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use sinks::dashboard::{Dashboard, TlsFiles};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};
use tokio_tungstenite::tungstenite::Message as WsMessage;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

const HEALTH: &str = r#"{"subscribe":[{"kind":"health"}]}"#;

/// A socket from this address of the loopback network.
async fn socket_from(from: &str, gateway: &Gateway) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(from.parse().expect("an address"), 0))?;
    socket.connect(gateway.address).await
}

/// True once the gateway has closed the socket; false if it has said something.
async fn is_closed(socket: &mut TcpStream) -> bool {
    let mut byte = [0];
    let read = timeout(DEADLINE, socket.read(&mut byte)).await.expect("closed in time");
    matches!(read, Ok(0) | Err(_))
}

async fn close_code(client: &mut Client) -> (String, u16) {
    let frame = client.next().await;
    match client.next_message().await {
        WsMessage::Close(Some(reason)) => {
            (frame["code"].as_str().expect("text").to_owned(), reason.code.into())
        }
        other => panic!("not a close frame: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_sockets_that_ask_for_nothing_stop_nobody_else() {
    // our ends and the gateway's are files of this one process
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let most = files.maximum.unwrap_or(u64::MAX);
    let raised = rustix::process::Rlimit { current: Some(most), maximum: files.maximum };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, raised).expect("up to the maximum");
    let count = usize::try_from(most.saturating_sub(2_500)).unwrap_or(usize::MAX).min(10_000);
    println!("{count} half-open sockets, where at most {most} files may be open");

    let mut results = Results::new("");
    let mut set_up = options();
    set_up.clients.header_timeout = Duration::from_secs(60);
    set_up.clients.connections_per_address_max = 200;
    let gateway = Gateway::start(&results.log, set_up).await;
    let mut before = Client::subscribed(&gateway, r#"{"subscribe":[{"kind":"moderation"}]}"#).await;
    before.snapshot().await;

    let mut half_open = Vec::with_capacity(count);
    for number in 0..count {
        // half of them silent, half of them in the middle of a request
        let mut socket = socket_from("127.0.0.2", &gateway).await.expect("the backlog has room");
        if number % 2 == 1 {
            socket.write_all(b"GET /api/he").await.ok(); // refused by a closed socket
        }
        half_open.push(socket);
    }
    results.put("a", &flag("twitch:1", "news", 1, "x"));
    assert_eq!(before.next().await["value"]["message_id"], "news", "who was there goes on");
    let mut after = Client::subscribed(&gateway, r#"{"subscribe":[{"kind":"moderation"}]}"#).await;
    assert_eq!(after.snapshot().await.len(), 1, "others are let in");
    let mut held = 0;
    for socket in &mut half_open {
        let mut byte = [0];
        held += usize::from(timeout(Duration::from_millis(1), socket.read(&mut byte)).await.is_err());
    }
    assert_eq!(held, 250, "as many as an address may have, and no more");
    drop(half_open);
    let until = Instant::now() + DEADLINE;
    while socket_answers("127.0.0.2", &gateway).await.is_none() {
        assert!(Instant::now() < until, "the places are never given back");
        sleep(Duration::from_millis(20)).await;
    }
    gateway.stop().await;
}

/// The status line of a request from this address; none if the gateway closes the socket.
async fn socket_answers(from: &str, gateway: &Gateway) -> Option<String> {
    let mut socket = socket_from(from, gateway).await.ok()?;
    socket.write_all(b"GET /api/ready HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.ok()?;
    let mut text = String::new();
    timeout(DEADLINE, socket.read_to_string(&mut text)).await.expect("an end in time").ok()?;
    text.lines().next().map(str::to_owned)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_never_ends_is_not_waited_for() {
    let results = Results::new("");
    let mut set_up = options();
    set_up.clients.header_timeout = Duration::from_millis(300);
    let gateway = Gateway::start(&results.log, set_up).await;
    let mut silent = TcpStream::connect(gateway.address).await.expect("a connection");
    let mut slow = TcpStream::connect(gateway.address).await.expect("a connection");
    let began = Instant::now();
    // a header's byte now and then, for as long as it is let
    let drip = async {
        let head = b"GET /api/health HTTP/1.1\r\nx-padding: ".iter().chain(std::iter::repeat(&b'x'));
        for byte in head {
            if slow.write_all(&[*byte]).await.is_err() || began.elapsed() > DEADLINE {
                break;
            }
            sleep(Duration::from_millis(20)).await;
        }
        began.elapsed()
    };
    let (took, closed) = tokio::join!(drip, is_closed(&mut silent));
    assert!(closed, "nothing was asked, nothing is answered");
    assert!(took < Duration::from_secs(5), "closed after {took:?}");
    let mut again = TcpStream::connect(gateway.address).await.expect("a connection");
    again.write_all(b"GET /api/ready HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("sent");
    let mut answer = Vec::new();
    let ended = timeout(DEADLINE, again.read_to_end(&mut answer)).await.expect("not kept for ever");
    assert!(ended.is_ok() && answer.starts_with(b"HTTP/1.1 200"), "answered, and then nothing came");
    let mut large = TcpStream::connect(gateway.address).await.expect("a connection");
    let head = format!("GET / HTTP/1.1\r\nx-padding: {}\r\n\r\n", "x".repeat(200_000));
    large.write_all(head.as_bytes()).await.ok(); // may be refused before it is all sent
    let mut answer = [0; 12];
    timeout(DEADLINE, large.read_exact(&mut answer)).await.expect("in time").expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 431");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_megabyte_is_refused_and_others_go_on() {
    let mut results = Results::new("");
    let gateway = Gateway::start(&results.log, options()).await;
    let mut other = Client::subscribed(&gateway, r#"{"subscribe":[{"kind":"moderation"}]}"#).await;
    other.snapshot().await;
    for size in [20_000, 1_000_000, 5_000_000] {
        let mut client = Client::connect(&gateway).await;
        // the gateway may be gone before all is sent
        let sent = client.0.send(WsMessage::text("x".repeat(size))).await.is_ok();
        let end = loop {
            match timeout(DEADLINE, futures_util::StreamExt::next(&mut client.0))
                .await
                .expect("an end in time")
            {
                Some(Ok(WsMessage::Text(text))) if text.contains("heartbeat") => {}
                Some(Ok(WsMessage::Text(text))) => assert!(text.contains("message_too_large"), "{text}"),
                Some(Ok(WsMessage::Close(reason))) => break reason.map(|reason| u16::from(reason.code)),
                Some(Ok(other)) => panic!("unexpected: {other:?}"),
                Some(Err(_)) | None => break None,
            }
        };
        assert!(end == Some(1009) || (size > 128 << 10 && end.is_none()), "{size}, sent: {sent}: {end:?}");
    }
    results.put("a", &flag("twitch:1", "news", 1, "x"));
    assert_eq!(other.next().await["value"]["message_id"], "news");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_says_nothing_or_too_much_is_told_and_closed() {
    let results = Results::new("");
    let mut set_up = options();
    set_up.clients.subscribe_timeout = Duration::from_millis(300);
    set_up.clients.messages_per_second_max = 2;
    let gateway = Gateway::start(&results.log, set_up).await;
    let mut silent = Client::connect(&gateway).await;
    assert_eq!(close_code(&mut silent).await, ("subscribe_timeout".to_owned(), 1008));
    let mut busy = Client::connect(&gateway).await;
    for _ in 0..10 {
        busy.send(HEALTH).await;
    }
    loop {
        let frame = busy.next().await;
        if frame["type"] == "error" {
            assert_eq!(frame["code"], "too_many_messages");
            break;
        }
    }
    let mut pinging = Client::subscribed(&gateway, HEALTH).await;
    for _ in 0..10 {
        pinging.0.send(WsMessage::Ping(Vec::new().into())).await.ok(); // may be closed already
    }
    loop {
        match pinging.next_message().await {
            WsMessage::Text(text) if text.contains("too_many_messages") => break,
            WsMessage::Close(_) => panic!("closed without a word"),
            _ => {}
        }
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_may_have_some_connections_and_a_proxy_speaks_for_others() {
    let results = Results::new("");
    let mut set_up = options();
    set_up.clients.connections_per_address_max = 2;
    set_up.clients.trusted_proxies = vec!["127.0.0.8/29".parse().expect("a network")];
    let gateway = Gateway::start(&results.log, set_up).await;
    let connect = async |from: &str, forwarded: Option<&str>| {
        let mut request = format!("ws://{}/ws", gateway.address).into_client_request().unwrap();
        if let Some(forwarded) = forwarded {
            request.headers_mut().insert("x-forwarded-for", forwarded.parse().unwrap());
        }
        let socket = socket_from(from, &gateway).await.expect("a socket");
        tokio_tungstenite::client_async(request, socket)
            .await
            .map(|(socket, _)| socket)
            .map_err(|error| error.to_string())
    };
    let mut kept = Vec::new();
    for (from, forwarded, is_allowed) in [
        ("127.0.0.2", None, true),
        ("127.0.0.2", Some("1.1.1.1"), true),
        ("127.0.0.2", Some("2.2.2.2"), false),
        ("127.0.0.3", None, true),
        ("127.0.0.9", Some("1.1.1.1, 127.0.0.4"), true),
        ("127.0.0.9", Some("2.2.2.2, 127.0.0.4, 127.0.0.10"), true),
        ("127.0.0.10", Some("127.0.0.4"), false),
        ("127.0.0.10", Some("127.0.0.5"), true),
    ] {
        match connect(from, forwarded).await {
            Ok(socket) => {
                assert!(is_allowed, "{from} for {forwarded:?}");
                kept.push(socket);
            }
            Err(error) => assert!(!is_allowed && error.contains("429"), "{from} for {forwarded:?}: {error}"),
        }
    }
    drop(kept);
    let until = Instant::now() + DEADLINE;
    while connect("127.0.0.2", None).await.is_err() {
        assert!(Instant::now() < until, "a place is never given back");
        sleep(Duration::from_millis(20)).await;
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_nobody_reads_is_cut_off() {
    let mut results = Results::new("");
    let mut set_up = options();
    set_up.clients.send_timeout = Duration::from_millis(500);
    let gateway = Gateway::start(&results.log, set_up).await;
    let mut socket = TcpStream::connect(gateway.address).await.expect("a connection");
    socket.write_all(b"GET /sse?kind=leaderboards HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("sent");
    let mut reading = Client::subscribed(&gateway, r#"{"subscribe":[{"kind":"health"}]}"#).await;
    let _not_reading = Client::subscribed(&gateway, r#"{"subscribe":[{"kind":"leaderboards"}]}"#).await;
    let are_all = |health: &serde_json::Value| health["connections"] == 3;
    gateway.wait_for_health(are_all).await;
    let long = "x".repeat(100_000);
    let until = Instant::now() + DEADLINE;
    for score in 0.. {
        results.put("a", &board("b", "g", None, &[(&long, score)]));
        reading.next_any().await;
        if gateway.get_json("/api/health").await["connections"] == 1 {
            break;
        }
        assert!(Instant::now() < until, "never cut off");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signs_of_life_and_farewells_are_answered() {
    let results = Results::new("");
    let gateway = Gateway::start(&results.log, options()).await;
    let mut client = Client::subscribed(&gateway, HEALTH).await;
    client.0.send(WsMessage::Ping("are you there".into())).await.expect("sent");
    let answer = loop {
        match client.next_message().await {
            WsMessage::Text(_) => {}
            other => break other,
        }
    };
    assert_eq!(answer, WsMessage::Pong("are you there".into()));
    // not masked, as a client's must be: what comes after the error is not listened to
    let mut wrong = TcpStream::connect(gateway.address).await.expect("a connection");
    let key = "sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==";
    let upgrade =
        format!("GET /ws HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n{key}\r\n\r\n");
    wrong.write_all(upgrade.as_bytes()).await.expect("sent");
    wrong.write_all(&[0x81, 1, b'x']).await.expect("sent");
    let mut answer = Vec::new();
    let ended = timeout(DEADLINE, wrong.read_to_end(&mut answer)).await.expect("an end in time");
    let close = answer.windows(4).any(|bytes| bytes[0] == 0x88 && bytes[2..] == 1002_u16.to_be_bytes());
    assert!(ended.is_ok() && close, "{answer:?}");

    let farewell = tokio_tungstenite::tungstenite::protocol::CloseFrame {
        code: tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode::Normal,
        reason: "bye".into(),
    };
    client.0.send(WsMessage::Close(Some(farewell))).await.expect("sent");
    let code = loop {
        match client.next_message().await {
            WsMessage::Close(reason) => break reason.map(|reason| u16::from(reason.code)),
            WsMessage::Text(_) => {}
            other => panic!("not a close frame: {other:?}"),
        }
    };
    assert_eq!(code, Some(1000));
    for path in ["/ws", "/ws?x=1"] {
        assert_eq!(gateway.get(path, &[]).await.0, 400, "{path} without a handshake");
    }
    gateway.stop().await;
}

/// A certificate for `localhost` in these files.
fn certify(folder: &Path) -> (TlsFiles, CertificateDer<'static>) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let mut files = TlsFiles::new(folder.join("certificate.pem"), folder.join("key.pem"));
    files.look_every = Duration::from_millis(50);
    std::fs::write(&files.certificate, cert.pem()).expect("written");
    std::fs::write(&files.key, KeyPair::serialize_pem(&signing_key)).expect("written");
    (files, cert.der().clone())
}

/// A client that trusts this certificate only.
async fn secure(
    gateway: &Gateway,
    trusted: &CertificateDer<'static>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).expect("a root");
    let config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let socket = TcpStream::connect(gateway.address).await?;
    let name = ServerName::try_from("localhost").expect("a name");
    timeout(DEADLINE, TlsConnector::from(Arc::new(config)).connect(name, socket)).await.expect("in time")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_is_served_over_tls_and_a_new_certificate_is_taken_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let (files, first) = certify(folder.path());
    let mut results = Results::new("");
    let mut set_up = options();
    set_up.clients.header_timeout = Duration::from_millis(500);
    set_up.tls = Some(files);
    let gateway = Gateway::start(&results.log, set_up).await;
    let mut half_open = TcpStream::connect(gateway.address).await.expect("a connection");

    let url = format!("wss://localhost:{}/ws", gateway.address.port());
    let stream = secure(&gateway, &first).await.expect("a handshake");
    let (mut socket, _) = tokio_tungstenite::client_async(&url, stream).await.expect("a connection");
    socket.send(WsMessage::text(r#"{"subscribe":[{"kind":"moderation"}]}"#)).await.expect("sent");
    let mut news = async |id: &str| {
        results.put("a", &flag("twitch:1", id, 1, "x"));
        loop {
            let next = timeout(DEADLINE, futures_util::StreamExt::next(&mut socket)).await.expect("in time");
            if next.expect("open").expect("a message").to_text().is_ok_and(|text| text.contains(id)) {
                break;
            }
        }
    };
    news("over-tls").await;
    let mut stream = secure(&gateway, &first).await.expect("a handshake");
    stream.write_all(b"GET /sse?kind=moderation HTTP/1.1\r\nhost: localhost\r\n\r\n").await.expect("sent");
    let mut found = String::new();
    while !found.contains("over-tls") {
        let mut part = [0; 4_096];
        let read = timeout(DEADLINE, stream.read(&mut part)).await.expect("in time").expect("readable");
        assert!(read > 0, "the stream ended: {found}");
        found.push_str(&String::from_utf8_lossy(&part[..read]));
    }
    assert!(found.contains("text/event-stream"));
    assert!(is_closed(&mut half_open).await, "a handshake is not waited for for ever");

    // a certificate that cannot be used replaces nothing
    std::fs::write(folder.path().join("certificate.pem"), "nonsense").expect("written");
    assert!(secure(&gateway, &first).await.is_ok());
    let (_, second) = certify(folder.path());
    let until = Instant::now() + DEADLINE;
    while secure(&gateway, &second).await.is_err() {
        assert!(Instant::now() < until, "the new certificate is never taken up");
        sleep(Duration::from_millis(20)).await;
    }
    assert!(secure(&gateway, &first).await.is_err(), "the old one is gone");
    news("still-there").await;
    let plain = TcpStream::connect(gateway.address).await;
    let mut plain = plain.expect("a connection");
    plain.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("sent");
    let mut answer = Vec::new();
    timeout(DEADLINE, plain.read_to_end(&mut answer)).await.expect("in time").ok(); // reset or closed
    assert!(!answer.starts_with(b"HTTP/"), "nothing in the clear");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_not_there_is_told_at_the_start() {
    let mut set_up = options();
    set_up.tls = Some(TlsFiles::new("nowhere/certificate.pem".into(), "nowhere/key.pem".into()));
    let error = format!("{:#}", Dashboard::bind(set_up).await.err().expect("refused"));
    assert!(error.contains("nowhere/certificate.pem"), "{error}");
}
