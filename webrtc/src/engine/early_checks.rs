//! Connectivity checks of the other side that come before its candidates do. It begins when it has answered, and its check
//! takes a shorter way than what signalling carries. Without credentials `rtc` refuses such a check; without the candidate it
//! takes the address for a peer-reflexive one and has two pairs for one way as soon as the candidate is there. The better one of
//! them never gets an answer, and the other is nominated only at the next round of checks, 200 ms later. So these checks
//! are kept for a moment.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    time::{Duration, Instant},
};

use bytes::BytesMut;

use super::{
    Path, sdp,
    stun::{REQUEST, transaction},
};

/// Whoever is unknown after so long has no candidate for this address: it is a peer-reflexive one.
const HELD_FOR: Duration = Duration::from_millis(50);
/// More are handed over at once.
const MAX_HELD: usize = 16;
/// Checks have some 100 bytes; what is longer is none.
const MAX_CHECK_BYTES: usize = 512;
/// Addresses that are known; to others nothing is kept.
const MAX_KNOWN: usize = 256;

/// A check that waits.
pub(super) struct Held {
    pub(super) path: Path,
    pub(super) data: BytesMut,
    arrived: Instant,
    until: Instant,
}

#[derive(Default)]
pub(super) struct EarlyChecks {
    known: Vec<SocketAddr>,
    held: VecDeque<Held>,
}

impl EarlyChecks {
    /// Takes what has come, or gives it back if it need not wait.
    pub(super) fn hold(&mut self, now: Instant, path: Path, data: BytesMut) -> Option<BytesMut> {
        if !is_check(&data) || self.known.contains(&path.peer) || self.held.len() >= MAX_HELD {
            return Some(data);
        }
        self.held.push_back(Held {
            path,
            data,
            arrived: now,
            until: now + HELD_FOR,
        });
        None
    }

    /// A candidate of the other side is known.
    pub(super) fn learn(&mut self, candidate: &sdp::Candidate<'_>) {
        let Ok(address) = candidate.address.parse() else {
            return;
        };
        let peer = SocketAddr::new(address, candidate.port);
        if self.known.len() < MAX_KNOWN && !self.known.contains(&peer) {
            self.known.push(peer);
        }
        for held in self.held.iter_mut().filter(|held| held.path.peer == peer) {
            held.until = held.arrived;
        }
    }

    /// When the next one has waited long enough.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.held.iter().map(|held| held.until).min()
    }

    /// The next one whose wait is over.
    pub(super) fn take(&mut self, now: Instant) -> Option<Held> {
        let at = self.held.iter().position(|held| held.until <= now)?;
        self.held.remove(at)
    }
}

fn is_check(data: &[u8]) -> bool {
    data.len() <= MAX_CHECK_BYTES && transaction(data, REQUEST).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(peer: &str) -> Path {
        Path {
            local: "10.0.0.1:1000".parse().expect("an address"),
            peer: peer.parse().expect("an address"),
            tcp: false,
        }
    }

    fn check(number: u8) -> BytesMut {
        let head = [0x00, 0x01, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        let mut data = BytesMut::zeroed(20);
        data[..8].copy_from_slice(&head);
        data[19] = number;
        data
    }

    fn candidate(address: &str, port: u16) -> String {
        format!("candidate:1 1 udp 2130706431 {address} {port} typ host")
    }

    fn learn(checks: &mut EarlyChecks, text: &str) {
        checks.learn(&sdp::Candidate::parse(text).expect("a candidate"));
    }

    #[test]
    fn a_check_waits_for_its_candidate_and_no_longer() {
        let (mut checks, now) = (EarlyChecks::default(), Instant::now());
        assert!(checks.hold(now, path("10.0.0.2:2000"), check(1)).is_none());
        assert!(checks.hold(now, path("10.0.0.3:3000"), check(2)).is_none());
        assert!(checks.take(now).is_none());
        assert_eq!(checks.poll_timeout(), Some(now + HELD_FOR));
        learn(&mut checks, &candidate("10.0.0.2", 2000));
        assert!(checks.poll_timeout() <= Some(now));
        let taken = checks.take(now).expect("the one whose candidate came");
        assert_eq!((taken.data, taken.path), (check(1), path("10.0.0.2:2000")));
        assert!(checks.take(now).is_none());
        let taken = checks.take(now + HELD_FOR).expect("the one without");
        assert_eq!(taken.data, check(2));
        assert!(checks.poll_timeout().is_none());
    }

    #[test]
    fn what_is_known_is_no_check_or_too_much_does_not_wait() {
        let (mut checks, now) = (EarlyChecks::default(), Instant::now());
        learn(&mut checks, &candidate("10.0.0.2", 2000));
        assert!(checks.hold(now, path("10.0.0.2:2000"), check(1)).is_some());
        let sound = BytesMut::from(&[0x80; 100][..]);
        assert!(checks.hold(now, path("10.0.0.9:1"), sound).is_some());
        let mut long = check(1);
        long.resize(MAX_CHECK_BYTES + 1, 0);
        assert!(checks.hold(now, path("10.0.0.9:1"), long).is_some());
        for number in 0..MAX_HELD {
            assert!(
                checks
                    .hold(now, path("10.0.0.9:1"), check(number as u8))
                    .is_none()
            );
        }
        assert!(checks.hold(now, path("10.0.0.9:1"), check(99)).is_some());
    }
}
