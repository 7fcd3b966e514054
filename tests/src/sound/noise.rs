//! Noise made by the program from a seed.

use std::f64::consts::TAU;

use crate::speech_file::SAMPLE_RATE_HZ;

/// Numbers that look random and are the same everywhere (SplitMix64, Steele et al. 2014).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A row of numbers of its own for each seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 0 to 1, 1 excluded.
    pub fn share(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// -1 to 1.
    fn signed(&mut self) -> f64 {
        self.share() * 2.0 - 1.0
    }
}

/// A kind of noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noise {
    /// All frequencies alike: a fan.
    White,
    /// Three decibels less for each octave: rain, a busy road.
    Pink,
    /// The mains at 50 Hz with eight harmonics.
    Hum,
    /// A keyboard: short bursts, three to twelve a second, each ringing off within some milliseconds.
    Clicks,
    /// A tune: notes of two octaves with harmonics that die away, two voices.
    Music,
}

impl Noise {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::White, Self::Pink, Self::Hum, Self::Clicks, Self::Music];

    /// As reports name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::White => "white",
            Self::Pink => "pink",
            Self::Hum => "hum",
            Self::Clicks => "clicks",
            Self::Music => "music",
        }
    }

    /// So many samples of it, of no certain level.
    pub fn samples(self, seed: u64, length: usize) -> Vec<f32> {
        let mut random = Random::new(seed);
        match self {
            Self::White => (0..length).map(|_| random.signed() as f32).collect(),
            Self::Pink => pink(&mut random, length),
            Self::Hum => (0..length).map(hum).collect(),
            Self::Clicks => clicks(&mut random, length),
            Self::Music => music(&mut random, length),
        }
    }
}

/// White noise through the filter of Paul Kellet, within half a decibel of -3 dB an octave above 9 Hz at 44.1 kHz.
fn pink(random: &mut Random, length: usize) -> Vec<f32> {
    const POLES: [(f64, f64); 3] = [(0.997_65, 0.099_046), (0.963, 0.296_516_4), (0.57, 1.052_691_3)];
    let mut states = [0.0; 3];
    let mut next = || {
        let white = random.signed();
        for (state, (pole, gain)) in states.iter_mut().zip(POLES) {
            *state = pole * *state + gain * white;
        }
        (states.iter().sum::<f64>() + 0.1848 * white) as f32
    };
    (0..length).map(|_| next()).collect()
}

fn seconds(samples: usize) -> f64 {
    samples as f64 / f64::from(SAMPLE_RATE_HZ)
}

fn hum(n: usize) -> f32 {
    let harmonic = |k: u32| (seconds(n) * 50.0 * f64::from(k) * TAU).sin() / f64::from(k);
    (1..=8).map(harmonic).sum::<f64>() as f32
}

fn clicks(random: &mut Random, length: usize) -> Vec<f32> {
    let mut samples = vec![0.0_f32; length];
    let mut at = 0;
    while at < length {
        let (loud, ring_ms) = (0.3 + 0.7 * random.share(), 2.0 + 6.0 * random.share());
        let decay = ring_ms / 1000.0 * f64::from(SAMPLE_RATE_HZ);
        for (n, sample) in samples[at..].iter_mut().take((decay * 6.0) as usize).enumerate() {
            *sample += (loud * random.signed() * (-(n as f64) / decay).exp()) as f32;
        }
        let pause_s = 1.0 / (3.0 + 9.0 * random.share());
        at += (pause_s * f64::from(SAMPLE_RATE_HZ)) as usize;
    }
    samples
}

fn music(random: &mut Random, length: usize) -> Vec<f32> {
    let mut samples = vec![0.0_f32; length];
    for voice_seconds in [0.5, 0.75] {
        let note = (voice_seconds * f64::from(SAMPLE_RATE_HZ)) as usize;
        for begin in (0..length).step_by(note) {
            let hertz = 220.0 * 2_f64.powf((random.share() * 24.0).floor() / 12.0);
            for (n, sample) in samples[begin..].iter_mut().take(note).enumerate() {
                let tone = |k: u32| (seconds(n) * hertz * f64::from(k) * TAU).sin() / f64::from(k);
                let attack = (seconds(n) * 100.0).min(1.0);
                *sample += ((1..=5).map(tone).sum::<f64>() * attack * (-3.0 * seconds(n)).exp()) as f32;
            }
        }
    }
    samples
}

/// Many talking at once: the voices one over the other, each begun somewhere else and repeated.
pub fn babble(voices: &[&[i16]], seed: u64, length: usize) -> Vec<f32> {
    let mut random = Random::new(seed);
    let mut samples = vec![0.0_f32; length];
    for voice in voices.iter().filter(|voice| !voice.is_empty()) {
        // Twice each, at other places: four people are a conversation, eight are a murmur.
        for _ in 0..2 {
            let begin = (random.share() * voice.len() as f64) as usize;
            let spoken = voice.iter().cycle().skip(begin);
            for (sample, &spoken) in samples.iter_mut().zip(spoken) {
                *sample += f32::from(spoken);
            }
        }
    }
    samples
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sound::level::power;

    const LENGTH: usize = 4 * SAMPLE_RATE_HZ as usize;

    fn power_of(samples: &[f32]) -> f64 {
        power(samples.iter().map(|&sample| f64::from(sample)))
    }

    #[test]
    fn a_seed_gives_the_same_noise_again_and_another_seed_another() {
        for noise in Noise::ALL {
            let samples = noise.samples(1, LENGTH);
            assert_eq!(samples.len(), LENGTH);
            assert_eq!(samples, noise.samples(1, LENGTH), "{}", noise.name());
            assert!(power_of(&samples) > 0.0, "{}", noise.name());
            assert_eq!(samples == noise.samples(2, LENGTH), noise == Noise::Hum);
        }
    }

    #[test]
    fn pink_noise_has_as_much_in_each_octave_and_white_noise_twice_as_much() {
        // The mean of two neighbours keeps what is low, their difference what is high.
        let ratio = |samples: &[f32]| {
            let pairs = |sign: f32| -> Vec<f32> {
                samples
                    .windows(2)
                    .map(|pair| (pair[0] + sign * pair[1]) / 2.0)
                    .collect()
            };
            power_of(&pairs(-1.0)) / power_of(&pairs(1.0))
        };
        let white = ratio(&Noise::White.samples(1, LENGTH));
        let pink = ratio(&Noise::Pink.samples(1, LENGTH));
        assert!((white - 1.0).abs() < 0.05, "{white}");
        assert!(pink < 0.25, "{pink}");
    }

    #[test]
    fn keys_are_silent_most_of_the_time() {
        let samples = Noise::Clicks.samples(1, LENGTH);
        let loudest = samples
            .iter()
            .fold(0.0_f32, |loudest, sample| loudest.max(sample.abs()));
        let quiet = samples
            .iter()
            .filter(|sample| sample.abs() < loudest / 100.0)
            .count();
        assert!(quiet * 2 > LENGTH, "{quiet} of {LENGTH}");
    }

    #[test]
    fn a_babble_is_as_long_as_asked_and_made_of_all_voices() {
        let (one, two) = (vec![100_i16; 10], vec![10_i16; 7]);
        let both = babble(&[&one, &two, &[]], 3, 100);
        assert_eq!(both, vec![220.0; 100]);
    }
}
