//! The least that WebRTC can be for somebody who only sends: ICE, DTLS, and SRTP one way. Without sockets or a clock.
//!
//! Reports of the other side are not read. Its certificate is not compared either: this is a load, on the own machine.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow};
use bytes::BytesMut;
use rtc::crypto::{HashAlgorithm, RTCCryptoProvider, default_provider};
use rtc::dtls::config::{ClientAuthType, ConfigBuilder, ExtendedMasterSecretType, HandshakeConfig};
use rtc::dtls::crypto::Certificate;
use rtc::dtls::endpoint::{Endpoint, EndpointEvent};
use rtc::dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc::ice::agent::agent_config::AgentConfig;
use rtc::ice::candidate::candidate_host::CandidateHostConfig;
use rtc::ice::candidate::{CandidateConfig, unmarshal_candidate};
use rtc::ice::{Agent, Event};
use rtc::sansio::Protocol as _;
use rtc::shared::{TaggedBytesMut, TransportContext, TransportProtocol};
use rtc::srtp::config::LABEL_EXTRACTOR_DTLS_SRTP;
use rtc::srtp::context::Context as Srtp;
use rtc::srtp::protection_profile::ProtectionProfile;

use crate::offer::Answer;

/// What all participants have in common: one certificate is enough for a crowd.
pub(crate) struct Identity {
    crypto: Arc<dyn RTCCryptoProvider>,
    certificate: Certificate,
    /// Of the certificate, as descriptions have it.
    pub(crate) fingerprint: String,
}

impl Identity {
    /// Makes one.
    ///
    /// # Errors
    /// There is no cryptography.
    pub(crate) fn new() -> Result<Self> {
        let crypto = default_provider().map_err(|error| anyhow!("no cryptography: {error}"))?;
        let certificate = Certificate::generate_self_signed(vec!["crowd".to_owned()], crypto.crypto())?;
        let der = certificate.certificate.first().context("an empty certificate")?;
        let hash = crypto
            .crypto()
            .hash(HashAlgorithm::Sha256, der)
            .map_err(|error| anyhow!("hashing the certificate: {error}"))?;
        let hex: Vec<String> = hash.iter().map(|byte| format!("{byte:02X}")).collect();
        Ok(Self {
            crypto,
            certificate,
            fingerprint: hex.join(":"),
        })
    }

    fn handshake(&self, is_client: bool) -> Result<Arc<HandshakeConfig>> {
        let config = ConfigBuilder::default()
            .with_crypto_provider(self.crypto.clone())
            .with_certificates(vec![self.certificate.clone()])
            .with_srtp_protection_profiles(vec![SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm])
            .with_client_auth(ClientAuthType::RequireAnyClientCert)
            .with_insecure_skip_verify(true)
            .with_extended_master_secret(ExtendedMasterSecretType::Require)
            .build(is_client, None)?;
        Ok(Arc::new(config))
    }
}

/// One participant's.
pub(crate) struct Transport {
    identity: Arc<Identity>,
    local: SocketAddr,
    ice: Agent,
    dtls: Option<Endpoint>,
    /// What DTLS begins with, where it is ours to begin.
    client: Option<Arc<HandshakeConfig>>,
    /// Where the other side is, once it is known to be reached.
    peer: Option<SocketAddr>,
    connected: bool,
    srtp: Option<Srtp>,
    outgoing: VecDeque<(SocketAddr, BytesMut)>,
}

impl Transport {
    /// One whose datagrams come from and go to `local`.
    ///
    /// # Errors
    /// The address is of no use.
    pub(crate) fn new(identity: Arc<Identity>, local: SocketAddr, now: Instant) -> Result<Self> {
        let config = AgentConfig {
            is_controlling: true,
            ..AgentConfig::default()
        };
        let mut ice = Agent::new(now, Arc::new(config), identity.crypto.clone())?;
        let host = CandidateHostConfig {
            base_config: CandidateConfig {
                network: "udp".to_owned(),
                address: local.ip().to_string(),
                port: local.port(),
                component: 1,
                ..CandidateConfig::default()
            },
            ..CandidateHostConfig::default()
        };
        ice.add_local_candidate(host.new_candidate_host()?)?;
        Ok(Self {
            identity,
            local,
            ice,
            dtls: None,
            client: None,
            peer: None,
            connected: false,
            srtp: None,
            outgoing: VecDeque::new(),
        })
    }

    /// Our name and password for ICE.
    pub(crate) fn credentials(&self) -> (String, String) {
        let own = self.ice.get_local_credentials();
        (own.ufrag.clone(), own.pwd.clone())
    }

    /// Begins with what the other side answered.
    ///
    /// # Errors
    /// It cannot be used.
    pub(crate) fn answered(&mut self, answer: &Answer, now: Instant) -> Result<()> {
        let handshake = self.identity.handshake(!answer.active)?;
        let (server, client) = if answer.active {
            (Some(handshake), None)
        } else {
            (None, Some(handshake))
        };
        self.client = client;
        self.dtls = Some(Endpoint::new(self.local, TransportProtocol::UDP, server));
        for candidate in &answer.candidates {
            self.candidate(candidate)?;
        }
        let (ufrag, password) = (answer.ufrag.clone(), answer.password.clone());
        self.ice.start_connectivity_checks(now, true, ufrag, password)?;
        self.turn(now)
    }

    /// Takes an address of the other side.
    ///
    /// # Errors
    /// It is none.
    pub(crate) fn candidate(&mut self, candidate: &str) -> Result<()> {
        let candidate = candidate.trim_start_matches("candidate:");
        // ICE over TCP is not spoken here.
        if candidate
            .split_whitespace()
            .nth(2)
            .is_some_and(|it| it.eq_ignore_ascii_case("udp"))
        {
            self.ice.add_remote_candidate(unmarshal_candidate(candidate)?)?;
        }
        Ok(())
    }

    /// Takes a datagram.
    ///
    /// # Errors
    /// The handshake failed.
    pub(crate) fn received(&mut self, from: SocketAddr, data: &[u8], now: Instant) -> Result<()> {
        // RFC 7983: what it is stands in the first byte.
        match data.first() {
            Some(0..=3) => {
                let message = TaggedBytesMut {
                    now,
                    transport: self.context(from),
                    message: BytesMut::from(data),
                };
                // Strangers' datagrams are not our concern.
                let _ = self.ice.handle_read(message);
            }
            Some(20..=63) => {
                let Some(dtls) = &mut self.dtls else { return Ok(()) };
                for event in dtls.read(now, from, None, BytesMut::from(data))? {
                    if matches!(event, EndpointEvent::HandshakeComplete) {
                        self.connected = true;
                    }
                }
                if self.connected && self.srtp.is_none() {
                    self.srtp = Some(self.keyed(from)?);
                }
            }
            _ => return Ok(()),
        }
        self.turn(now)
    }

    /// When [`Transport::timed_out`] is wanted.
    pub(crate) fn timeout(&mut self) -> Option<Instant> {
        let dtls = self.dtls.as_ref().zip(self.peer);
        let dtls = dtls.and_then(|(dtls, peer)| dtls.poll_timeout(&peer));
        [self.ice.poll_timeout(), dtls].into_iter().flatten().min()
    }

    /// Tells the time.
    ///
    /// # Errors
    /// The handshake failed.
    pub(crate) fn timed_out(&mut self, now: Instant) -> Result<()> {
        self.ice.handle_timeout(now)?;
        if let Some((dtls, peer)) = self.dtls.as_mut().zip(self.peer) {
            // Without a handshake under way there is nothing to repeat.
            let _ = dtls.handle_timeout(peer, now);
        }
        self.turn(now)
    }

    /// The next datagram to send.
    pub(crate) fn outgoing(&mut self) -> Option<(SocketAddr, BytesMut)> {
        self.outgoing.pop_front()
    }

    /// Whether sound can be sent.
    pub(crate) fn is_ready(&self) -> bool {
        self.srtp.is_some()
    }

    /// An RTP packet as it goes out, and where to; none before it [is ready](Self::is_ready).
    pub(crate) fn protected(&mut self, packet: &[u8]) -> Option<(SocketAddr, BytesMut)> {
        let protected = self.srtp.as_mut()?.encrypt_rtp(packet).ok()?;
        Some((self.peer?, protected))
    }

    fn turn(&mut self, now: Instant) -> Result<()> {
        while let Some(event) = self.ice.poll_event() {
            if let Event::SelectedCandidatePairChange(_, remote) = event.event {
                let peer = remote.addr();
                self.peer = Some(peer);
                // Otherwise the other side begins.
                if let Some((dtls, client)) = self.dtls.as_mut().zip(self.client.take()) {
                    dtls.connect(now, peer, client, None)?;
                }
            }
        }
        while let Some(message) = self.ice.poll_write() {
            self.outgoing
                .push_back((message.transport.peer_addr, message.message));
        }
        while let Some(message) = self.dtls.as_mut().and_then(Endpoint::poll_transmit) {
            self.outgoing
                .push_back((message.transport.peer_addr, message.message));
        }
        Ok(())
    }

    fn keyed(&self, peer: SocketAddr) -> Result<Srtp> {
        let dtls = self.dtls.as_ref().context("no DTLS")?;
        let state = dtls.get_connection_state(peer).context("no DTLS association")?;
        let mut config = rtc::srtp::config::Config {
            profile: ProtectionProfile::AeadAes128Gcm,
            ..Default::default()
        };
        let material =
            state.export_keying_material(LABEL_EXTRACTOR_DTLS_SRTP, &[], config.keying_material_len())?;
        config.set_session_keys_from_keying_material(material.as_ref(), state.is_client())?;
        let (key, salt) = (&config.keys.local_master_key, &config.keys.local_master_salt);
        let crypto = self.identity.crypto.crypto();
        Ok(Srtp::new(key, salt, config.profile, None, None, crypto)?)
    }

    fn context(&self, peer: SocketAddr) -> TransportContext {
        TransportContext {
            local_addr: self.local,
            peer_addr: peer,
            transport_protocol: TransportProtocol::UDP,
            ecn: None,
        }
    }
}
