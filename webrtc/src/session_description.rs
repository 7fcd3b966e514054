//! Session descriptions (SDP, RFC 8866): text with a type.

use std::{fmt, str::FromStr};

use thiserror::Error;

use crate::engine::sdp;

/// The role of a description in offer/answer.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum SdpType {
    /// A proposal.
    Offer,
    /// A provisional reply.
    PrAnswer,
    /// The final reply.
    Answer,
    /// Back to the last stable state.
    Rollback,
}

impl FromStr for SdpType {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "offer" => Ok(Self::Offer),
            "pranswer" => Ok(Self::PrAnswer),
            "answer" => Ok(Self::Answer),
            "rollback" => Ok(Self::Rollback),
            _ => Err("invalid SdpType"),
        }
    }
}

impl fmt::Display for SdpType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Offer => "offer",
            Self::PrAnswer => "pranswer",
            Self::Answer => "answer",
            Self::Rollback => "rollback",
        })
    }
}

/// Why a description or a candidate could not be read.
#[derive(Clone, Error, Debug)]
#[error("Failed to parse sdp: {line} - {description}")]
pub struct SdpParseError {
    /// The offending line.
    pub line: String,
    /// What is wrong with it.
    pub description: String,
}

/// A session description: checked for shape when made, otherwise kept as its text.
#[derive(Clone)]
pub struct SessionDescription {
    sdp_type: SdpType,
    text: String,
}

impl SessionDescription {
    /// Takes the text of a description. Every line must have the form `x=...`, the first being
    /// `v=0`; what the lines mean is judged when the description is applied.
    pub fn parse(sdp: &str, sdp_type: SdpType) -> Result<Self, SdpParseError> {
        if sdp_type != SdpType::Rollback {
            sdp::check_shape(sdp)?;
        }
        Ok(Self {
            sdp_type,
            text: sdp.to_owned(),
        })
    }

    /// The description's role.
    pub fn sdp_type(&self) -> SdpType {
        self.sdp_type
    }

    pub(crate) fn from_trusted(text: String, sdp_type: SdpType) -> Self {
        Self { sdp_type, text }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for SessionDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for SessionDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionDescription")
            .field("sdp_type", &self.sdp_type)
            .finish()
    }
}
