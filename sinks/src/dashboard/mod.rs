//! The live dashboard's gateway: the newest state of every result in memory, served as a snapshot and then changes
//! over WebSocket and server-sent events, with the page that shows it. The contract is written down in
//! `docs/live-api.md`.
//!
//! Always holds: memory is bounded whatever the topics hold ([`StoreLimits`]) and however slow a client is (a client
//! costs an offset and a filter); a frame is encoded once however many clients receive it; a client never sees an
//! older change after a newer one.
//!
//! Does not know: where schemas come from (the caller's look-up), who may see what, or any event topic.
//!
//! Reading order: [`selector`] and [`row`], then [`store`], [`hub`], [`feed`], then [`http`], [`socket`], [`sse`].

pub mod feed;
pub mod frame;
pub mod http;
pub mod hub;
pub mod pipeline;
pub mod row;
pub mod selector;
pub mod socket;
pub mod sse;
pub mod store;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use kafka::Log;
use tokio::net::TcpListener;

pub use store::StoreLimits;

use feed::{Feed, FeedOptions};
use hub::Hub;

/// After the shutdown signal connections have this long to end by themselves.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(3);

/// How a gateway is set up.
#[derive(Clone, Debug)]
pub struct DashboardOptions {
    /// Where to listen; port 0 takes any free one.
    pub listen: SocketAddr,
    /// In front of every topic's name.
    pub topic_prefix: String,
    /// Pages of these origins (`https://example.org`) may connect beside our own; `*` lets all.
    pub allowed_origins: Vec<String>,
    /// How many records before its end the reading of a partition starts.
    pub catch_up_records_max: i64,
    /// How much is kept in memory.
    pub store: StoreLimits,
    /// What clients may ask for.
    pub clients: ClientLimits,
}

impl DashboardOptions {
    /// Everything as by default, listening here.
    #[must_use]
    pub fn new(listen: SocketAddr) -> Self {
        DashboardOptions {
            listen,
            topic_prefix: String::new(),
            allowed_origins: Vec::new(),
            catch_up_records_max: 200_000,
            store: StoreLimits::default(),
            clients: ClientLimits::default(),
        }
    }
}

/// What one client, and all together, may ask for.
#[derive(Clone, Copy, Debug)]
pub struct ClientLimits {
    /// Clients connected at a time, over both protocols.
    pub connections_max: usize,
    /// Selectors of one subscription.
    pub selectors_max: usize,
    /// Bytes of a message that a client sends.
    pub message_bytes_max: usize,
    /// Changes of a slot that follow each other faster are conflated.
    pub frame_interval: Duration,
    /// A frame without news is sent after this long.
    pub heartbeat_interval: Duration,
    /// A client that does not take a frame for this long is disconnected.
    pub send_timeout: Duration,
}

impl Default for ClientLimits {
    fn default() -> Self {
        ClientLimits {
            connections_max: 10_000,
            selectors_max: 64,
            message_bytes_max: 16 << 10,
            frame_interval: Duration::from_millis(50),
            heartbeat_interval: Duration::from_secs(5),
            send_timeout: Duration::from_secs(30),
        }
    }
}

/// A gateway that has its port and does not read yet.
pub struct Dashboard {
    listener: TcpListener,
    address: SocketAddr,
    options: DashboardOptions,
}

impl Dashboard {
    /// Takes the port.
    ///
    /// # Errors
    /// If it is taken or may not be used; the message names the address and the setting.
    pub async fn bind(options: DashboardOptions) -> anyhow::Result<Self> {
        let wanted = options.listen;
        let listener = TcpListener::bind(wanted).await.map_err(|error| match error.kind() {
            std::io::ErrorKind::AddrInUse => anyhow::anyhow!(
                "dashboard: port {} on {} is taken by another program; set `dashboard.listen` to a free one",
                wanted.port(),
                wanted.ip()
            ),
            _ => anyhow::anyhow!("dashboard: cannot listen on {wanted} (`dashboard.listen`): {error}"),
        })?;
        let address = listener.local_addr().context("dashboard: ask for the bound address")?;
        Ok(Dashboard { listener, address, options })
    }

    /// Where it listens, with the port that was chosen.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Reads the log on a thread of its own and serves until `shutdown`. `schema` tells a writer's schema by its id;
    /// it is called on that thread and may block.
    ///
    /// # Errors
    /// If the thread cannot be started or the listener breaks. A log that cannot be read is no error: the gateway
    /// says so to its clients and goes on trying.
    pub async fn serve<L, S>(
        self,
        log: L,
        schema: S,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> anyhow::Result<()>
    where
        L: Log,
        S: Fn(u32) -> Option<String> + Send + 'static,
    {
        let Dashboard { listener, address, options } = self;
        let hub = Hub::new(options.store, options.clients.connections_max);
        let feed_options = FeedOptions {
            topic_prefix: options.topic_prefix.clone(),
            catch_up_records_max: options.catch_up_records_max,
        };
        let feed = Feed::new(log, feed_options, schema, Arc::clone(&hub));
        let stop = Arc::new(AtomicBool::new(false));
        let feed_stop = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("dashboard-feed".to_owned())
            .spawn(move || feed.run(&feed_stop))
            .context("dashboard: start the reading thread")?;

        tracing::info!(%address, epoch = hub.epoch(), "dashboard is listening");
        let closing_hub = Arc::clone(&hub);
        let begin_shutdown = async move {
            shutdown.await;
            closing_hub.close();
        };
        let server = axum::serve(listener, http::router(Arc::clone(&hub), options))
            .with_graceful_shutdown(begin_shutdown);
        let mut closing = hub.closing();
        let give_up = async move {
            let _closed = closing.wait_for(|is_closing| *is_closing).await.map(|_| ());
            tokio::time::sleep(SHUTDOWN_GRACE).await;
        };
        let served = tokio::select! {
            served = server => served.context("dashboard: serve"),
            () = give_up => Ok(()),
        };
        stop.store(true, Ordering::Relaxed);
        let joined = tokio::task::spawn_blocking(move || thread.join()).await;
        if !matches!(joined, Ok(Ok(()))) {
            tracing::error!("the dashboard's reading thread has panicked");
        }
        served
    }
}

/// Takes the port and serves until `shutdown`: [`Dashboard::bind`] and [`Dashboard::serve`] in one.
///
/// # Errors
/// As those two.
pub async fn run<L, S>(
    log: L,
    options: DashboardOptions,
    schema: S,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<()>
where
    L: Log,
    S: Fn(u32) -> Option<String> + Send + 'static,
{
    Dashboard::bind(options).await?.serve(log, schema, shutdown).await
}
