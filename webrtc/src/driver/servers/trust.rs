//! Whose certificates are believed: those of the public authorities that are compiled in, and of the
//! ones that this host trusts, where an operator adds a private one. `SSL_CERT_FILE` and `SSL_CERT_DIR`
//! name others in their place. Signalling believes the same.

use std::sync::{Arc, OnceLock};

use tokio_rustls::rustls;

use crate::RtcError;

/// Read once for the process.
pub(super) fn everybody_known() -> Result<Arc<rustls::ClientConfig>, RtcError> {
    static KNOWN: OnceLock<Arc<rustls::ClientConfig>> = OnceLock::new();
    if let Some(known) = KNOWN.get() {
        return Ok(known.clone());
    }
    let mut roots = rustls::RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    let of_host = rustls_native_certs::load_native_certs();
    for error in of_host.errors {
        tracing::warn!(%error, "authorities of this host that cannot be read");
    }
    let (added, unusable) = roots.add_parsable_certificates(of_host.certs);
    tracing::debug!(added, unusable, "authorities of this host");
    let config = tls_trusting(roots).map_err(RtcError::internal)?;
    Ok(KNOWN.get_or_init(|| config).clone())
}

pub(super) fn tls_trusting(roots: rustls::RootCertStore) -> Result<Arc<rustls::ClientConfig>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
