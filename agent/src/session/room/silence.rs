//! Sound that was lost on its way sounds like perfect silence, and so does a quiet microphone. The packets tell which it was:
//! their numbers go on at the speaker, and what is sent of silence has numbers too.

/// Less than this is a pause between two words, or a packet or two.
const MIN_MS: u64 = 500;
/// How long the sound of a packet is, at the usual setting of every client.
const PACKET_MS: u64 = 20;
const SAMPLES_PER_MS: usize = super::sound::SAMPLE_RATE_HZ as usize / 1_000;

/// The perfect silence at the end of what was heard of a track.
#[derive(Debug, Default)]
pub(super) struct Silence {
    ms: u64,
    /// Packets that were lost before it.
    lost_before: Option<i64>,
}

impl Silence {
    /// The next piece; how long the silence was if it ends here and may have been a loss.
    pub(super) fn over(&mut self, samples: &[i16]) -> Option<u64> {
        if samples.iter().all(|sample| *sample == 0) {
            self.ms += (samples.len() / SAMPLES_PER_MS) as u64;
            return None;
        }
        let silent_ms = std::mem::take(&mut self.ms);
        (silent_ms >= MIN_MS).then_some(silent_ms)
    }

    /// Whether to tell it now how many packets of the track were lost so far.
    pub(super) fn asks(&self) -> bool {
        self.ms >= MIN_MS && self.lost_before.is_none()
    }

    /// So many were lost so far.
    pub(super) fn lost_so_far(&mut self, packets: Option<i64>) {
        self.lost_before = packets;
    }

    /// Whether a silence that is over was mostly a loss: packets of long silence are far apart, and a few may be lost on any
    /// network.
    pub(super) fn was_lost(&mut self, silent_ms: u64, packets: Option<i64>) -> bool {
        let before = self.lost_before.take();
        let (Some(before), Some(now)) = (before, packets) else {
            return false;
        };
        u64::try_from(now - before).unwrap_or(0) * PACKET_MS * 2 >= silent_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIECE: [i16; 20 * SAMPLES_PER_MS] = [0; 20 * SAMPLES_PER_MS];

    /// Silence of some length between two sounds, with so many lost packets in it.
    fn was_lost(silent_ms: u64, packets: i64) -> bool {
        let mut silence = Silence::default();
        let mut sound = PIECE;
        sound[7] = 1;
        assert_eq!(silence.over(&sound), None);
        for _ in 0..silent_ms / 20 {
            assert_eq!(silence.over(&PIECE), None);
            if silence.asks() {
                silence.lost_so_far(Some(100));
            }
        }
        let over = silence.over(&sound);
        assert!(over.is_none_or(|ms| ms == silent_ms));
        over.is_some_and(|ms| silence.was_lost(ms, Some(100 + packets)))
    }

    #[test]
    fn what_was_lost_on_the_way_is_told_from_silence() {
        assert!(was_lost(4_000, 200));
        assert!(
            was_lost(4_000, 150),
            "some of it was concealed, some arrived late"
        );
        assert!(!was_lost(4_000, 0), "nobody spoke");
        assert!(!was_lost(60_000, 30), "packets of silence, some lost");
        assert!(!was_lost(480, 24), "a short one");
    }

    #[test]
    fn one_loss_does_not_count_for_the_next_silence() {
        let mut silence = Silence::default();
        for (lost, expected) in [(0, false), (200, true), (200, false)] {
            for _ in 0..100 {
                silence.over(&PIECE);
                if silence.asks() {
                    silence.lost_so_far(Some(if expected { 0 } else { lost }));
                }
            }
            let over = silence.over(&[1; 320]).unwrap();
            assert_eq!(silence.was_lost(over, Some(lost)), expected);
        }
    }
}
