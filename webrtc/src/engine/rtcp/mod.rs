//! RTCP: what `rtc` does not read, or not truly.
//!
//! [`sdes`] makes LiveKit's reports readable for it ([`super::crypto`] is where that can be done),
//! [`reports`] measures what the reports tell about our streams, [`loss`] what they mean for encoders.

mod loss;
pub(super) mod reports;
pub(super) mod sdes;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use {reports::fuzzing::watch, sdes::rename_unknown_items};
