//! Whether the other side still sees us where it did. Its answers to our connectivity checks say from
//! which address they came (RFC 8489, XOR-MAPPED-ADDRESS). Where that changes - a translator of
//! addresses has forgotten us, or our own address is another - our packets still arrive and are
//! answered, but what the other side sends by itself goes to the old address. Only a restart of ICE
//! mends that, and the side that has moved is the first that can know.

use std::{collections::VecDeque, net::SocketAddr};

use rtc::stun::{
    message::{BINDING_SUCCESS, Getter as _, Message},
    xoraddr::XorMappedAddress,
};

use super::{
    Path,
    stun::{REQUEST, SUCCESS, TransactionId, transaction},
};

/// Checks that an answer is believed to; older ones are forgotten.
const MAX_REQUESTS: usize = 32;
/// Ways to the other side that are watched; older ones are forgotten.
const MAX_WAYS: usize = 32;

#[derive(Default)]
pub(super) struct OwnAddress {
    /// An answer counts only to a check that was made: strangers do not know its number.
    requests: VecDeque<(TransactionId, Path)>,
    seen_as: VecDeque<(Path, SocketAddr)>,
    /// Where the last answer came to.
    in_use: Option<SocketAddr>,
}

impl OwnAddress {
    /// Something leaves.
    pub(super) fn sent(&mut self, path: Path, data: &[u8]) {
        if let Some(number) = transaction(data, REQUEST) {
            self.requests.truncate(MAX_REQUESTS - 1);
            self.requests.push_front((number, path));
        }
    }

    /// Something has come. True when it says that we are seen elsewhere than before.
    pub(super) fn received(&mut self, path: Path, data: &[u8]) -> bool {
        let Some(number) = transaction(data, SUCCESS) else {
            return false;
        };
        let Some(request) = self.requests.iter().position(|asked| *asked == (number, path)) else {
            return false;
        };
        let Some(seen_as) = mapped_address(data) else {
            return false;
        };
        self.requests.remove(request);
        self.in_use = Some(path.local);
        match self.seen_as.iter_mut().find(|(way, _)| *way == path) {
            Some((_, before)) => std::mem::replace(before, seen_as) != seen_as,
            None => {
                self.seen_as.truncate(MAX_WAYS - 1);
                self.seen_as.push_front((path, seen_as));
                false
            }
        }
    }

    /// The address of ours that a candidate names is the one in use.
    pub(super) fn is_in_use(&self, candidate: &str) -> bool {
        self.in_use
            .is_some_and(|local| candidate.contains(&format!(" {} {} typ ", local.ip(), local.port())))
    }

    /// Begins anew: what comes next is what is right.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}

fn mapped_address(data: &[u8]) -> Option<SocketAddr> {
    let mut response = Message::new();
    response.raw = data.to_vec();
    response.decode().ok()?;
    let mut address = XorMappedAddress::default();
    (response.typ == BINDING_SUCCESS && address.get_from(&response).is_ok())
        .then(|| SocketAddr::new(address.ip, address.port))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rtc::stun::message::{BINDING_REQUEST, TransactionId as Number};

    use super::*;

    fn way() -> Path {
        Path {
            local: "10.0.0.1:1000".parse().expect("an address"),
            peer: "10.0.0.2:2000".parse().expect("an address"),
            tcp: false,
        }
    }

    fn request() -> Vec<u8> {
        let mut message = Message::new();
        message
            .build(&[Box::new(Number::new()), Box::new(BINDING_REQUEST)])
            .expect("a request");
        message.raw
    }

    fn answer(request: &[u8], seen_as: &str) -> Vec<u8> {
        let seen_as: SocketAddr = seen_as.parse().expect("an address");
        let mut asked = Message::new();
        asked.raw = request.to_vec();
        asked.decode().expect("a request");
        let mut message = Message::new();
        let address = XorMappedAddress {
            ip: seen_as.ip(),
            port: seen_as.port(),
        };
        message
            .build(&[
                Box::new(asked.transaction_id),
                Box::new(BINDING_SUCCESS),
                Box::new(address),
            ])
            .expect("an answer");
        message.raw
    }

    fn asked_and_answered(watch: &mut OwnAddress, seen_as: &str) -> bool {
        let request = request();
        watch.sent(way(), &request);
        watch.received(way(), &answer(&request, seen_as))
    }

    #[test]
    fn another_address_in_an_answer_is_noticed_once() {
        let mut watch = OwnAddress::default();
        assert!(!asked_and_answered(&mut watch, "203.0.113.5:61000"));
        assert!(!asked_and_answered(&mut watch, "203.0.113.5:61000"));
        assert!(asked_and_answered(&mut watch, "203.0.113.5:61001"));
        assert!(!asked_and_answered(&mut watch, "203.0.113.5:61001"));
    }

    #[test]
    fn nobody_is_believed_who_was_not_asked() {
        let mut watch = OwnAddress::default();
        assert!(!asked_and_answered(&mut watch, "203.0.113.5:61000"));
        let forged = answer(&request(), "198.51.100.1:1");
        assert!(!watch.received(way(), &forged));
        let asked = request();
        watch.sent(way(), &asked);
        let stranger = Path {
            peer: "198.51.100.1:2000".parse().expect("an address"),
            ..way()
        };
        assert!(!watch.received(stranger, &answer(&asked, "198.51.100.1:1")));
        let true_answer = answer(&asked, "203.0.113.5:61000");
        assert!(!watch.received(way(), &true_answer));
        assert!(!watch.received(way(), &answer(&asked, "198.51.100.1:1")), "once");
    }

    proptest! {
        #[test]
        fn no_datagram_makes_it_panic_or_hoard(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let mut watch = OwnAddress::default();
            for _ in 0..100 {
                let request = request();
                watch.sent(way(), &request);
                let mut data = answer(&request, "203.0.113.5:61000");
                data.truncate(20);
                data.extend(&bytes);
                data[3] = bytes.len() as u8;
                watch.received(way(), &data);
                watch.received(way(), &bytes);
            }
            assert!(watch.requests.len() <= MAX_REQUESTS);
        }
    }
}
