//! The ClickHouse server as clients see it: the official Rust client, and requests as they are on the wire.
//!
//! Every test has a server of its own on a free port with a data folder of its own.

#![allow(clippy::unwrap_used, reason = "a test that unwraps wrongly is a failed test")]

use std::io::{Read as _, Write as _};

use bytes::Bytes;
use clickhouse::{Client, Compression, Row, error::Error};
use devstack::{Part, Stack, StackOptions};
use serde::{Deserialize, Serialize};

struct ClickHouse {
    stack: Option<Stack>,
    folder: tempfile::TempDir,
}

impl ClickHouse {
    fn start() -> ClickHouse {
        let folder = tempfile::tempdir().unwrap();
        let mut server = ClickHouse { stack: None, folder };
        server.restart();
        server
    }

    fn restart(&mut self) {
        if let Some(stack) = self.stack.take() {
            stack.stop().unwrap();
        }
        let options = StackOptions::new(self.folder.path())
            .with_clickhouse(Part::Free)
            .with_server_command(vec![env!("CARGO_BIN_EXE_ovation-devstack").into()]);
        self.stack = Some(Stack::start(options).unwrap());
    }

    fn url(&self) -> &str {
        self.stack.as_ref().unwrap().clickhouse_url()
    }

    fn client(&self) -> Client {
        Client::default().with_url(self.url())
    }

    /// One request as it is on the wire; gives the status, the headers in lower case and the body.
    fn request(&self, head: &str, body: &[u8]) -> (u16, String, Vec<u8>) {
        let mut stream = std::net::TcpStream::connect(self.url().strip_prefix("http://").unwrap()).unwrap();
        let length = body.len();
        write!(stream, "{head}\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n").unwrap();
        stream.write_all(body).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        let headers = String::from_utf8(answer[..end].to_vec()).unwrap().to_lowercase();
        (headers[9..12].parse().unwrap(), headers, answer[end + 4..].to_vec())
    }
}

#[derive(Debug, Clone, PartialEq, Row, Serialize, Deserialize)]
struct Trade {
    id: u64,
    venue: String,
    price: i64,
    note: Option<String>,
}

fn trade(id: u64) -> Trade {
    let note = id.is_multiple_of(3).then(|| format!("note {id}"));
    Trade { id, venue: ["binance", "coinbase"][(id % 2) as usize].into(), price: -(id as i64) * 7, note }
}

async fn create_trades(client: &Client) {
    let sql = "CREATE TABLE trades (id UInt64, venue LowCardinality(String), price Int64, note Nullable(String)) \
               ENGINE = MergeTree ORDER BY id SETTINGS non_replicated_deduplication_window = 100";
    client.query(sql).execute().await.unwrap();
}

async fn count(client: &Client, table: &str) -> u64 {
    client.query(&format!("SELECT count() FROM {table}")).fetch_one().await.unwrap()
}

#[tokio::test]
async fn typed_rows_come_back_with_and_without_compression() {
    let server = ClickHouse::start();
    create_trades(&server.client()).await;
    for (round, compression) in [Compression::None, Compression::Lz4].into_iter().enumerate() {
        let client = server.client().with_compression(compression);
        let first = round as u64 * 1000;
        let mut insert = client.insert::<Trade>("trades").await.unwrap();
        for id in first..first + 1000 {
            insert.write(&trade(id)).await.unwrap();
        }
        insert.end().await.unwrap();
        let query = "SELECT ?fields FROM trades WHERE id >= ? AND venue != ? ORDER BY id";
        let rows: Vec<Trade> = client.query(query).bind(first).bind("it's none").fetch_all().await.unwrap();
        assert_eq!(rows, (first..first + 1000).map(trade).collect::<Vec<_>>(), "{compression:?}");
    }
}

#[tokio::test]
async fn parameters_are_bound_by_the_server() {
    let server = ClickHouse::start();
    let query = server.client().query("SELECT {name:String}, {number:Int64} + 1");
    let query = query.param("name", "a'b\\c\n\t\"").param("number", -5);
    let row: (String, i64) = query.fetch_one().await.unwrap();
    assert_eq!(row, ("a'b\\c\n\t\"".to_owned(), -4));
}

#[tokio::test]
async fn a_million_rows_stream_in_and_out() {
    let server = ClickHouse::start();
    let client = server.client();
    client.query("CREATE TABLE numbers (n UInt64) ENGINE = MergeTree ORDER BY n").execute().await.unwrap();
    let mut insert = client.insert_formatted_with("INSERT INTO numbers(n) FORMAT RowBinary").buffered();
    for number in 0..1_000_000_u64 {
        insert.write_buffered(&number.to_le_bytes());
        if number % 8192 == 0 {
            insert.flush().await.unwrap();
        }
    }
    insert.end().await.unwrap();
    let (rows, sum): (u64, u64) =
        client.query("SELECT count(), sum(n) FROM numbers").fetch_one().await.unwrap();
    assert_eq!((rows, sum), (1_000_000, 499_999_500_000));
    // one block, so that the insert is atomic
    let parts: u64 = count(&client, "system.parts WHERE table = 'numbers' AND active").await;
    assert_eq!(parts, 1);

    let mut cursor = client.query("SELECT n FROM numbers ORDER BY n").fetch::<u64>().unwrap();
    let mut expected = 0;
    while let Some(number) = cursor.next().await.unwrap() {
        assert_eq!(number, expected);
        expected += 1;
    }
    assert_eq!(expected, 1_000_000);
}

#[tokio::test]
async fn a_chunk_compressed_by_the_sender_is_taken_once_for_each_token() {
    let server = ClickHouse::start();
    let client = server.client();
    create_trades(&client).await;
    let row = |id: u64| {
        let mut row = id.to_le_bytes().to_vec();
        row.extend(b"\x07binance");
        row.extend((id as i64 * 100).to_le_bytes());
        row.push(1);
        row
    };
    let chunk: Vec<u8> = (0..5000).flat_map(row).collect();
    for (token, rows) in
        [("trades/0/0-4999/1", 5000), ("trades/0/0-4999/1", 5000), ("trades/0/5000-9999/1", 10000)]
    {
        let sql = "INSERT INTO trades(id, venue, price, note) FORMAT RowBinary";
        let mut insert = client.insert_formatted_with(sql).with_setting("insert_deduplication_token", token);
        let compressed = clickhouse::insert_formatted::CompressedData::new(&chunk, Compression::Lz4).unwrap();
        insert.send_compressed(compressed).await.unwrap();
        insert.end().await.unwrap();
        assert_eq!(count(&client, "trades").await, rows, "after {token}");
    }
}

#[tokio::test]
async fn a_token_reaches_through_a_materialized_view() {
    let server = ClickHouse::start();
    let client = server.client().with_setting("deduplicate_blocks_in_dependent_materialized_views", "1");
    create_trades(&client).await;
    for sql in [
        "CREATE TABLE volumes (venue String, volume Int64) ENGINE = SummingMergeTree ORDER BY venue \
         SETTINGS non_replicated_deduplication_window = 100",
        "CREATE MATERIALIZED VIEW volumes_view TO volumes AS SELECT venue, price AS volume FROM trades",
    ] {
        client.query(sql).execute().await.unwrap();
    }
    for _ in 0..2 {
        let mut insert =
            client.insert::<Trade>("trades").await.unwrap().with_setting("insert_deduplication_token", "a");
        for id in 0..10 {
            insert.write(&trade(id)).await.unwrap();
        }
        insert.end().await.unwrap();
    }
    let volume: i64 = client.query("SELECT sum(volume) FROM volumes").fetch_one().await.unwrap();
    assert_eq!(volume, -(0..10).sum::<i64>() * 7);
}

#[tokio::test]
async fn eight_queries_run_at_once() {
    let server = ClickHouse::start();
    let client = server.client();
    // each waits for all the others: a query that ran alone would never see eight
    client.query("CREATE TABLE started (n UInt8) ENGINE = Memory").execute().await.unwrap();
    let queries = (0..8_u8).map(|number| {
        let client = client.clone();
        tokio::spawn(async move {
            client
                .query("INSERT INTO started SELECT ? WHERE sleep(1.5) = 0")
                .bind(number)
                .execute()
                .await
                .unwrap();
        })
    });
    let began = std::time::Instant::now();
    for query in queries.collect::<Vec<_>>() {
        query.await.unwrap();
    }
    assert_eq!(count(&client, "started").await, 8);
    assert!(
        began.elapsed().as_secs() < 8,
        "eight queries of 1.5 s each took {:?}, as if one after another",
        began.elapsed()
    );
}

#[tokio::test]
async fn errors_carry_the_code_and_the_status() {
    let server = ClickHouse::start();
    let error = server.client().query("SELECT * FROM nowhere").fetch_all::<u8>().await.unwrap_err();
    let Error::BadResponse(text) = error else { panic!("{error}") };
    assert!(text.starts_with("Code: 60. DB::Exception: ") && text.contains("(UNKNOWN_TABLE)"), "{text}");

    for (head, body, status, code) in [
        ("POST / HTTP/1.1", "SELECT * FROM nowhere", 404, 60),
        ("POST / HTTP/1.1", "SELEKT 1", 400, 62),
        ("POST / HTTP/1.1", "SELECT 1; SELECT 2", 400, 62),
        ("POST /?max_thread=1 HTTP/1.1", "SELECT 1", 404, 115),
        ("POST /?database=nowhere HTTP/1.1", "SELECT 1", 404, 81),
        ("POST /?decompress=1 HTTP/1.1", "SELECT 1, 'this is no compressed block'", 500, 271),
        ("POST /?query=INSERT%20INTO%20nowhere%20FORMAT%20CSV HTTP/1.1", "1\n", 404, 60),
        ("GET /?query=CREATE%20TABLE%20t%20(a%20Int8)%20ENGINE=Memory HTTP/1.1", "", 500, 164),
        ("POST / HTTP/1.1\r\nX-ClickHouse-User: somebody", "SELECT 1", 403, 516),
        ("POST /?user=default&password=wrong HTTP/1.1", "SELECT 1", 403, 516),
    ] {
        let (actual, headers, answer) = server.request(head, body.as_bytes());
        let answer = String::from_utf8(answer).unwrap();
        assert_eq!(actual, status, "{head} {body}: {answer}");
        assert!(
            headers.contains(&format!("x-clickhouse-exception-code: {code}\r\n")),
            "{head} {body}: {headers}"
        );
        assert!(answer.starts_with(&format!("Code: {code}. DB::Exception: ")), "{head} {body}: {answer}");
        assert!(answer.ends_with(")\n"), "{answer}");
    }
}

#[tokio::test]
async fn an_error_in_the_middle_of_a_result_is_no_end() {
    let server = ClickHouse::start();
    let query = "SELECT throwIf(number = 3000000)::UInt64 + number AS n FROM numbers(4000000)";
    for compression in [Compression::None, Compression::Lz4] {
        let client = server.client().with_compression(compression);
        let mut cursor = client.query(query).fetch::<u64>().unwrap();
        let mut rows = 0;
        let error = loop {
            match cursor.next().await {
                Ok(Some(_)) => rows += 1,
                Ok(None) => panic!("{compression:?}: {rows} rows pass for all of them"),
                Err(error) => break error,
            }
        };
        assert!(error.to_string().contains("Code: 395."), "{compression:?}: after {rows} rows: {error}");
        assert!(rows > 0);
    }
    // who waits for the end gets a clean error
    let (status, _, _) = server.request("POST /?wait_end_of_query=1 HTTP/1.1", query.as_bytes());
    assert_eq!(status, 500);
}

#[tokio::test]
async fn a_body_that_is_cut_off_inserts_nothing() {
    let server = ClickHouse::start();
    let client = server.client();
    client.query("CREATE TABLE lines (n UInt64) ENGINE = MergeTree ORDER BY n").execute().await.unwrap();
    let address = server.url().strip_prefix("http://").unwrap();
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let head = "POST /?query=INSERT%20INTO%20lines%20FORMAT%20CSV HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(b"1\n2\n3\n").unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(!answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(count(&client, "lines").await, 0);
}

#[tokio::test]
async fn bodies_and_results_are_encoded_as_asked() {
    let server = ClickHouse::start();
    let client = server.client();
    client.query("CREATE TABLE lines (n UInt64) ENGINE = MergeTree ORDER BY n").execute().await.unwrap();
    let lines: String = (0..1000).map(|number| format!("{number}\n")).collect();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(lines.as_bytes()).unwrap();
    let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
    lz4.write_all(lines.as_bytes()).unwrap();
    for (encoding, body) in [("gzip", gzip.finish().unwrap()), ("lz4", lz4.finish().unwrap())] {
        let head = format!(
            "POST /?query=INSERT%20INTO%20lines%20FORMAT%20TSV HTTP/1.1\r\nContent-Encoding: {encoding}"
        );
        let (status, headers, answer) = server.request(&head, &body);
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
        assert!(headers.contains("\"written_rows\":\"1000\""), "{headers}");
    }
    assert_eq!(count(&client, "lines").await, 2000);

    let query = b"SELECT DISTINCT n FROM lines ORDER BY n";
    let (_, headers, plain) = server.request("POST / HTTP/1.1", query);
    assert!(plain == lines.as_bytes() && !headers.contains("content-encoding"), "{headers}");
    let (_, headers, encoded) = server.request("POST / HTTP/1.1\r\nAccept-Encoding: gzip", query);
    assert!(headers.contains("content-encoding: gzip"), "{headers}");
    let mut decoded = Vec::new();
    flate2::read::GzDecoder::new(&encoded[..]).read_to_end(&mut decoded).unwrap();
    assert!(decoded == lines.as_bytes());
    // ClickHouse's own blocks: 16 bytes of checksum, the method, 4 bytes of length, 4 of the content's length
    let (_, headers, block) = server.request("POST /?compress=1 HTTP/1.1", query);
    assert!(block[16] == 0x82 && !headers.contains("content-encoding"), "{headers}");
    assert!(lz4_flex::block::decompress(&block[25..], lines.len()).unwrap() == lines.as_bytes());
}

#[tokio::test]
async fn a_result_that_is_held_whole_is_limited() {
    let server = ClickHouse::start();
    let query = "SELECT repeat(toString(number % 10), 1000) FROM numbers(400000) FORMAT JSON";
    let (status, headers, _) = server.request("POST / HTTP/1.1", query.as_bytes());
    assert!(status == 500 && headers.contains("x-clickhouse-exception-code: 396"), "{headers}");
    let query = query.replace("JSON", "JSONEachRow");
    let (status, _, body) = server.request("POST / HTTP/1.1", query.as_bytes());
    assert!(status == 200 && body.len() > 400_000_000);
}

#[tokio::test]
async fn headers_tell_about_the_query() {
    let server = ClickHouse::start();
    let head = "GET /?query=SELECT+*+FROM+numbers(3)&default_format=TSVWithNames&query_id=mine&max_block_size=1 HTTP/1.1";
    let (status, headers, body) = server.request(head, b"");
    assert_eq!((status, body.as_slice()), (200, b"number\n0\n1\n2\n".as_slice()));
    for header in [
        "x-clickhouse-query-id: mine",
        "x-clickhouse-format: tsvwithnames",
        "content-type: text/tab-separated-values",
        "\"read_rows\":\"3\"",
        "\"result_rows\":\"3\"",
    ] {
        assert!(headers.contains(header), "{header} is not in {headers}");
    }
    for path in ["/", "/ping", "/replicas_status"] {
        let (status, _, body) = server.request(&format!("GET {path} HTTP/1.1"), b"");
        assert_eq!((status, body.as_slice()), (200, b"Ok.\n".as_slice()), "{path}");
    }
    assert_eq!(server.request("GET /nowhere HTTP/1.1", b"").0, 404);
}

#[tokio::test]
async fn native_blocks_are_read_by_the_official_client() {
    let server = ClickHouse::start();
    let client = server.client();
    create_trades(&client).await;
    let mut insert = client.insert::<Trade>("trades").await.unwrap();
    for id in 0..100 {
        insert.write(&trade(id)).await.unwrap();
    }
    insert.end().await.unwrap();
    let mut bytes = client.query("SELECT id FROM trades ORDER BY id").fetch_bytes("Native").unwrap();
    let block: Bytes = bytes.collect().await.unwrap();
    assert_eq!(&block[..12], b"\x01\x64\x02id\x06UInt64");
    assert_eq!(block.len(), 12 + 100 * 8);
}

#[tokio::test]
async fn data_survives_a_restart() {
    let mut server = ClickHouse::start();
    let client = server.client();
    create_trades(&client).await;
    client.query("CREATE DATABASE other").execute().await.unwrap();
    client.query("CREATE VIEW other.ids AS SELECT id FROM default.trades").execute().await.unwrap();
    for restarts in 1..=2 {
        let mut insert = server.client().insert::<Trade>("trades").await.unwrap();
        insert.write(&trade(restarts)).await.unwrap();
        insert.end().await.unwrap();
        server.restart();
        assert_eq!(count(&server.client(), "trades").await, restarts);
        assert_eq!(count(&server.client().with_database("other"), "ids").await, restarts);
    }
}

#[tokio::test]
async fn only_the_configured_user_is_let_in() {
    let folder = tempfile::tempdir().unwrap();
    let server = ClickHouse::start();
    let port = server.url().rsplit(':').next().unwrap().to_owned();
    // the port is lent to the stack that ends here, and a server of its own takes it over with another user
    drop(server);
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_ovation-devstack"))
        .args([
            "clickhouse",
            "--with-parent",
            "--port",
            &port,
            "--user",
            "ana",
            "--password",
            "secret",
            "--data",
        ])
        .arg(folder.path())
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let client = Client::default().with_url(format!("http://127.0.0.1:{port}"));
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while std::net::TcpStream::connect(format!("127.0.0.1:{port}")).is_err() {
        assert!(std::time::Instant::now() < deadline, "the server does not start");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let right = client.clone().with_user("ana").with_password("secret");
    assert_eq!(right.query("SELECT 1").fetch_one::<u8>().await.unwrap(), 1);
    for wrong in
        [client.clone(), client.clone().with_user("ana"), client.with_user("ana").with_password("other")]
    {
        let error = wrong.query("SELECT 1").fetch_one::<u8>().await.unwrap_err();
        assert!(error.to_string().contains("Code: 516."), "{error}");
    }
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}
