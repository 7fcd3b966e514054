//! Sound that was lost on its way sounds like perfect silence, and so does a quiet microphone. The packets tell which it was:
//! their numbers go on at the speaker, and what is sent of silence has numbers too.

/// Less than this is a pause between two words, or a packet or two.
const MIN_MS: u64 = 500;
/// How often packets are looked at while a silence lasts: what a network loses at random in so short a time is less than
/// `MIN_MS` of sound, unless it loses a quarter of everything.
const LOOK_MS: u64 = 2_000;
/// How long the sound of a packet is, at the usual setting of every client.
const PACKET_MS: u64 = 20;
const SAMPLES_PER_MS: usize = super::sound::SAMPLE_RATE_HZ as usize / 1_000;

/// The packets of a track.
#[derive(Debug, Clone, Copy)]
pub(super) struct Packets {
    /// Lost so far. The next that arrives tells it.
    pub lost: i64,
    /// How long ago the last one arrived.
    pub idle_ms: u64,
}

/// The perfect silence at the end of what was heard of a track.
#[derive(Debug, Default)]
pub(super) struct Silence {
    ms: u64,
    /// The sound that comes after it.
    after_ms: u64,
    last_look: Option<Look>,
}

/// How packets stood within a silence, in its time.
#[derive(Debug)]
struct Look {
    at_ms: u64,
    last_arrival_ms: u64,
    lost: i64,
}

impl Silence {
    /// The next piece of sound; whether to tell now how packets stand ([`Silence::lost`]).
    pub(super) fn asks(&mut self, samples: &[i16]) -> bool {
        let piece_ms = (samples.len() / SAMPLES_PER_MS) as u64;
        if samples.iter().any(|sample| *sample != 0) {
            if self.last_look.is_none() {
                self.ms = 0;
                return false;
            }
            self.after_ms = piece_ms;
            return true;
        }
        self.ms += piece_ms;
        match &self.last_look {
            None => self.ms >= MIN_MS,
            Some(look) => self.ms - look.at_ms >= LOOK_MS,
        }
    }

    /// What has been lost as is known since the last look, if it is more than a few packets: from and to how many milliseconds
    /// before the end of what was heard.
    pub(super) fn lost(&mut self, packets: Option<Packets>) -> Option<(u64, u64)> {
        let after_ms = std::mem::take(&mut self.after_ms);
        let now_ms = self.ms;
        if after_ms > 0 {
            self.ms = 0;
        }
        let look = self.last_look.take();
        let packets = packets?;
        if after_ms == 0 {
            self.last_look = Some(Look {
                at_ms: now_ms,
                last_arrival_ms: now_ms.saturating_sub(packets.idle_ms),
                lost: packets.lost,
            });
        }
        let look = look?;
        let lost_ms = u64::try_from(packets.lost - look.lost).unwrap_or(0) * PACKET_MS;
        (lost_ms >= MIN_MS).then(|| (now_ms - look.last_arrival_ms + after_ms, after_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIECE_MS: u64 = 20;
    const QUIET: [i16; PIECE_MS as usize * SAMPLES_PER_MS] = [0; PIECE_MS as usize * SAMPLES_PER_MS];
    const LOUD: [i16; PIECE_MS as usize * SAMPLES_PER_MS] = [1; PIECE_MS as usize * SAMPLES_PER_MS];

    /// A microphone, and a network that loses what it sends in between.
    struct Track {
        now_ms: u64,
        silence: Silence,
        lost: i64,
        /// Sent since the last that arrived.
        missing: i64,
        last_arrival_ms: u64,
        /// What was said to be lost, from and to.
        told: Vec<(u64, u64)>,
    }

    impl Track {
        fn new() -> Self {
            Self {
                now_ms: 0,
                silence: Silence::default(),
                lost: 0,
                missing: 0,
                last_arrival_ms: 0,
                told: Vec::new(),
            }
        }

        /// For so long it sends a packet every `packet_ms`, of which those are lost that `is_lost` says.
        fn send(&mut self, ms: u64, loud: bool, packet_ms: u64, is_lost: impl Fn(u64) -> bool) {
            for n in 0..ms / PIECE_MS {
                self.now_ms += PIECE_MS;
                let is_sent = (n * PIECE_MS).is_multiple_of(packet_ms);
                let arrives = is_sent && !is_lost(n);
                if arrives {
                    self.lost += std::mem::take(&mut self.missing);
                    self.last_arrival_ms = self.now_ms;
                } else if is_sent {
                    self.missing += 1;
                }
                if self.silence.asks(if loud && arrives { &LOUD } else { &QUIET }) {
                    let packets = Packets {
                        lost: self.lost,
                        idle_ms: self.now_ms - self.last_arrival_ms,
                    };
                    if let Some((from, to)) = self.silence.lost(Some(packets)) {
                        self.told.push((self.now_ms - from, self.now_ms - to));
                    }
                }
            }
        }

        fn speak(&mut self, ms: u64) {
            self.send(ms, true, 20, |_| false);
        }

        fn speak_unheard(&mut self, ms: u64) {
            self.send(ms, true, 20, |_| true);
        }

        fn be_quiet(&mut self, ms: u64) {
            self.send(ms, false, 400, |_| false);
        }

        fn be_quiet_unheard(&mut self, ms: u64) {
            self.send(ms, false, 400, |_| true);
        }
    }

    #[test]
    fn what_is_lost_in_the_middle_of_speech_is_told_to_the_millisecond() {
        let mut track = Track::new();
        track.speak(1_000);
        track.speak_unheard(4_000);
        track.speak(1_000);
        assert_eq!(track.told, [(1_000, 5_000)]);
    }

    #[test]
    fn a_network_that_fails_in_a_silence_hides_no_speech() {
        // Whoever begins to speak unheard, and goes on or is quiet again when the network is back.
        for goes_on in [true, false] {
            let mut track = Track::new();
            track.speak(1_000);
            track.be_quiet(20_000);
            track.be_quiet_unheard(2_000);
            track.speak_unheard(3_000);
            if goes_on {
                track.speak(1_000);
            } else {
                track.be_quiet(5_000);
                track.speak(1_000);
            }
            let &[(from_ms, to_ms)] = &track.told[..] else {
                panic!("{:?}", track.told);
            };
            // A packet of silence comes every 400 ms; how they stand is looked at every 2 s.
            assert!((20_600..=21_000).contains(&from_ms), "{from_ms}");
            assert!((26_000..=28_000).contains(&to_ms), "{to_ms}");
        }
    }

    #[test]
    fn silence_is_no_loss() {
        let mut track = Track::new();
        track.speak(1_000);
        track.be_quiet(60_000);
        track.speak(1_000);
        // Of one that sends silence as it sends speech, a tenth is lost.
        track.send(600_000, false, 20, |n| n % 10 == 3);
        track.speak(1_000);
        // Less than a pause.
        track.speak_unheard(480);
        track.speak(1_000);
        assert_eq!(track.told, []);
    }

    #[test]
    fn one_loss_does_not_count_for_the_next_silence() {
        let mut track = Track::new();
        track.speak_unheard(4_000);
        track.speak(20);
        track.be_quiet(4_000);
        track.speak(20);
        track.speak_unheard(1_000);
        track.speak(20);
        assert_eq!(track.told, [(0, 4_000), (8_040, 9_040)]);
    }

    #[test]
    fn where_nothing_is_known_of_packets_nothing_is_told() {
        let mut silence = Silence::default();
        for piece in [QUIET, LOUD].iter().flat_map(|piece| [piece; 100]) {
            if silence.asks(piece) {
                assert_eq!(silence.lost(None), None);
            }
        }
    }
}
