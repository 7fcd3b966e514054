//! What a STUN server sees as our address (RFC 8489): the address that a translator between here and
//! there has given us. Without sockets or a clock: the driver sends from the socket whose address is
//! asked for, and shows what comes back to it.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use bytes::BytesMut;
use rtc::stun::{
    fingerprint::FINGERPRINT,
    message::{BINDING_REQUEST, BINDING_SUCCESS, Getter as _, Message, TransactionId, is_stun_message},
    xoraddr::XorMappedAddress,
};

use crate::engine::{Path, Transmit};

/// Until the first repetition; each further one waits twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// How often a server is asked in all: it has eight seconds.
const MAX_REQUESTS: u32 = 5;

/// What became of a question.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The server sees `base` as `seen_as`.
    Seen {
        url: String,
        base: SocketAddr,
        seen_as: SocketAddr,
    },
    /// It does not answer.
    None { url: String, base: SocketAddr },
}

#[derive(Debug, Default)]
pub(super) struct Reflexive {
    asked: Vec<Asked>,
}

#[derive(Debug)]
struct Asked {
    url: String,
    server: SocketAddr,
    base: SocketAddr,
    request: Message,
    sent: u32,
    next: Instant,
}

impl Reflexive {
    /// Asks a server what it sees as `base`. Nothing happens when a request cannot be made.
    pub(super) fn ask(&mut self, now: Instant, url: &str, server: SocketAddr, base: SocketAddr) {
        let mut request = Message::new();
        let built = request.build(&[
            Box::new(TransactionId::new()),
            Box::new(BINDING_REQUEST),
            Box::new(FINGERPRINT),
        ]);
        if let Err(error) = built {
            tracing::warn!(%error, "no STUN request");
            return;
        }
        self.asked.push(Asked {
            url: url.to_owned(),
            server,
            base,
            request,
            sent: 0,
            next: now,
        });
    }

    /// Sockets that are no more hear no answer.
    pub(super) fn forget(&mut self, bases: &[SocketAddr]) {
        self.asked.retain(|asked| !bases.contains(&asked.base));
    }

    pub(super) fn is_idle(&self) -> bool {
        self.asked.is_empty()
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.asked.iter().map(|asked| asked.next).min()
    }

    /// Sends what is due and gives up what has been asked often enough.
    pub(super) fn handle_timeout(
        &mut self,
        now: Instant,
        transmits: &mut Vec<Transmit>,
        answers: &mut Vec<Answer>,
    ) {
        self.asked.retain_mut(|asked| {
            if asked.next > now {
                return true;
            }
            if asked.sent >= MAX_REQUESTS {
                answers.push(Answer::None {
                    url: std::mem::take(&mut asked.url),
                    base: asked.base,
                });
                return false;
            }
            transmits.push(Transmit {
                path: Path {
                    local: asked.base,
                    peer: asked.server,
                    tcp: false,
                },
                data: BytesMut::from(asked.request.raw.as_slice()),
            });
            asked.next = now + FIRST_WAIT * 2_u32.pow(asked.sent);
            asked.sent += 1;
            true
        });
    }

    /// Looks at a datagram; none when it answers nothing that was asked here.
    pub(super) fn handle_datagram(&mut self, path: Path, data: &[u8]) -> Option<Answer> {
        if self.asked.is_empty() || path.tcp || !is_stun_message(data) {
            return None;
        }
        let mut response = Message::new();
        response.raw = data.to_vec();
        response.decode().ok()?;
        let index = self.asked.iter().position(|asked| {
            asked.request.transaction_id == response.transaction_id
                && (asked.base, asked.server) == (path.local, path.peer)
        })?;
        let Asked { url, base, .. } = self.asked.swap_remove(index);
        let mut seen_as = XorMappedAddress::default();
        if response.typ == BINDING_SUCCESS && seen_as.get_from(&response).is_ok() {
            let seen_as = SocketAddr::new(seen_as.ip, seen_as.port);
            Some(Answer::Seen { url, base, seen_as })
        } else {
            Some(Answer::None { url, base })
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    fn asked() -> (Reflexive, Instant) {
        let now = Instant::now();
        let mut reflexive = Reflexive::default();
        reflexive.ask(
            now,
            "stun:server",
            address("192.0.2.1:3478"),
            address("10.0.0.1:5000"),
        );
        (reflexive, now)
    }

    fn requests(reflexive: &mut Reflexive, now: Instant) -> (Vec<Transmit>, Vec<Answer>) {
        let (mut transmits, mut answers) = (Vec::new(), Vec::new());
        reflexive.handle_timeout(now, &mut transmits, &mut answers);
        (transmits, answers)
    }

    fn answer_to(request: &[u8]) -> Vec<u8> {
        let mut asked = Message::new();
        asked.raw = request.to_vec();
        asked.decode().expect("a request");
        let seen_as = XorMappedAddress {
            ip: "203.0.113.5".parse().expect("an address"),
            port: 61_000,
        };
        let mut response = Message::new();
        response
            .build(&[
                Box::new(asked.transaction_id),
                Box::new(BINDING_SUCCESS),
                Box::new(seen_as),
            ])
            .expect("a response");
        response.raw
    }

    #[test]
    fn the_answer_counts_from_the_server_that_was_asked_only() {
        let (mut reflexive, now) = asked();
        let (transmits, _) = requests(&mut reflexive, now);
        let [request] = transmits.as_slice() else {
            panic!("one request")
        };
        let response = answer_to(&request.data);
        let stranger = Path {
            peer: address("198.51.100.1:3478"),
            ..request.path
        };
        assert_eq!(reflexive.handle_datagram(stranger, &response), None);
        let expected = Answer::Seen {
            url: "stun:server".to_owned(),
            base: address("10.0.0.1:5000"),
            seen_as: address("203.0.113.5:61000"),
        };
        assert_eq!(reflexive.handle_datagram(request.path, &response), Some(expected));
        assert!(reflexive.is_idle());
        assert_eq!(reflexive.handle_datagram(request.path, &response), None, "once");
    }

    #[test]
    fn a_server_that_is_silent_is_given_up_after_eight_seconds() {
        let (mut reflexive, start) = asked();
        let mut sent = 0;
        for ms in 0..8_000 {
            let (transmits, answers) = requests(&mut reflexive, start + Duration::from_millis(ms));
            sent += transmits.len();
            if !answers.is_empty() {
                assert_eq!((sent, ms), (5, 7_750));
                assert!(reflexive.is_idle());
                return;
            }
        }
        panic!("it was not given up");
    }

    proptest! {
        #[test]
        fn no_datagram_makes_it_panic(
            kind in 0_u8..4,
            bytes in proptest::collection::vec(any::<u8>(), 0..120),
        ) {
            let (mut reflexive, now) = asked();
            let (transmits, _) = requests(&mut reflexive, now);
            // Sometimes it begins like the answer.
            let mut data = answer_to(&transmits[0].data);
            match kind {
                0 => data = bytes,
                1 => data.truncate(bytes.len()),
                _ => {
                    data.truncate(20);
                    data.extend(&bytes);
                    data[3] = bytes.len() as u8;
                }
            }
            let _ = reflexive.handle_datagram(transmits[0].path, &data);
        }
    }
}
