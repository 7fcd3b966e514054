//! Servers that give us further addresses: STUN tells how we look from outside, TURN lends an address
//! of its own. None of them ever holds anything up: what they find is announced when it is there.

use std::{
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use bytes::Bytes;
use rtc::ice::url::{SchemeType, Url};
use tokio::sync::mpsc;
use tokio_rustls::rustls;
use zeroize::Zeroizing;

use self::{
    attributes::{reflexive_candidate, relay_candidate},
    proxy::Proxies,
    stun::{Answer, Reflexive},
    turn::{RelayError, RelayServer},
};
use super::sockets::Datagram;
use crate::{
    RtcError,
    engine::{Path, Transmit},
    peer_connection::IceCandidateError,
    peer_connection_factory::IceServer,
};

mod attributes;
mod framing;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod proxy;
mod stun;
#[cfg(test)]
mod tests;
mod trust;
mod turn;

/// How many addresses of servers are used; further ones are passed over.
const MAX_SERVERS: usize = 8;
/// With each reconnection a server may give new credentials.
const MAX_RELAYS_OF_A_SERVER: usize = 2;
/// How many datagrams wait for a relay's task, and from all of them for the connection.
const MAX_WAITING_DATAGRAMS: usize = 256;
/// How many reports of tasks wait.
const MAX_WAITING_REPORTS: usize = 64;
/// RFC 8445 and W3C: the server was not reached.
const UNREACHABLE_CODE: i32 = 701;

/// What has changed.
#[derive(Debug)]
pub(super) enum Found {
    /// A new address, as candidate attribute.
    Candidate(String),
    /// An address that is no more.
    Lost(String),
    Failed(IceCandidateError),
    /// Everybody who was asked has answered or been given up.
    Done,
}

/// What a task tells.
enum Report {
    Resolved(String, Vec<SocketAddr>),
    Relayed(usize, SocketAddr),
    Ended(usize, Result<(), RelayError>),
    Unresolved(String, std::io::Error),
}

pub(super) struct Servers {
    asked: Vec<Asked>,
    /// STUN servers are of interest.
    stun: bool,
    reflexive: Reflexive,
    /// From which sockets which STUN servers were asked, and what they gave.
    seen: Vec<Seen>,
    /// Names being looked up.
    looking_up: usize,
    done_told: bool,
    tls: Arc<rustls::ClientConfig>,
    proxies: Proxies,
    reports: mpsc::Receiver<Report>,
    reports_of_tasks: mpsc::Sender<Report>,
    received: mpsc::Receiver<Datagram>,
    received_by_tasks: mpsc::Sender<Datagram>,
    found: Vec<Found>,
}

/// A server that was asked, and what it gave.
struct Asked {
    url: String,
    username: String,
    password: Zeroizing<String>,
    relay: Option<Relay>,
    /// It is being given back.
    closing: bool,
}

/// How a STUN server sees a socket.
struct Seen {
    url: String,
    base: SocketAddr,
    candidate: Option<String>,
}

struct Relay {
    address: Option<SocketAddr>,
    candidate: Option<String>,
    outgoing: mpsc::Sender<(SocketAddr, Bytes)>,
}

impl Servers {
    pub(super) fn new() -> Result<Self, RtcError> {
        Ok(Self::trusting(
            trust::everybody_known()?,
            Proxies::of_environment(),
        ))
    }

    fn trusting(tls: Arc<rustls::ClientConfig>, proxies: Proxies) -> Self {
        let (reports_of_tasks, reports) = mpsc::channel(MAX_WAITING_REPORTS);
        let (received_by_tasks, received) = mpsc::channel(MAX_WAITING_DATAGRAMS);
        Self {
            asked: Vec::new(),
            stun: false,
            reflexive: Reflexive::default(),
            seen: Vec::new(),
            looking_up: 0,
            done_told: true,
            tls,
            proxies,
            reports,
            reports_of_tasks,
            received,
            received_by_tasks,
            found: Vec::new(),
        }
    }

    /// Asks servers that have not been asked, or whose relay is gone. True when any is asked. STUN
    /// servers are asked only when there are sockets to ask for.
    pub(super) fn ask(&mut self, servers: &[IceServer], stun: bool) -> bool {
        self.stun = stun;
        let mut asks = false;
        for server in servers {
            for url in &server.urls {
                asks |= self.ask_one(server, url, stun);
            }
        }
        self.done_told &= !asks;
        asks
    }

    fn ask_one(&mut self, server: &IceServer, text: &str, stun: bool) -> bool {
        let asked_before = self.asked.iter().position(|asked| {
            (asked.url.as_str(), &asked.username, asked.password.as_str())
                == (text, &server.username, server.password.as_str())
        });
        let Some(index) = asked_before.or_else(|| self.remember(server, text)) else {
            return false;
        };
        let url = match Url::parse_url(text) {
            Ok(url) => url,
            Err(error) => {
                if asked_before.is_none() {
                    self.fail(text, &error);
                }
                return false;
            }
        };
        match url.scheme {
            SchemeType::Turn | SchemeType::Turns if self.asked[index].relay.is_none() => {
                self.ask_relay(index, url, server);
                true
            }
            SchemeType::Stun if stun && asked_before.is_none() => {
                self.look_up(text, url);
                true
            }
            SchemeType::Stuns => {
                tracing::debug!(url = text, "STUN over TLS tells nothing about UDP: passed over");
                false
            }
            _ => false,
        }
    }

    /// Sockets were closed, and others opened: STUN servers are asked how those look.
    pub(super) fn moved(&mut self, lost: &[SocketAddr], gained: &[SocketAddr]) {
        self.reflexive.forget(lost);
        let gone = self.seen.extract_if(.., |seen| lost.contains(&seen.base));
        self.found
            .extend(gone.filter_map(|seen| seen.candidate).map(Found::Lost));
        if gained.is_empty() || !self.stun {
            return;
        }
        let texts: Vec<String> = self.asked.iter().map(|asked| asked.url.clone()).collect();
        for text in texts {
            // Its name may stand for another address where this host is now.
            if let Ok(url) = Url::parse_url(&text)
                && url.scheme == SchemeType::Stun
            {
                self.look_up(&text, url);
                self.done_told = false;
            }
        }
    }

    fn remember(&mut self, server: &IceServer, url: &str) -> Option<usize> {
        self.retire(url);
        let asked = Asked {
            url: url.to_owned(),
            username: server.username.clone(),
            password: Zeroizing::new(server.password.clone()),
            relay: None,
            closing: false,
        };
        if self.asked.len() < MAX_SERVERS {
            self.asked.push(asked);
            return Some(self.asked.len() - 1);
        }
        // No task speaks for a place without a relay any more.
        let Some(index) = self.asked.iter().position(|asked| asked.relay.is_none()) else {
            tracing::warn!(url, MAX_SERVERS, "too many ICE servers: passed over");
            return None;
        };
        self.asked[index] = asked;
        Some(index)
    }

    /// A server that gives new credentials with each reconnection is asked anew each time. The address
    /// before may still be in use; the one before that is not.
    fn retire(&mut self, url: &str) {
        let mut held: Vec<&mut Asked> = self
            .asked
            .iter_mut()
            .filter(|asked| asked.url == url && asked.relay.is_some() && !asked.closing)
            .collect();
        if held.len() >= MAX_RELAYS_OF_A_SERVER
            && let Some(oldest) = held.first_mut()
        {
            oldest.closing = true;
            if let Some(relay) = &mut oldest.relay {
                // The task ends, and says so, when nothing can be sent through it any more.
                relay.outgoing = mpsc::channel(1).0;
            }
        }
    }

    fn ask_relay(&mut self, index: usize, url: Url, server: &IceServer) {
        let (outgoing, to_send) = mpsc::channel(MAX_WAITING_DATAGRAMS);
        let server = RelayServer {
            proxy: self.proxies.of(&url).cloned(),
            url,
            username: server.username.clone(),
            password: Zeroizing::new(server.password.clone()),
        };
        let reports = self.reports_of_tasks.clone();
        let tell = reports.clone();
        let relayed = move |address| {
            // Two reports a server at most, and there is room for eight times as many.
            let _ = tell.try_send(Report::Relayed(index, address));
        };
        let hold = turn::hold(
            server,
            self.tls.clone(),
            to_send,
            self.received_by_tasks.clone(),
            relayed,
        );
        tokio::spawn(async move {
            let result = hold.await;
            let _ = reports.send(Report::Ended(index, result)).await;
        });
        self.asked[index].relay = Some(Relay {
            address: None,
            candidate: None,
            outgoing,
        });
    }

    fn look_up(&mut self, text: &str, url: Url) {
        let (text, reports) = (text.to_owned(), self.reports_of_tasks.clone());
        self.looking_up += 1;
        tokio::spawn(async move {
            let report = match tokio::net::lookup_host((url.host.as_str(), url.port)).await {
                Ok(addresses) => Report::Resolved(text, addresses.collect()),
                Err(error) => Report::Unresolved(text, error),
            };
            let _ = reports.send(report).await;
        });
    }

    /// Sends by way of the relay that a path begins at; false when it begins at none.
    pub(super) fn send(&self, path: Path, data: Bytes) -> bool {
        let mut relays = self.asked.iter().filter_map(|asked| asked.relay.as_ref());
        let Some(relay) = relays.find(|relay| relay.address == Some(path.local)) else {
            return false;
        };
        if relay.outgoing.try_send((path.peer, data)).is_err() {
            tracing::trace!(peer = %path.peer, "the relay is full or gone");
        }
        true
    }

    /// When [`Self::handle_timeout`] is wanted.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.reflexive.poll_timeout()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant, transmits: &mut Vec<Transmit>) {
        let mut answers = Vec::new();
        self.reflexive.handle_timeout(now, transmits, &mut answers);
        for answer in answers {
            self.answered(answer);
        }
    }

    /// Whether a datagram that came to one of our sockets was meant for us here.
    pub(super) fn handle_datagram(&mut self, path: Path, data: &[u8]) -> bool {
        match self.reflexive.handle_datagram(path, data) {
            Some(answer) => {
                self.answered(answer);
                true
            }
            None => false,
        }
    }

    fn answered(&mut self, answer: Answer) {
        match answer {
            Answer::Seen { url, base, seen_as } => {
                // Nothing translates addresses on the way: it is the one we know.
                if seen_as != base
                    && let Some(candidate) = reflexive_candidate(base, seen_as)
                {
                    tracing::debug!(%url, %base, %seen_as, "seen from outside");
                    let mut seen = self.seen.iter_mut();
                    if let Some(seen) = seen.find(|seen| (&seen.url, seen.base) == (&url, base)) {
                        seen.candidate = Some(candidate.clone());
                    }
                    self.found.push(Found::Candidate(candidate));
                }
            }
            Answer::None { url, base } => {
                // With the next address of this host it may be reached.
                self.seen.retain(|seen| (&seen.url, seen.base) != (&url, base));
                self.fail_at(&url, Some(base), &RelayError::TimedOut);
            }
        }
    }

    /// A datagram from a relay.
    pub(super) fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Datagram> {
        match self.received.poll_recv(cx) {
            Poll::Ready(Some(datagram)) => Poll::Ready(datagram),
            // Never ready without a datagram: this struct holds a sender itself.
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }

    /// Takes the reports of tasks; ready when [`Self::take_found`] or [`Self::poll_timeout`] may have
    /// changed. `bases` are the sockets whose reflexive address is of interest.
    pub(super) fn poll_reports(
        &mut self,
        cx: &mut Context<'_>,
        bases: impl Iterator<Item = SocketAddr> + Clone,
    ) -> Poll<()> {
        let mut reported = false;
        while let Poll::Ready(Some(report)) = self.reports.poll_recv(cx) {
            reported = true;
            match report {
                Report::Resolved(url, addresses) => {
                    self.looking_up -= 1;
                    for base in bases.clone() {
                        let server = addresses.iter().find(|server| {
                            server.is_ipv4() == base.is_ipv4()
                                && server.ip().is_loopback() == base.ip().is_loopback()
                        });
                        let asked = |seen: &Seen| (&seen.url, seen.base) == (&url, base);
                        if let Some(server) = server
                            && !self.seen.iter().any(asked)
                        {
                            self.seen.push(Seen {
                                url: url.clone(),
                                base,
                                candidate: None,
                            });
                            self.reflexive.ask(Instant::now(), &url, *server, base);
                        }
                    }
                }
                Report::Unresolved(url, error) => {
                    self.looking_up -= 1;
                    self.fail(&url, &error);
                }
                Report::Relayed(index, address) => {
                    if let Some(relay) = self.asked[index].relay.as_mut()
                        && let Some(candidate) = relay_candidate(address)
                    {
                        relay.address = Some(address);
                        relay.candidate = Some(candidate.clone());
                        self.found.push(Found::Candidate(candidate));
                    }
                }
                Report::Ended(index, result) => {
                    let relay = self.asked[index].relay.take();
                    let lost = relay.and_then(|relay| relay.candidate);
                    self.found.extend(lost.map(Found::Lost));
                    if let Err(error) = result {
                        let url = self.asked[index].url.clone();
                        self.fail(&url, &error);
                    }
                }
            }
        }
        if reported { Poll::Ready(()) } else { Poll::Pending }
    }

    /// What has changed since the last call.
    pub(super) fn take_found(&mut self) -> Vec<Found> {
        let waiting = self
            .asked
            .iter()
            .any(|asked| asked.relay.as_ref().is_some_and(|relay| relay.address.is_none()));
        if !self.done_told && !waiting && self.looking_up == 0 && self.reflexive.is_idle() {
            self.done_told = true;
            self.found.push(Found::Done);
        }
        std::mem::take(&mut self.found)
    }

    fn fail(&mut self, url: &str, error: &dyn std::fmt::Display) {
        self.fail_at(url, None, error);
    }

    fn fail_at(&mut self, url: &str, base: Option<SocketAddr>, error: &dyn std::fmt::Display) {
        tracing::warn!(url, %error, "an ICE server gives no address");
        self.found.push(Found::Failed(IceCandidateError {
            address: base.map(|base| base.ip().to_string()).unwrap_or_default(),
            port: base.map_or(0, |base| i32::from(base.port())),
            url: url.to_owned(),
            error_code: error_code(&error.to_string()),
            error_text: error.to_string(),
        }));
    }
}

/// The number in a server's refusal, such as `(error 401: Unauthorized)`.
fn error_code(text: &str) -> i32 {
    let number = text.split_once("(error ").map(|(_, rest)| rest);
    number
        .and_then(|rest| rest.get(..3)?.parse().ok())
        .unwrap_or(UNREACHABLE_CODE)
}
