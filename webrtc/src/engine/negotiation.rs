//! Offer and answer (RFC 8829), and the differences between what `livekit` does and `rtc` allows.
//!
//! `rtc` takes back only the exact text that it created. `livekit` edits that text before it sets
//! it, so the original is applied, the edit's meaning is applied beside it, and the edited text is
//! what [`Engine::current_local_description`] reports.

use std::time::Instant;

use rtc::peer_connection::{
    configuration::RTCOfferOptions, sdp::RTCSessionDescription, transport::RTCIceCandidateInit,
};

use super::{Engine, EngineEvent, sdp};
use crate::{
    RtcError,
    peer_connection::{IceGatheringState, OfferOptions, SignalingState},
    session_description::{SdpType, SessionDescription},
};

/// Descriptions, as the public API reports them.
#[derive(Default)]
pub(super) struct Negotiation {
    /// The text that `rtc` created last, for each type.
    created_offer: Option<String>,
    created_answer: Option<String>,
    pending_local: Option<SessionDescription>,
    current_local: Option<SessionDescription>,
    pending_remote: Option<SessionDescription>,
    current_remote: Option<SessionDescription>,
    /// The user fragment under which our candidates were announced.
    announced_ufrag: Option<String>,
    restart_requested: bool,
    gathering: GatheringState,
    /// Servers are being asked for further addresses.
    asking: bool,
}

#[derive(Default, Clone, Copy, PartialEq)]
enum GatheringState {
    #[default]
    New,
    Gathering,
    Complete,
}

impl Negotiation {
    /// The local description that is about to be in force, or the one that is.
    pub(super) fn latest_local(&self) -> Option<&SessionDescription> {
        self.pending_local.as_ref().or(self.current_local.as_ref())
    }

    /// The remote description in force, or the one that is about to be.
    pub(super) fn latest_remote(&self) -> Option<&SessionDescription> {
        self.pending_remote.as_ref().or(self.current_remote.as_ref())
    }
}

impl Engine {
    pub(crate) fn signaling_state(&self) -> SignalingState {
        if self.closed {
            return SignalingState::Closed;
        }
        match (&self.negotiation.pending_local, &self.negotiation.pending_remote) {
            (Some(local), _) if local.sdp_type() == SdpType::Offer => SignalingState::HaveLocalOffer,
            (Some(_), _) => SignalingState::HaveLocalPrAnswer,
            (None, Some(remote)) if remote.sdp_type() == SdpType::Offer => SignalingState::HaveRemoteOffer,
            (None, Some(_)) => SignalingState::HaveRemotePrAnswer,
            (None, None) => SignalingState::Stable,
        }
    }

    pub(crate) fn gathering_state(&self) -> IceGatheringState {
        match self.negotiation.gathering {
            GatheringState::New => IceGatheringState::New,
            GatheringState::Gathering => IceGatheringState::Gathering,
            GatheringState::Complete => IceGatheringState::Complete,
        }
    }

    /// Servers are asked for further addresses.
    pub(crate) fn begin_gathering(&mut self) {
        self.negotiation.asking = true;
        if self.negotiation.gathering == GatheringState::Complete {
            self.negotiation.gathering = GatheringState::Gathering;
            self.push(EngineEvent::GatheringState(IceGatheringState::Gathering));
        }
    }

    /// All servers have answered or been given up.
    pub(crate) fn end_gathering(&mut self) {
        self.negotiation.asking = false;
        if self.negotiation.gathering == GatheringState::Gathering {
            self.negotiation.gathering = GatheringState::Complete;
            self.push(EngineEvent::GatheringState(IceGatheringState::Complete));
        }
    }

    /// A server has given us a further address.
    pub(crate) fn add_found_candidate(&mut self, candidate: String) {
        if self.closed || self.local_candidates.contains(&candidate) {
            return;
        }
        self.local_candidates.push(candidate.clone());
        self.register_local_candidates();
        if self.negotiation.announced_ufrag.is_some() {
            self.push(EngineEvent::LocalCandidate(candidate));
        }
    }

    /// An address is ours no more: further offers do not name it. Where it was the one in use, a restart
    /// is needed.
    pub(crate) fn lose_candidate(&mut self, candidate: &str) {
        self.local_candidates.retain(|known| known != candidate);
        if self.own_address.is_in_use(candidate) {
            self.fail_moved();
        }
    }

    /// Further offers name relays only.
    pub(crate) fn forget_direct_candidates(&mut self) {
        self.local_candidates
            .retain(|candidate| candidate.contains(" typ relay"));
    }

    pub(crate) fn current_local_description(&self) -> Option<SessionDescription> {
        self.negotiation.current_local.clone()
    }

    pub(crate) fn current_remote_description(&self) -> Option<SessionDescription> {
        self.negotiation.current_remote.clone()
    }

    /// Makes our addresses known to ICE. Known ones are ignored.
    pub(crate) fn add_local_candidates(&mut self, candidates: Vec<String>) {
        self.local_candidates = candidates;
        self.register_local_candidates();
    }

    /// The next offer restarts ICE.
    pub(crate) fn request_ice_restart(&mut self) {
        self.negotiation.restart_requested = true;
        self.push(EngineEvent::NegotiationNeeded);
    }

    pub(crate) fn create_offer(&mut self, options: &OfferOptions) -> Result<SessionDescription, RtcError> {
        self.ensure_open()?;
        let restart = options.ice_restart || std::mem::take(&mut self.negotiation.restart_requested);
        // When ICE fails, `rtc` forgets our candidates; an offer without any would restart nothing.
        self.register_local_candidates();
        let options = RTCOfferOptions { ice_restart: restart };
        let offer = self.rtc.create_offer(Some(options)).map_err(RtcError::internal)?;
        self.negotiation.created_offer = Some(offer.sdp.clone());
        self.sync_mids();
        Ok(SessionDescription::from_trusted(offer.sdp, SdpType::Offer))
    }

    pub(crate) fn create_answer(&mut self) -> Result<SessionDescription, RtcError> {
        self.ensure_open()?;
        self.register_local_candidates();
        let answer = self.rtc.create_answer(None).map_err(RtcError::invalid_state)?;
        self.negotiation.created_answer = Some(answer.sdp.clone());
        let offer = self.negotiation.pending_remote.as_ref();
        let answer = sdp::red::without_unoffered(answer.sdp, offer.map_or("", SessionDescription::text));
        Ok(SessionDescription::from_trusted(answer, SdpType::Answer))
    }

    pub(crate) fn set_local_description(
        &mut self,
        now: Instant,
        description: SessionDescription,
    ) -> Result<(), RtcError> {
        self.ensure_open()?;
        let created = match description.sdp_type() {
            SdpType::Offer => self.negotiation.created_offer.clone(),
            SdpType::Answer | SdpType::PrAnswer => self.negotiation.created_answer.clone(),
            SdpType::Rollback => return self.rollback(now, true),
        };
        let created = created.ok_or_else(|| RtcError::invalid_state("no such description was created"))?;
        for mid in sdp::revived_mids(&created, description.text()) {
            self.revive_receiving(&mid);
        }
        let original = describe(description.sdp_type(), created)?;
        self.rtc
            .set_local_description(now, original)
            .map_err(RtcError::invalid_sdp)?;

        match description.sdp_type() {
            SdpType::Answer => {
                self.negotiation.current_local = Some(description.clone());
                self.negotiation.pending_local = None;
                self.negotiation.current_remote = self.negotiation.pending_remote.take();
            }
            _ => self.negotiation.pending_local = Some(description.clone()),
        }
        self.sync_mids();
        self.update_media();
        self.announce_candidates(description.text())
    }

    pub(crate) fn set_remote_description(
        &mut self,
        now: Instant,
        description: SessionDescription,
    ) -> Result<(), RtcError> {
        self.ensure_open()?;
        if description.sdp_type() == SdpType::Rollback {
            return self.rollback(now, false);
        }
        let adapted = sdp::adapt_remote(description.text());
        let remote = describe(description.sdp_type(), adapted.clone())?;
        self.rtc
            .set_remote_description(now, remote)
            .map_err(RtcError::invalid_sdp)?;

        match description.sdp_type() {
            SdpType::Answer => {
                self.negotiation.current_remote = Some(description);
                self.negotiation.pending_remote = None;
                self.negotiation.current_local = self.negotiation.pending_local.take();
            }
            _ => self.negotiation.pending_remote = Some(description),
        }
        for candidate in sdp::candidates(&adapted) {
            self.early_checks.learn(&candidate);
        }
        self.sync_remote_transceivers();
        self.update_media();
        Ok(())
    }

    pub(crate) fn add_remote_candidate(&mut self, candidate: &str) -> Result<(), RtcError> {
        self.ensure_open()?;
        if self.negotiation.latest_remote().is_none() {
            return Err(RtcError::invalid_state(
                "a candidate before the remote description",
            ));
        }
        let Some(usable) = sdp::Candidate::parse(candidate).filter(sdp::Candidate::is_usable) else {
            // Not an error: the other side may offer ways that are not open to us.
            tracing::debug!(candidate, "candidate left aside");
            return Ok(());
        };
        let init = RTCIceCandidateInit {
            candidate: candidate.to_owned(),
            ..Default::default()
        };
        self.rtc
            .add_remote_candidate(init)
            .map_err(RtcError::invalid_sdp)?;
        self.early_checks.learn(&usable);
        Ok(())
    }

    fn rollback(&mut self, now: Instant, local: bool) -> Result<(), RtcError> {
        let rollback = RTCSessionDescription::rollback(None).map_err(RtcError::internal)?;
        if local {
            self.rtc
                .set_local_description(now, rollback)
                .map_err(RtcError::invalid_state)?;
            self.negotiation.pending_local = None;
        } else {
            self.rtc
                .set_remote_description(now, rollback)
                .map_err(RtcError::invalid_state)?;
            self.negotiation.pending_remote = None;
        }
        Ok(())
    }

    fn register_local_candidates(&mut self) {
        for candidate in &self.local_candidates {
            let init = RTCIceCandidateInit {
                candidate: candidate.clone(),
                ..Default::default()
            };
            if let Err(error) = self.rtc.add_local_candidate(init) {
                tracing::warn!(%error, %candidate, "local candidate refused");
            }
        }
    }

    /// `rtc` does not gather. The addresses that are known are announced once for each user fragment,
    /// with the first local description that carries it; what servers give later follows.
    fn announce_candidates(&mut self, local: &str) -> Result<(), RtcError> {
        let ufrag = sdp::ice_ufrag(local).map(str::to_owned);
        if ufrag == self.negotiation.announced_ufrag {
            return Ok(());
        }
        self.negotiation.announced_ufrag = ufrag;
        self.negotiation.gathering = GatheringState::Gathering;
        self.push(EngineEvent::GatheringState(IceGatheringState::Gathering));
        for candidate in self.local_candidates.clone() {
            self.push(EngineEvent::LocalCandidate(candidate));
        }
        self.rtc
            .add_local_candidate(RTCIceCandidateInit::default())
            .map_err(RtcError::internal)?;
        if !self.negotiation.asking {
            self.end_gathering();
        }
        Ok(())
    }
}

fn describe(sdp_type: SdpType, text: String) -> Result<RTCSessionDescription, RtcError> {
    match sdp_type {
        SdpType::Offer => RTCSessionDescription::offer(text),
        SdpType::Answer => RTCSessionDescription::answer(text),
        SdpType::PrAnswer => RTCSessionDescription::pranswer(text),
        SdpType::Rollback => RTCSessionDescription::rollback(None),
    }
    .map_err(RtcError::invalid_sdp)
}
