//! A reconnect storm: a great many clients come back at once, each with the id that it had last.
//!
//! Always holds: a client is back when it is told that it has resumed, or begins anew. Does not know: what they missed.

use std::io::Write;
use std::net::SocketAddr;
use std::time::Instant;

use anyhow::Result;
use tokio::task::JoinSet;

use crate::crowd::{Client, Door};
use crate::fanout::subscribe;
use crate::ovation::Process;

/// Prints how soon they are back, and what that takes.
///
/// # Errors
/// If one does not come back.
pub async fn storm(count: usize, address: SocketAddr, gateway: &Process) -> Result<()> {
    let mut one = Client::connect(&Door::of_gateway(address, &subscribe(None)), None).await?;
    let mut id = None;
    while id.is_none() {
        one.receive(64 << 10, &mut |text| id = id.take().or_else(|| text_after(text, "\"id\":\""))).await?;
    }
    let (before, started) = (gateway.usage()?, Instant::now());
    let door = Door::of_gateway(address, &subscribe(id.as_deref()));
    let mut returning = JoinSet::new();
    for _ in 0..count {
        let door = door.clone();
        returning.spawn(async move {
            let mut client = Client::connect(&door, None).await?;
            let mut is_back = false;
            while !is_back {
                let back = |text: &[u8]| {
                    [b"{\"type\":\"resumed\"".as_slice(), b"{\"type\":\"snapshot\""]
                        .iter()
                        .any(|start| text.starts_with(start))
                };
                client.receive(64 << 10, &mut |text| is_back |= back(text)).await?;
            }
            Ok::<_, anyhow::Error>((started.elapsed(), client))
        });
    }
    let mut times = Vec::new();
    let mut back = Vec::new();
    while let Some(done) = returning.join_next().await {
        let (time, client) = done??;
        times.push(time.as_secs_f64());
        back.push(client);
    }
    times.sort_by(f64::total_cmp);
    let cpu_s = gateway.usage()?.cpu_s - before.cpu_s;
    writeln!(
        std::io::stdout(),
        "{count} clients came back at once: half of them had resumed after {:.2} s, all after {:.2} s; {:.0} us of the gateway's CPU each",
        times[times.len() / 2],
        times[times.len() - 1],
        cpu_s * 1e6 / count as f64
    )?;
    Ok(())
}

fn text_after(text: &[u8], name: &str) -> Option<String> {
    let text = std::str::from_utf8(text).ok()?;
    Some(text.split_once(name)?.1.split('"').next()?.to_owned())
}
