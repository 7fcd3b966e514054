//! Which packets need no decoding: those that hold nothing to hear. A meeting's cost then grows with
//! those who speak, not with those who are there.
//!
//! Two things say so. One is the packet itself, where the encoder had nothing to put into it: once what
//! was made of such packets has been inaudible for a while, the rest of them are silence, and so is what
//! is missing between them. Background noise that a decoder makes up stays as long as it is heard. The
//! other is the sender's word (RFC 6464), which LiveKit 1.13 does not pass on and others do. It is not
//! simply believed: now and then a packet that claims silence is decoded after all, and a track found to
//! be audible is decoded in full for a while.

use super::{
    format::RTP_CLOCK_HZ,
    level::{INAUDIBLE_DBOV, dbov, mean_square},
};

/// A decoder that has been inaudible for so long stays so until its packets hold something: 200 ms, in
/// units of 1/48000 s.
const QUIET_RTP: i64 = (RTP_CLOCK_HZ / 5) as i64;

/// Silence is decoded for this many packets before it is trusted, so that the last sound fades out and
/// the decoder's memory is that of silence.
const HANGOVER_PACKETS: u32 = 10;
/// One packet in this many is decoded to see whether the claim is true: one a second.
const AUDIT_EVERY_PACKETS: u32 = 50;
/// The claim was false when a packet is louder than this. Well above what coding adds to silence.
const AUDIT_DBOV: u8 = 70;
/// After a false claim everything is decoded for this many packets: one minute.
const DISTRUST_PACKETS: u32 = 3_000;

/// What to do with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Decode,
    /// It is silent.
    Skip,
    /// Decode it and tell [`SilenceGate::audited`] how loud it was.
    Audit,
}

#[derive(Debug, Default)]
pub(crate) struct SilenceGate {
    silent_run: u32,
    since_audit: u32,
    distrust: u32,
    /// The last packet was empty.
    empty: bool,
    /// For so long nothing was heard, in units of 1/48000 s.
    inaudible_rtp: i64,
}

impl SilenceGate {
    /// Judges a packet by what its sender says of it, and by whether its encoder left it empty.
    pub(crate) fn judge(&mut self, level_dbov: Option<u8>, empty: bool) -> Verdict {
        self.empty = empty;
        let verdict = self.judge_level(level_dbov);
        if self.rests() { Verdict::Skip } else { verdict }
    }

    fn judge_level(&mut self, level_dbov: Option<u8>) -> Verdict {
        self.distrust = self.distrust.saturating_sub(1);
        if level_dbov.is_none_or(|level| level < INAUDIBLE_DBOV) || self.distrust > 0 {
            self.silent_run = 0;
            return Verdict::Decode;
        }
        self.silent_run = self.silent_run.saturating_add(1);
        if self.silent_run <= HANGOVER_PACKETS {
            self.since_audit = 0;
            return Verdict::Decode;
        }
        self.since_audit += 1;
        if self.since_audit >= AUDIT_EVERY_PACKETS {
            self.since_audit = 0;
            return Verdict::Audit;
        }
        Verdict::Skip
    }

    /// The track is being skipped: what is missing is silence, too.
    pub(crate) fn is_closed(&self) -> bool {
        self.silent_run > HANGOVER_PACKETS || self.rests()
    }

    /// Takes note of sound that was made, whatever of.
    pub(crate) fn heard(&mut self, pcm: &[i16], duration_rtp: i64) {
        if dbov(mean_square(pcm)) >= INAUDIBLE_DBOV {
            self.inaudible_rtp = self.inaudible_rtp.saturating_add(duration_rtp);
        } else {
            self.inaudible_rtp = 0;
        }
    }

    fn rests(&self) -> bool {
        self.empty && self.inaudible_rtp >= QUIET_RTP
    }

    /// The outcome of an audit; false when the claim was false.
    pub(crate) fn audited(&mut self, level_dbov: u8) -> bool {
        let honest = level_dbov >= AUDIT_DBOV;
        if !honest {
            self.distrust = DISTRUST_PACKETS;
            self.silent_run = 0;
        }
        honest
    }
}

#[cfg(test)]
mod tests {
    use super::{super::level::SILENCE_DBOV, *};

    fn verdicts(gate: &mut SilenceGate, level: Option<u8>, packets: usize) -> Vec<Verdict> {
        (0..packets).map(|_| gate.judge(level, false)).collect()
    }

    #[test]
    fn silence_is_skipped_after_a_while_and_looked_at_now_and_then() {
        let mut gate = SilenceGate::default();
        assert!(
            verdicts(&mut gate, Some(40), 100)
                .iter()
                .all(|verdict| *verdict == Verdict::Decode)
        );
        let silent = verdicts(&mut gate, Some(SILENCE_DBOV), 510);
        assert!(silent[..10].iter().all(|verdict| *verdict == Verdict::Decode));
        assert_eq!(
            silent
                .iter()
                .filter(|verdict| **verdict == Verdict::Audit)
                .count(),
            10
        );
        assert_eq!(
            silent.iter().filter(|verdict| **verdict == Verdict::Skip).count(),
            490
        );
        assert_eq!(
            gate.judge(Some(60), false),
            Verdict::Decode,
            "sound opens the gate at once"
        );
    }

    #[test]
    fn without_levels_everything_is_decoded() {
        let all = verdicts(&mut SilenceGate::default(), None, 1_000);
        assert!(all.iter().all(|verdict| *verdict == Verdict::Decode));
    }

    #[test]
    fn a_false_claim_of_silence_is_found_out_within_two_seconds() {
        let mut gate = SilenceGate::default();
        let until_audit = std::iter::from_fn(|| Some(gate.judge(Some(SILENCE_DBOV), false)))
            .take_while(|verdict| *verdict != Verdict::Audit)
            .count();
        assert!(until_audit < 100, "{until_audit} packets");
        assert!(!gate.audited(30));
        assert!(
            verdicts(&mut gate, Some(SILENCE_DBOV), 2_900)
                .iter()
                .all(|verdict| *verdict == Verdict::Decode)
        );
    }

    #[test]
    fn empty_packets_are_skipped_once_they_are_inaudible() {
        let mut gate = SilenceGate::default();
        assert_eq!(gate.judge(None, true), Verdict::Decode);
        gate.heard(&[0; 160], QUIET_RTP - 480);
        assert_eq!(gate.judge(None, true), Verdict::Decode);
        gate.heard(&[1; 160], 480);
        assert!(gate.is_closed());
        assert_eq!(gate.judge(None, true), Verdict::Skip);
        assert_eq!(
            gate.judge(None, false),
            Verdict::Decode,
            "this one holds something"
        );
        assert!(!gate.is_closed());
        assert_eq!(gate.judge(None, true), Verdict::Skip, "but it was not heard");
        gate.heard(&[20; 160], 480);
        assert_eq!(gate.judge(None, true), Verdict::Decode, "noise is not cut off");
    }
}
