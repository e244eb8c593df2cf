//! Ports of the loopback address: listening on them, and finding one that is free.
//!
//! A free port is lent: while the lease lives, no other process that asks this module is lent the same one. Ports are
//! lent below the range from which the system takes ports for outgoing connections, so those do not get in the way.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr, TcpListener},
};

use anyhow::{Context as _, Result, bail};

use crate::cache;

/// From here on, `PORT_COUNT` ports are lent; the system's own range begins at 32768.
const FIRST_PORT: u16 = 20000;
const PORT_COUNT: u16 = 12000;

/// A port that another program listens on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("port {port} is taken by another program: stop it, or set another {setting}")]
pub struct PortTaken {
    /// the port
    pub port: u16,
    /// what chooses it
    pub setting: String,
}

/// A port that is ours to listen on.
#[derive(Debug)]
pub(crate) struct PortLease {
    port: u16,
    _lock: Option<File>,
}

impl PortLease {
    /// A certain port; `setting` is what chooses it.
    ///
    /// # Errors
    /// [`PortTaken`] if another program listens on it.
    pub(crate) fn fixed(port: u16, setting: &str) -> Result<PortLease> {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(_) => Ok(PortLease { port, _lock: None }),
            Err(error) => Err(bind_error(error, port, setting)),
        }
    }

    /// Any free port.
    ///
    /// # Errors
    /// If there is none, or the cache folder, which keeps the leases, cannot be written.
    pub(crate) fn free() -> Result<PortLease> {
        let folder = cache::root()?.join("ports");
        fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let start = uuid::Uuid::new_v4().as_u128();
        for step in 0..u128::from(PORT_COUNT) {
            let offset = u16::try_from((start.wrapping_add(step)) % u128::from(PORT_COUNT)).unwrap_or(0);
            let port = FIRST_PORT + offset;
            let path = folder.join(port.to_string());
            let lock = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
            if lock.try_lock().is_ok() && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return Ok(PortLease { port, _lock: Some(lock) });
            }
        }
        bail!("no port is free between {FIRST_PORT} and {}", FIRST_PORT + PORT_COUNT)
    }

    /// The port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

/// Listens on a port of the loopback address.
///
/// # Errors
/// [`PortTaken`] if another program does, or another error of the system's.
pub(crate) fn listen(port: u16, setting: &str) -> Result<tokio::net::TcpListener> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listener = TcpListener::bind(address).map_err(|error| bind_error(error, port, setting))?;
    listener.set_nonblocking(true).context("cannot listen")?;
    tokio::net::TcpListener::from_std(listener).context("cannot listen")
}

fn bind_error(error: std::io::Error, port: u16, setting: &str) -> anyhow::Error {
    if error.kind() == std::io::ErrorKind::AddrInUse {
        PortTaken { port, setting: setting.to_owned() }.into()
    } else {
        anyhow::Error::new(error).context(format!("cannot listen on port {port}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lent_port_is_lent_once() {
        let leases: Vec<PortLease> = (0..200).map(|_| PortLease::free().unwrap()).collect();
        let mut ports: Vec<u16> = leases.iter().map(PortLease::port).collect();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), leases.len());
        for port in ports {
            TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        }
    }

    #[test]
    fn a_taken_port_is_named_with_its_setting() {
        let lease = PortLease::free().unwrap();
        let _other = TcpListener::bind((Ipv4Addr::LOCALHOST, lease.port())).unwrap();
        let error = PortLease::fixed(lease.port(), "--kafka-port").unwrap_err();
        let expected = PortTaken { port: lease.port(), setting: "--kafka-port".into() };
        assert_eq!(error.downcast_ref::<PortTaken>(), Some(&expected));
        assert!(error.to_string().contains(&format!("port {} is taken", lease.port())), "{error}");
    }
}
