//! LiveKit's own TURN server: how it is configured, and credentials for it.
//!
//! It makes credentials for UDP known with the right port. Over TCP and TLS it always names port 443, for
//! whoever puts a load balancer there; here the port is named as that of a TURN server of somebody's own, with
//! credentials as it would make them.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use sha2::{Digest as _, Sha256};

use super::free_port;

/// Addresses that it lends.
const PORTS_FROM: u16 = 30_000;
const PORTS_TO: u16 = 32_000;
const CREDENTIALS_LAST_S: u64 = 3_600;
const BASE_62: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// How clients reach LiveKit's TURN server.
#[derive(Debug, Clone)]
pub enum Relay {
    /// Over UDP.
    Udp,
    /// Over TCP, as if somebody else ended TLS before it.
    Tcp,
    /// Over TLS.
    Tls {
        /// Of `localhost`, PEM.
        certificate: PathBuf,
        /// PEM.
        key: PathBuf,
    },
}

/// What a relay adds to the server's configuration: to its section `rtc`, and after it.
#[derive(Debug, Default)]
pub(super) struct Sections {
    pub(super) in_rtc: String,
    pub(super) after: String,
}

impl Relay {
    pub(super) fn sections(&self, api_key: &str, api_secret: &str) -> Result<Sections> {
        let port = free_port()?;
        let own = match self {
            Self::Udp => format!("  udp_port: {port}\n"),
            // The domain is named to clients at port 443, where nobody answers.
            Self::Tcp => format!("  domain: 127.0.0.1\n  tls_port: {port}\n  external_tls: true\n"),
            Self::Tls { certificate, key } => format!(
                "  domain: 127.0.0.1\n  tls_port: {port}\n  cert_file: {}\n  key_file: {}\n",
                certificate.display(),
                key.display()
            ),
        };
        let protocol = match self {
            Self::Udp => None,
            Self::Tcp => Some("tcp"),
            Self::Tls { .. } => Some("tls"),
        };
        let in_rtc = protocol.map(|protocol| {
            let (username, credential) = credentials(api_key, api_secret);
            format!(
                "  turn_servers:\n    - host: localhost\n      port: {port}\n      protocol: {protocol}\n      username: {username}\n      credential: {credential}\n"
            )
        });
        Ok(Sections {
            in_rtc: in_rtc.unwrap_or_default(),
            after: format!(
                "turn:\n  enabled: true\n{own}  relay_range_start: {PORTS_FROM}\n  relay_range_end: {PORTS_TO}\n  allow_restricted_peer_cidrs: [127.0.0.0/8]\n"
            ),
        })
    }
}

/// A name that says until when it is good, and the password that the server's secret makes of it.
fn credentials(api_key: &str, api_secret: &str) -> (String, String) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let until = now.as_secs() + CREDENTIALS_LAST_S;
    let participant = "PA_relays";
    let password = Sha256::digest(format!("{api_secret}|{participant}|{until}"));
    let name = format!("{api_key}|{participant}|{until}");
    (base_62(name.as_bytes()), base_62(&password))
}

/// Six bits a letter from the end on; five where the upper ones would name a letter beyond the 62.
fn base_62(bytes: &[u8]) -> String {
    let total = bytes.len() * 8;
    let bit = |at: usize| bytes[bytes.len() - 1 - at / 8] >> (at % 8) & 1;
    let (mut text, mut at) = (String::new(), 0);
    while at < total {
        let left = total - at;
        let six = (0..left.min(6)).fold(0_u8, |six, n| six | bit(at + n) << n);
        let narrow = six & 0x1e == 0x1e;
        let value = if narrow { six & 0x1f } else { six };
        text.push(char::from(BASE_62[usize::from(value)]));
        at += if narrow && (left > 6 || six > 0x1f) { 5 } else { 6 };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_beyond_the_alphabet_take_five_bits() {
        assert_eq!(base_62(&[0]), "AA");
        assert_eq!(base_62(&[0xff]), "fH");
        assert_eq!(base_62(b"abc"), base_62(&[0x61, 0x62, 0x63]));
        assert!(base_62(&(0..=255).collect::<Vec<u8>>()).len() > 341);
    }
}
