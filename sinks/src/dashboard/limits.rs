//! How much one client, one address and all together may take.
//!
//! Always holds: a place is given back when it is dropped, whatever becomes of who had it; addresses that hold nothing take
//! no memory. Of IPv6 the first 64 bits count as one address: whoever has one of them has all.
//!
//! Does not know: what a place is for.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::http::HeaderMap;

/// What one client, and all together, may ask for.
#[derive(Clone, Debug)]
pub struct ClientLimits {
    /// Clients connected at a time, over both live protocols.
    pub connections_max: usize,
    /// Of these from one address.
    pub connections_per_address_max: usize,
    /// Whose word on an address (`X-Forwarded-For`) is taken.
    pub trusted_proxies: Vec<Network>,
    /// Selectors of one subscription.
    pub selectors_max: usize,
    /// Bytes of a message that a client sends.
    pub message_bytes_max: usize,
    /// Messages of a client in a second, and as many times [`BURST`] at once.
    pub messages_per_second_max: u32,
    /// The head of a request must be here within this, and a TLS handshake done; no longer is the next request waited for.
    pub header_timeout: Duration,
    /// A WebSocket's first subscription must be here within this.
    pub subscribe_timeout: Duration,
    /// Changes of a slot that follow each other faster are conflated.
    pub frame_interval: Duration,
    /// A frame without news is sent after this long.
    pub heartbeat_interval: Duration,
    /// A client that takes nothing of what is sent for this long is disconnected.
    pub send_timeout: Duration,
}

impl Default for ClientLimits {
    fn default() -> Self {
        ClientLimits {
            connections_max: 10_000,
            connections_per_address_max: 1_000,
            trusted_proxies: Vec::new(),
            selectors_max: 64,
            message_bytes_max: 16 << 10,
            messages_per_second_max: 10,
            header_timeout: Duration::from_secs(10),
            subscribe_timeout: Duration::from_secs(10),
            frame_interval: Duration::from_millis(50),
            heartbeat_interval: Duration::from_secs(5),
            send_timeout: Duration::from_secs(30),
        }
    }
}

impl ClientLimits {
    /// Sockets over the limit of connections, for requests that are answered at once.
    const SPARE_SOCKETS: usize = 1_000;
    /// The same, of one address.
    const SPARE_SOCKETS_PER_ADDRESS: usize = 50;

    /// Places for clients with a live connection.
    pub(super) fn connections(&self) -> Arc<Places> {
        Places::new(self.connections_max, self.connections_per_address_max)
    }

    /// Places for sockets, whatever comes over them.
    pub(super) fn sockets(&self) -> Arc<Places> {
        let all = self.connections_max.saturating_add(Self::SPARE_SOCKETS);
        let one = self.connections_per_address_max.saturating_add(Self::SPARE_SOCKETS_PER_ADDRESS);
        Places::new(all, one)
    }

    /// True if this address is a proxy whose word is taken.
    pub(super) fn is_trusted(&self, address: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.contains(address))
    }

    /// Whose request it is: the last address that no trusted proxy has.
    pub(super) fn client_address(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        if !self.is_trusted(peer) {
            return peer;
        }
        let lines = headers.get_all("x-forwarded-for").iter().filter_map(|line| line.to_str().ok());
        let entries: Vec<&str> = lines.flat_map(|line| line.split(',')).map(str::trim).collect();
        let addresses = entries.into_iter().rev().map_while(|entry| entry.parse().ok());
        let mut nearest = peer;
        for address in addresses {
            nearest = address;
            if !self.is_trusted(address) {
                break;
            }
        }
        nearest
    }
}

/// An address, or all with the same first bits: `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u32,
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no address and no network such as 10.0.0.0/8");
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(bits), str::parse).map_err(|_| wrong())?;
        if prefix > bits { Err(wrong()) } else { Ok(Network { address, prefix }) }
    }
}

impl Network {
    fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (own.to_bits() ^ other.to_bits()).leading_zeros() >= self.prefix
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                (own.to_bits() ^ other.to_bits()).leading_zeros() >= self.prefix
            }
            _ => false,
        }
    }
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// All are taken.
    Everywhere,
    /// This address has as many as it may.
    Address,
}

#[derive(Default)]
struct Taken {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// A limited number of places, of which an address may have some.
pub struct Places {
    all_max: usize,
    per_address_max: usize,
    taken: Mutex<Taken>,
}

/// One of them; given back when dropped.
pub struct Place {
    places: Arc<Places>,
    address: Option<IpAddr>,
}

impl Places {
    fn new(all_max: usize, per_address_max: usize) -> Arc<Self> {
        Arc::new(Places { all_max, per_address_max, taken: Mutex::default() })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many are taken.
    #[must_use]
    pub fn count(&self) -> usize {
        self.taken().all
    }

    /// A place for an address; without one it counts among all only.
    ///
    /// # Errors
    /// If there is none.
    pub fn take(self: &Arc<Self>, address: Option<IpAddr>) -> Result<Place, Full> {
        let address = address.map(one_of_many);
        let mut taken = self.taken();
        if taken.all >= self.all_max {
            return Err(Full::Everywhere);
        }
        if let Some(address) = address {
            if taken.by_address.get(&address).is_some_and(|count| *count >= self.per_address_max) {
                return Err(Full::Address);
            }
            *taken.by_address.entry(address).or_default() += 1;
        }
        taken.all += 1;
        Ok(Place { places: Arc::clone(self), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        taken.all -= 1;
        let Some(address) = self.address else { return };
        if let Some(count) = taken.by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                taken.by_address.remove(&address);
            }
        }
    }
}

/// The address that counts for this one.
fn one_of_many(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address @ IpAddr::V4(_) => address,
    }
}

/// How many seconds' worth of messages may come at once.
pub const BURST: u32 = 3;

/// Counts one client's messages.
pub struct Pace {
    per_second: f64,
    left: f64,
    at: Instant,
}

impl Pace {
    /// So many in a second, from now on.
    #[must_use]
    pub fn new(per_second: u32, now: Instant) -> Self {
        let most = f64::from(per_second) * f64::from(BURST);
        Pace { per_second: f64::from(per_second), left: most, at: now }
    }

    /// One more. False if that is too many.
    pub fn admit(&mut self, now: Instant) -> bool {
        let regained = now.duration_since(self.at).as_secs_f64() * self.per_second;
        self.left = (self.left + regained).min(self.per_second * f64::from(BURST)) - 1.0;
        self.at = now;
        self.left >= 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn places_are_counted_for_each_address_and_given_back() {
        let places = Places::new(3, 2);
        let one = places.take(Some(address("10.0.0.1"))).expect("free");
        let _two = places.take(Some(address("::ffff:10.0.0.1"))).expect("free");
        assert_eq!(places.take(Some(address("10.0.0.1"))).err(), Some(Full::Address));
        let _three = places.take(Some(address("10.0.0.2"))).expect("free");
        assert_eq!(places.take(None).err(), Some(Full::Everywhere));
        drop(one);
        assert_eq!(places.count(), 2);
        let again = places.take(Some(address("10.0.0.1"))).expect("given back");
        drop((again, _two, _three));
        assert_eq!((places.count(), places.taken().by_address.len()), (0, 0));
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let places = Places::new(9, 1);
        let _one = places.take(Some(address("2001:db8::1"))).expect("free");
        assert_eq!(places.take(Some(address("2001:db8::ffff:1"))).err(), Some(Full::Address));
        assert!(places.take(Some(address("2001:db8:0:1::1"))).is_ok());
    }

    #[test]
    fn only_a_trusted_proxy_is_believed_and_only_its_own_last_word() {
        let mut limits = ClientLimits::default();
        let headers = HeaderMap::from_iter([(
            "x-forwarded-for".parse().expect("a name"),
            "1.1.1.1, 2.2.2.2, 10.0.0.9".parse().expect("a value"),
        )]);
        assert_eq!(
            limits.client_address(address("10.0.0.8"), &headers),
            address("10.0.0.8"),
            "trusts nobody"
        );
        limits.trusted_proxies = vec!["10.0.0.0/24".parse().expect("a network")];
        assert_eq!(limits.client_address(address("10.0.0.8"), &headers), address("2.2.2.2"));
        assert_eq!(limits.client_address(address("10.0.1.8"), &headers), address("10.0.1.8"), "a stranger");
        let nonsense = HeaderMap::from_iter([(
            "x-forwarded-for".parse().expect("a name"),
            "2.2.2.2, nonsense".parse().expect("a value"),
        )]);
        assert_eq!(limits.client_address(address("10.0.0.8"), &nonsense), address("10.0.0.8"));
        for wrong in ["10.0.0.0/33", "10.0.0/8", "x", "10.0.0.0/-1", ""] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
        let all: Network = "0.0.0.0/0".parse().expect("a network");
        assert!(all.contains(address("9.9.9.9")) && !all.contains(address("::1")));
    }

    #[test]
    fn a_pace_allows_a_burst_and_then_its_rate() {
        let now = Instant::now();
        let mut pace = Pace::new(2, now);
        assert!((0..6).all(|_| pace.admit(now)));
        assert!(!pace.admit(now));
        let later = now + Duration::from_secs(2);
        assert!((0..3).all(|_| pace.admit(later)));
        assert!(!pace.admit(later));
    }
}
