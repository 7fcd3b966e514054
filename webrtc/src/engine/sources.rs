//! Whose SRTP and SRTCP is looked at. `rtc-srtp` 0.21.1 keeps a state of some 200 bytes for the source that a packet names before it
//! knows whether the packet is authentic, and for as long as the connection lives: a stranger who makes sources up would fill
//! the memory.

use std::{collections::HashSet, net::SocketAddr};

use super::stun::{REQUEST, SUCCESS, transaction};

/// Sources that no description names, of each kind; further ones are not heard.
const MAX_SOURCES: usize = 4_096;
/// Addresses of the other side; with one more all are learnt anew.
const MAX_PEERS: usize = 256;

#[derive(Default)]
pub(super) struct Sources {
    /// Where our connectivity checks and answers to checks go: candidates, and whoever knows the password.
    peers: HashSet<SocketAddr>,
    media: HashSet<u32>,
    reports: HashSet<u32>,
}

impl Sources {
    /// Something leaves.
    pub(super) fn sent(&mut self, peer: SocketAddr, data: &[u8]) {
        let is_check = transaction(data, REQUEST).is_some() || transaction(data, SUCCESS).is_some();
        if is_check && !self.peers.contains(&peer) {
            if self.peers.len() >= MAX_PEERS {
                self.peers.clear();
            }
            self.peers.insert(peer);
        }
    }

    /// Whether a datagram is to be read. Who was let in once may come from elsewhere: a translator of addresses may have changed
    /// its mind.
    pub(super) fn admit(
        &mut self,
        peer: SocketAddr,
        data: &[u8],
        is_described: impl FnOnce(u32) -> bool,
    ) -> bool {
        // RFC 7983; RFC 5761, section 4.
        let (known, source) = match data {
            [128..=191, 192..=223, _, _, a, b, c, d, ..] => (&mut self.reports, [a, b, c, d]),
            [128..=191, kind, ..] if (64..96).contains(&(kind & 0x7f)) => return false,
            [128..=191, _, _, _, _, _, _, _, a, b, c, d, ..] => (&mut self.media, [a, b, c, d]),
            [128..=191, ..] => return false,
            _ => return true,
        };
        let source = u32::from_be_bytes(source.map(|byte| *byte));
        if known.contains(&source) || is_described(source) {
            return true;
        }
        let admitted = known.len() < MAX_SOURCES && self.peers.contains(&peer);
        if admitted {
            known.insert(source);
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> SocketAddr {
        ([10, 0, 0, last], 5_000).into()
    }

    /// One who has sent a check to the first address.
    fn connected() -> Sources {
        let mut sources = Sources::default();
        let mut check = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        check.resize(20, 7);
        sources.sent(address(1), &check);
        check[..2].copy_from_slice(&[0x01, 0x11]);
        sources.sent(address(2), &check);
        sources
    }

    fn media(source: u32) -> Vec<u8> {
        let mut packet = vec![0x80, 111, 0, 1, 0, 0, 0, 0];
        packet.extend(source.to_be_bytes());
        packet
    }

    fn report(source: u32) -> Vec<u8> {
        let mut packet = vec![0x80, 200, 0, 1];
        packet.extend(source.to_be_bytes());
        packet
    }

    #[test]
    fn strangers_bring_nobody_and_who_is_known_may_move() {
        let mut sources = connected();
        for packet in [media(1), report(1)] {
            assert!(
                !sources.admit(address(2), &packet, |_| false),
                "a refusal is no check"
            );
            assert!(!sources.admit(address(3), &packet, |_| false));
            assert!(
                sources.admit(address(3), &packet, |source| source == 1),
                "described"
            );
            assert!(sources.admit(address(1), &packet, |_| false));
            assert!(sources.admit(address(3), &packet, |_| false), "known by now");
        }
    }

    #[test]
    fn a_peer_brings_so_many_and_what_is_described_besides() {
        let mut sources = connected();
        for make in [media, report] {
            let taken = (0..100_000).filter(|n| sources.admit(address(1), &make(*n), |_| false));
            assert_eq!(taken.count(), MAX_SOURCES);
            assert!(sources.admit(address(1), &make(99_999), |_| true));
        }
    }

    #[test]
    fn what_is_neither_is_none_of_its_business() {
        let mut sources = connected();
        for data in [&[][..], &[0, 1, 2], &[22, 254, 253], &[23; 40]] {
            assert!(sources.admit(address(3), data, |_| false));
        }
        // Too short, and a kind that is neither.
        for data in [
            &[0x80, 111, 0, 1][..],
            &[0x80, 200, 0],
            &[0x80, 70, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0],
        ] {
            assert!(!sources.admit(address(1), data, |_| true));
        }
    }
}
