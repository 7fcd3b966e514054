//! One ICE candidate (RFC 8839): an address at which a peer may be reached.

use std::fmt;

use crate::{engine::sdp, session_description::SdpParseError};

/// An ICE candidate with the media section that it belongs to.
pub struct IceCandidate {
    sdp_mid: String,
    sdp_mline_index: i32,
    candidate: String,
}

impl IceCandidate {
    /// Reads a `candidate:` attribute. An empty text stands for the end of candidates.
    pub fn parse(sdp_mid: &str, sdp_mline_index: i32, sdp: &str) -> Result<IceCandidate, SdpParseError> {
        let candidate = sdp.strip_prefix("a=").unwrap_or(sdp).trim();
        if !candidate.is_empty() && sdp::Candidate::parse(candidate).is_none() {
            return Err(SdpParseError {
                line: candidate.to_owned(),
                description: "not a candidate attribute".to_owned(),
            });
        }
        Ok(Self::new(
            sdp_mid.to_owned(),
            sdp_mline_index,
            candidate.to_owned(),
        ))
    }

    pub(crate) fn new(sdp_mid: String, sdp_mline_index: i32, candidate: String) -> Self {
        Self {
            sdp_mid,
            sdp_mline_index,
            candidate,
        }
    }

    /// The identification tag of the media section.
    pub fn sdp_mid(&self) -> String {
        self.sdp_mid.clone()
    }

    /// The index of the media section.
    pub fn sdp_mline_index(&self) -> i32 {
        self.sdp_mline_index
    }

    /// The attribute, from `candidate:` on.
    pub fn candidate(&self) -> String {
        self.candidate.clone()
    }
}

impl fmt::Display for IceCandidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.candidate)
    }
}

impl fmt::Debug for IceCandidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IceCandidate")
            .field("candidate", &self.candidate)
            .finish()
    }
}
