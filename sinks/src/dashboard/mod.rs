//! The live dashboard's gateway: the newest state of every result in memory, served as a snapshot and then changes
//! over WebSocket and server-sent events, with the page that shows it. The contract is written down in
//! `docs/live-api.md`.
//!
//! Always holds: memory is bounded whatever the topics hold ([`StoreLimits`]) and however slow a client is (a client
//! costs an offset, a filter and what it has not taken of one step); a frame is encoded once however many clients receive it; a client never sees an
//! older change after a newer one, and nothing that it may not read ([`access`]).
//!
//! Does not know: where schemas come from (the caller's look-up), where keys come from, or any event topic but the chat, which it
//! reads only if asked to ([`DashboardOptions::with_chat`]).
//!
//! Reading order: [`kind`], [`selector`] and [`row`], then `taken_back`, [`store`], [`cursor`], [`hub`], [`feed`], then [`access`],
//! [`limits`], [`accept`], then [`refused`], [`http`], [`sse`], and [`socket`] with `shard`, `line`, `outgoing` and `message` behind it.

pub mod accept;
pub mod access;
mod crypto;
pub mod cursor;
pub mod feed;
pub mod frame;
pub mod http;
pub mod hub;
pub mod kind;
pub mod limits;
mod line;
mod message;
mod outgoing;
pub mod pipeline;
pub mod refused;
pub mod row;
pub mod selector;
mod shard;
pub mod socket;
pub mod sse;
mod steps;
pub mod store;
mod taken_back;
pub mod tls;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use kafka::Log;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::rustls::ServerConfig;

pub use access::Access;
pub use limits::ClientLimits;
pub use pipeline::{JobLag, Lags};
pub use store::StoreLimits;
pub use tls::TlsFiles;

use accept::Server;
use feed::{Feed, FeedOptions};
use hub::Hub;
use selector::Kind;

/// The contract; its example in Rust is compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/live-api.md")]
pub struct Contract;

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
    /// How much clients may ask for.
    pub clients: ClientLimits,
    /// Whether what is said in the chat is read and served too.
    pub with_chat: bool,
    /// Who may read what.
    pub access: Access,
    /// The certificate; none: HTTP in the clear.
    pub tls: Option<TlsFiles>,
}

impl DashboardOptions {
    /// Everything as by default, listening here, open to those whom `access` lets in.
    #[must_use]
    pub fn new(listen: SocketAddr, access: Access) -> Self {
        DashboardOptions {
            listen,
            topic_prefix: String::new(),
            allowed_origins: Vec::new(),
            catch_up_records_max: 200_000,
            store: StoreLimits::default(),
            clients: ClientLimits::default(),
            with_chat: false,
            access,
            tls: None,
        }
    }
}

/// A gateway that has its port and does not read yet.
pub struct Dashboard {
    listener: TcpListener,
    address: SocketAddr,
    options: DashboardOptions,
    certificate: Option<watch::Sender<Arc<ServerConfig>>>,
    lags: Lags,
}

impl Dashboard {
    /// Takes the port.
    ///
    /// # Errors
    /// If it is taken or may not be used; the message names the address and the setting. If the certificate cannot be used.
    pub async fn bind(options: DashboardOptions) -> anyhow::Result<Self> {
        let certificate = options.tls.as_ref().map(TlsFiles::load).transpose()?.map(watch::Sender::new);
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
        Ok(Dashboard { listener, address, options, certificate, lags: Lags::default() })
    }

    /// Where to tell how far behind the jobs are, for those who may read health. Without being told it says that this is not known.
    #[must_use]
    pub fn lags(&self) -> Lags {
        self.lags.clone()
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
    /// If the thread cannot be started. A log that cannot be read is no error: the gateway
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
        let Dashboard { listener, address, mut options, certificate, lags } = self;
        if !options.with_chat {
            options.access.withhold(Kind::Chat);
        }
        let hub = Hub::new(options.store);
        let feed_options = FeedOptions {
            topic_prefix: options.topic_prefix.clone(),
            catch_up_records_max: options.catch_up_records_max,
            with_chat: options.with_chat,
            lags,
        };
        let feed = Feed::new(log, feed_options, schema, Arc::clone(&hub));
        let stop = Arc::new(AtomicBool::new(false));
        let feed_stop = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("dashboard-feed".to_owned())
            .spawn(move || feed.run(&feed_stop))
            .context("dashboard: start the reading thread")?;

        tracing::info!(%address, epoch = hub.epoch(), "dashboard is listening");
        let sockets = options.clients.sockets();
        let tls = certificate.as_ref().map(watch::Sender::subscribe);
        let follow =
            options.tls.clone().zip(certificate).map(|(files, config)| tokio::spawn(files.follow(config)));
        let server = Server {
            limits: options.clients.clone(),
            router: http::router(Arc::clone(&hub), options),
            sockets: Arc::clone(&sockets),
            tls,
            closing: hub.closing(),
        };
        let closing_hub = Arc::clone(&hub);
        let begin_shutdown = async move {
            shutdown.await;
            closing_hub.close();
        };
        tokio::join!(server.serve(listener), begin_shutdown);
        if let Some(follow) = follow {
            follow.abort();
        }
        let until = tokio::time::Instant::now() + SHUTDOWN_GRACE;
        while sockets.count() > 0 && tokio::time::Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        stop.store(true, Ordering::Relaxed);
        let joined = tokio::task::spawn_blocking(move || thread.join()).await;
        if !matches!(joined, Ok(Ok(()))) {
            tracing::error!("the dashboard's reading thread has panicked");
        }
        Ok(())
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
