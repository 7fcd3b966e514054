//! The addresses of this host, looked at every second, once for all connections.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use rtc::shared::ifaces::ifaces;

/// How many addresses of this host are used.
const MAX_LOCAL_ADDRESSES: usize = 8;
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The best first.
pub(super) type Addresses = Arc<[IpAddr]>;

/// The addresses of this host as of a second ago at most. As long as they are the same it is the same
/// allocation.
pub(super) fn addresses(now: Instant) -> Addresses {
    static LOOKED: Mutex<Option<(Instant, Addresses)>> = Mutex::new(None);
    let mut looked = LOOKED.lock();
    match &mut *looked {
        Some((at, addresses)) => {
            if now.saturating_duration_since(*at) >= LOOK_EVERY {
                *at = now;
                let current = local_addresses();
                // A list that cannot be had changes nothing.
                if !current.is_empty() && current != **addresses {
                    *addresses = current.into();
                }
            }
            addresses.clone()
        }
        None => {
            let addresses = Addresses::from(local_addresses());
            *looked = Some((now, addresses.clone()));
            addresses
        }
    }
}

/// The addresses of this host at which a peer may reach it. Loopback is last: it serves servers and
/// tests on the same machine.
fn local_addresses() -> Vec<IpAddr> {
    let mut addresses: Vec<IpAddr> = match ifaces() {
        Ok(interfaces) => interfaces
            .into_iter()
            .filter_map(|interface| interface.addr)
            .map(|address| address.ip())
            .filter(is_usable)
            .collect(),
        Err(error) => {
            tracing::warn!(%error, "the addresses of this host cannot be listed");
            Vec::new()
        }
    };
    addresses.sort();
    addresses.dedup();
    addresses.sort_by_key(|address| (address.is_loopback(), address.is_ipv6()));
    addresses.truncate(MAX_LOCAL_ADDRESSES);
    addresses
}

fn is_usable(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !v4.is_unspecified() && !v4.is_link_local(),
        // Link-local addresses need a zone, which candidates cannot carry.
        IpAddr::V6(v6) => !v6.is_unspecified() && !v6.is_unicast_link_local() && !v6.is_loopback(),
    }
}
