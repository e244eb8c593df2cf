//! A TCP proxy that loses what a network loses, an answer after the server has done the work or a request half-way, and lets a witness
//! look at requests before they pass.
//!
//! Always holds: bytes that pass are passed on as they are and in order. Does not know: HTTP.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;

/// What looks at the pieces of requests.
pub type Witness = Box<dyn Fn(&[u8]) + Send + Sync>;

/// What is still to be lost, and what was.
#[derive(Default)]
pub struct Losses {
    /// So many connections end when the server begins to answer.
    pub answers: AtomicU32,
    /// So many connections end when a second piece of a request comes.
    pub requests: AtomicU32,
    pub answers_lost: AtomicU32,
    pub requests_lost: AtomicU32,
    /// Sees every piece of every request before the server does.
    pub witness: OnceLock<Witness>,
}

impl Losses {
    fn take(&self, wanted: &AtomicU32, lost: &AtomicU32) -> bool {
        let taken =
            wanted.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1)).is_ok();
        lost.fetch_add(u32::from(taken), Ordering::AcqRel);
        taken
    }
}

/// Serves on a free port until the process ends; where, and what can be lost.
pub fn start(server_port: u16) -> (String, Arc<Losses>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let losses = Arc::<Losses>::default();
    let shared = losses.clone();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(server) = TcpStream::connect(("127.0.0.1", server_port)) else { continue };
            let (Ok(to_client), Ok(to_server)) = (client.try_clone(), server.try_clone()) else { continue };
            let (requests, answers) = (shared.clone(), shared.clone());
            thread::spawn(move || {
                pass(client, to_server, |number, piece| {
                    if let Some(witness) = requests.witness.get() {
                        witness(piece);
                    }
                    number > 0 && requests.take(&requests.requests, &requests.requests_lost)
                });
            });
            thread::spawn(move || {
                pass(server, to_client, |_, _| answers.take(&answers.answers, &answers.answers_lost));
            });
        }
    });
    (url, losses)
}

/// Passes bytes on until one side ends, or a piece is lost; the pieces are numbered.
fn pass(mut from: TcpStream, mut to: TcpStream, is_lost: impl Fn(u64, &[u8]) -> bool) {
    let mut buffer = vec![0; 64 << 10];
    for number in 0.. {
        match from.read(&mut buffer) {
            Ok(length) if length > 0 && !is_lost(number, &buffer[..length]) => {
                if to.write_all(&buffer[..length]).is_err() {
                    break;
                }
            }
            _ => break,
        }
    }
    from.shutdown(Shutdown::Both).ok();
    to.shutdown(Shutdown::Both).ok();
}
