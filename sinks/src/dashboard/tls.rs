//! The certificate: read from its files, and read again when they change.
//!
//! Always holds: files that cannot be used replace nothing; connections that stand are not touched by a new certificate.
//! Does not know: sockets.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use tokio::sync::watch;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Where the certificate is.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The certificate and those between it and the root, in PEM.
    pub certificate: PathBuf,
    /// Its private key, in PEM.
    pub key: PathBuf,
    /// How often is looked whether the files have changed.
    pub look_every: Duration,
}

impl TlsFiles {
    /// These two.
    #[must_use]
    pub fn new(certificate: PathBuf, key: PathBuf) -> Self {
        TlsFiles { certificate, key, look_every: Duration::from_secs(10) }
    }

    /// Reads them.
    ///
    /// # Errors
    /// If a file cannot be read, or they do not belong together; the message names the file.
    pub fn load(&self) -> anyhow::Result<Arc<ServerConfig>> {
        let named = |path: &Path| format!("tls: {}", path.display());
        let certificates: Vec<_> = CertificateDer::pem_file_iter(&self.certificate)
            .and_then(Iterator::collect)
            .with_context(|| named(&self.certificate))?;
        let key = PrivateKeyDer::from_pem_file(&self.key).with_context(|| named(&self.key))?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .context("tls")?
            .with_no_client_auth()
            .with_single_cert(certificates, key)
            .with_context(|| named(&self.certificate))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    fn changed_at(&self) -> [Option<SystemTime>; 2] {
        [&self.certificate, &self.key]
            .map(|path| std::fs::metadata(path).and_then(|file| file.modified()).ok())
    }

    /// Replaces `config` when the files have changed, for ever.
    pub(super) async fn follow(self, config: watch::Sender<Arc<ServerConfig>>) {
        let mut known = self.changed_at();
        loop {
            tokio::time::sleep(self.look_every).await;
            let found = self.changed_at();
            if found == known {
                continue;
            }
            known = found;
            match self.load() {
                Ok(new) => {
                    config.send_replace(new);
                    tracing::info!(certificate = %self.certificate.display(), "new certificate");
                }
                Err(error) => {
                    tracing::warn!(
                        error = format!("{error:#}"),
                        "the new certificate cannot be used, keeping the old one"
                    );
                }
            }
        }
    }
}
