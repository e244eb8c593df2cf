//! A ClickHouse server of its own, as a process whose time can be measured, and questions to it.
//!
//! Always holds: figures of the server are of its process alone. Does not know: what is written into it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::meter::{Usage, usage};

const START_TIMEOUT: Duration = Duration::from_secs(60);
/// Background merges are part of the work: they are over when nothing was merged for so long.
const QUIET: Duration = Duration::from_secs(2);

/// A running server.
pub struct Warehouse {
    child: Child,
    binary: PathBuf,
    folder: PathBuf,
    port: u16,
}

impl Warehouse {
    /// Starts it in a folder.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start(binary: &Path, folder: &Path) -> Result<Self> {
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let folder = folder.join("clickhouse");
        let child = spawn(binary, &folder, port)?;
        let server = Warehouse { child, binary: binary.to_owned(), folder, port };
        server.wait()?;
        Ok(server)
    }

    fn wait(&self) -> Result<()> {
        let started = Instant::now();
        while ureq::get(format!("{}/ping", self.url())).call().is_err() {
            ensure!(started.elapsed() < START_TIMEOUT, "clickhouse does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Asks; the answer as tab-separated text.
    ///
    /// # Errors
    /// If it cannot be asked, or refuses.
    pub fn ask(&self, sql: &str) -> Result<String> {
        let bytes = self.post(&format!("{}/", self.url()), sql.as_bytes(), sql)?;
        Ok(String::from_utf8(bytes)?.trim_end().to_owned())
    }

    /// Sends a body to an address of the server; the answer's bytes.
    ///
    /// # Errors
    /// If it cannot be asked, or refuses.
    pub fn post(&self, url: &str, body: &[u8], what: &str) -> Result<Vec<u8>> {
        let mut answer = ureq::post(url).config().http_status_as_error(false).build().send(body)?;
        let status = answer.status();
        let bytes = answer.body_mut().with_config().limit(1 << 30).read_to_vec()?;
        ensure!(status == 200, "{what}: {}", String::from_utf8_lossy(&bytes));
        Ok(bytes)
    }

    /// A number that it answers.
    ///
    /// # Errors
    /// If it answers no number.
    pub fn number(&self, sql: &str) -> Result<u64> {
        let answer = self.ask(sql)?;
        answer.parse().with_context(|| format!("{sql}: {answer}"))
    }

    /// Waits until background merges are over.
    ///
    /// # Errors
    /// If it cannot be asked.
    pub fn settle(&self) -> Result<()> {
        let mut quiet_since = Instant::now();
        while quiet_since.elapsed() < QUIET {
            if self.number("SELECT count() FROM system.merges")? > 0 {
                quiet_since = Instant::now();
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// What its process has used.
    ///
    /// # Errors
    /// If it has ended.
    pub fn usage(&self) -> Result<Usage> {
        usage(self.child.id())
    }

    /// Kills it; [`Warehouse::restart`] brings it back.
    ///
    /// # Errors
    /// If it had ended.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Starts it again on its data.
    ///
    /// # Errors
    /// If it does not start.
    pub fn restart(&mut self) -> Result<()> {
        self.child = spawn(&self.binary, &self.folder, self.port)?;
        self.wait()
    }
}

impl Drop for Warehouse {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn spawn(binary: &Path, folder: &Path, port: u16) -> Result<Child> {
    let mut command = Command::new(binary);
    command
        .args(["devstack", "clickhouse", "--with-parent", "--port", &port.to_string(), "--data"])
        .arg(folder);
    Ok(command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?)
}
