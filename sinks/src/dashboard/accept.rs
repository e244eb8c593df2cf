//! From a listening socket to requests: places, TLS, time limits, HTTP/1.1.
//!
//! Always holds: a socket has its place before a byte of it is read, and until it is closed, also as a WebSocket; one that
//! sends no request in time, or takes nothing of what is sent, is closed; no socket can keep others from being accepted.
//! Does not know: what is asked.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tower_service::Service;

use super::limits::{ClientLimits, Place, Places};

/// Where a request comes from; every request has it among its extensions.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

/// Bytes that the head of a request may have.
const HEAD_BYTES_MAX: usize = 32 << 10;
/// After an error that no single connection is to blame for, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// What serves connections.
pub struct Server {
    /// What answers.
    pub router: Router,
    /// How much may be asked for.
    pub limits: ClientLimits,
    /// The places of sockets.
    pub sockets: Arc<Places>,
    /// The certificate; none: in the clear.
    pub tls: Option<watch::Receiver<Arc<ServerConfig>>>,
    /// Becomes true when requests are to end.
    pub closing: watch::Receiver<bool>,
}

impl Server {
    /// Accepts until it is closing.
    pub async fn serve(self, listener: TcpListener) {
        let mut closing = self.closing.clone();
        let server = Arc::new(self);
        loop {
            let accepted = tokio::select! {
                _ = closing.wait_for(|is_closing| *is_closing) => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, address)) => server.clone().admit(stream, address),
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot accept connections, trying again");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Gives the socket a place and a task of its own, or closes it.
    fn admit(self: Arc<Self>, stream: TcpStream, address: SocketAddr) {
        let address = address.ip().to_canonical();
        let of_one = (!self.limits.is_trusted(address)).then_some(address);
        let Ok(place) = self.sockets.take(of_one) else { return };
        if stream.set_nodelay(true).is_err() {
            return; // it is gone
        }
        tokio::spawn(async move {
            let socket = Socket::new(stream, place, self.limits.send_timeout);
            match &self.tls {
                None => self.requests(socket, address).await,
                Some(config) => {
                    let config = Arc::clone(&config.borrow());
                    let handshake = TlsAcceptor::from(config).accept(socket);
                    if let Ok(Ok(stream)) = timeout(self.limits.header_timeout, handshake).await {
                        self.requests(stream, address).await;
                    }
                }
            }
        });
    }

    /// Answers what comes over one connection.
    async fn requests<S>(&self, stream: S, address: IpAddr)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let service = service_fn(|mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(Peer(address));
            self.answer(request.map(axum::body::Body::new))
        });
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(self.limits.header_timeout)
            .max_buf_size(HEAD_BYTES_MAX);
        let connection = http.serve_connection(TokioIo::new(stream), service).with_upgrades();
        let mut connection = std::pin::pin!(connection);
        let mut closing = self.closing.clone();
        let ended = tokio::select! {
            ended = connection.as_mut() => Some(ended),
            _ = closing.wait_for(|is_closing| *is_closing) => None,
        };
        let ended = match ended {
            Some(ended) => ended,
            None => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        // what the other side does is no event here; the address and the reason help who looks for one
        if let Err(error) = ended {
            tracing::debug!(%address, %error, "connection ended");
        }
    }

    async fn answer(&self, request: Request) -> Result<Response, Infallible> {
        self.router.clone().call(request).await
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// A socket with its place, that is broken off when nothing of what is sent is taken for some time.
struct Socket {
    stream: TcpStream,
    send_timeout: Duration,
    /// Runs while the other side takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
    _place: Place,
}

impl Socket {
    fn new(stream: TcpStream, place: Place, send_timeout: Duration) -> Self {
        Socket { stream, send_timeout, stalled: None, _place: place }
    }

    /// What a write has come to, or that it has waited for too long.
    fn watched<T>(&mut self, context: &mut Context<'_>, write: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if write.is_ready() {
            self.stalled = None;
            return write;
        }
        let send_timeout = self.send_timeout;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(send_timeout)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let write = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watched(context, write)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let write = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.watched(context, write)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
