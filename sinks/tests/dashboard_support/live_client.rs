//! The example in Rust of `docs/live-api.md`, as it stands there.

use std::io::{BufRead, BufReader};

use serde_json::Value;

/// As in `follow("https://live.example.org", &token, |change| println!("{}", change["value"]["entries"][0]["label"]))`.
pub fn follow(gateway: &str, token: &str, show: impl Fn(&Value)) -> Result<(), Box<dyn std::error::Error>> {
    let address = format!("{gateway}/sse?kind=leaderboards&group=twitch:1");
    let answer = ureq::get(address).header("authorization", format!("Bearer {token}")).call()?;
    for line in BufReader::new(answer.into_body().into_reader()).lines() {
        let line = line?;
        let Some(data) = line.strip_prefix("data: ") else { continue };
        let frame: Value = serde_json::from_str(data)?;
        let changes = frame["items"].as_array().cloned().unwrap_or_else(|| vec![frame]);
        changes.iter().filter(|change| change["value"].is_object()).for_each(&show);
    }
    Ok(())
}
