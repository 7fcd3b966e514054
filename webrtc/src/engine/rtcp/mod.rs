//! RTCP: what `rtc` does not read, or not truly.
//!
//! [`sdes`] makes LiveKit's reports readable for it, [`crypto`] is where that can be done,
//! [`reports`] measures what the reports tell about our streams, [`loss`] what they mean for encoders.

pub(super) mod crypto;
mod loss;
pub(super) mod reports;
mod sdes;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use sdes::rename_unknown_items;
