//! An ordered list of recognisers as one [`Recogniser`](crate::Recogniser): when one fails, stalls or answers too late,
//! the next one takes the same audio; one that failed is rested and gets new utterances again once it is well.
//!
//! A request carries its whole utterance, so whoever takes it over has everything: nothing is missing, and only one
//! answer is given. `core` decides (sans-IO), `breaker` is its memory of one recogniser, `recogniser` asks and waits.

mod breaker;
mod core;
mod recogniser;

pub use recogniser::{Chain, ChainError};

use crate::RecogniseError;

/// Recognisers in one chain.
pub const LINKS_MAX: usize = 8;

/// How long what is waited for, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainLimits {
    /// A partial that is not there by then is given to the next recogniser.
    pub partial_ms: u64,
    /// A final that is not there within this and the length of its audio is given to the next recogniser.
    pub final_ms: u64,
    /// The same for the last recogniser that is left, behind which there is nothing but failure.
    pub last_partial_ms: u64,
    /// See [`ChainLimits::last_partial_ms`]; the length of the audio is not added.
    pub last_final_ms: u64,
    /// The first and the longest rest of a recogniser that failed; it doubles in between.
    pub rest_ms: (u64, u64),
    /// The rest of one that will not work before a person has done something: key, payment, parameters.
    pub refused_ms: u64,
}

impl Default for ChainLimits {
    fn default() -> Self {
        Self {
            partial_ms: 2_500,
            final_ms: 4_000,
            last_partial_ms: 10_000,
            last_final_ms: 45_000,
            rest_ms: (2_000, 60_000),
            refused_ms: 300_000,
        }
    }
}

/// A change of a recogniser's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChainNotice {
    /// It failed, and is left alone for a while.
    Rested {
        /// Which one, as it calls itself.
        engine: String,
        /// How it failed.
        error: RecogniseError,
        /// For how long.
        rest_ms: u64,
    },
    /// It works again.
    Back {
        /// Which one, as it calls itself.
        engine: String,
    },
}
