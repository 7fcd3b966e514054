//! Samples in half the memory, without loss, for what is held and seldom heard again: differences between neighbours,
//! in Rice's code. This is how FLAC packs with its fixed predictors (RFC 9639, sections 9.2.5 and 9.2.7), in a form of our own that
//! leaves no process.

/// Each 10 ms choose for themselves.
const FRAME_SAMPLES: usize = 160;
/// How often the difference is taken: once for hum, twice or three times for vowels, never for hiss.
const ORDERS: usize = 4;
const ORDER_BITS: u32 = 2;
/// Of the numbers' low bits, so many at most are written as they are. Differences have 20.
const LOW_BITS_MAX: u32 = 20;
const LOW_BITS_BITS: u32 = 5;

/// Samples, packed.
pub(crate) struct Packed {
    len: usize,
    words: Box<[u64]>,
}

impl Packed {
    pub(super) fn new(samples: &[i16]) -> Self {
        let mut bits = Writer::for_samples(samples.len());
        let mut frame = Frame::default();
        for heard in samples.chunks(FRAME_SAMPLES) {
            frame.hear(heard);
            let (order, numbers) = frame.smallest();
            let low = cheapest(numbers);
            bits.push(order as u64, ORDER_BITS);
            bits.push(u64::from(low), LOW_BITS_BITS);
            for &number in numbers {
                bits.push_number(number, low);
            }
        }
        Self {
            len: samples.len(),
            words: bits.end(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn unpack(&self) -> Vec<i16> {
        let mut bits = Reader::new(&self.words);
        let mut history = History::default();
        let mut samples = Vec::with_capacity(self.len);
        while samples.len() < self.len {
            let order = bits.take(ORDER_BITS) as usize;
            let low = bits.take(LOW_BITS_BITS) as u32;
            for _ in 0..FRAME_SAMPLES.min(self.len - samples.len()) {
                let number = bits.take_ones() << low | bits.take(low) as u32;
                let sample = unfolded(number) - history.differences(0)[order];
                history.push(sample);
                samples.push(sample as i16);
            }
        }
        samples
    }
}

/// How many low bits make these numbers shortest. Sums of a frame's numbers have 28 bits.
fn cheapest(numbers: &[u32]) -> u32 {
    let bits = |low: &u32| {
        let ones: u32 = numbers.iter().map(|number| number >> low).sum();
        ones + numbers.len() as u32 * (low + 1)
    };
    let mean = numbers.iter().sum::<u32>() / numbers.len().max(1) as u32;
    // The best is beside the mean's logarithm; one loud sample among quiet ones moves it by little.
    let middle = mean.checked_ilog2().unwrap_or(0);
    let near = middle.saturating_sub(1)..=(middle + 1).min(LOW_BITS_MAX);
    near.min_by_key(bits).unwrap_or_default()
}

/// The differences of one frame, of all orders. They lie in a row each, so that many are computed at once.
struct Frame {
    len: usize,
    /// Of each order, and in front of them the last one of the frame before.
    differences: [[i32; 1 + FRAME_SAMPLES]; ORDERS],
    folded: [[u32; FRAME_SAMPLES]; ORDERS],
}

impl Default for Frame {
    fn default() -> Self {
        Self {
            len: 0,
            differences: [[0; 1 + FRAME_SAMPLES]; ORDERS],
            folded: [[0; FRAME_SAMPLES]; ORDERS],
        }
    }
}

impl Frame {
    /// The next samples, a whole frame but at the end.
    fn hear(&mut self, samples: &[i16]) {
        for row in &mut self.differences {
            row[0] = row[self.len];
        }
        self.len = samples.len();
        for (value, sample) in self.differences[0][1..].iter_mut().zip(samples) {
            *value = i32::from(*sample);
        }
        for order in 1..ORDERS {
            let (below, row) = self.differences.split_at_mut(order);
            let pairs = below[order - 1][..=self.len].windows(2);
            for (value, pair) in row[0][1..].iter_mut().zip(pairs) {
                *value = pair[1] - pair[0];
            }
        }
        for (folded_row, row) in self.folded.iter_mut().zip(&self.differences) {
            for (number, value) in folded_row.iter_mut().zip(&row[1..=self.len]) {
                *number = folded(*value);
            }
        }
    }

    /// The order whose numbers are the smallest, and they.
    fn smallest(&self) -> (usize, &[u32]) {
        let rows = self.folded.each_ref().map(|row| &row[..self.len]);
        let sums = rows.map(|row| row.iter().sum::<u32>());
        let order = (0..ORDERS).min_by_key(|order| sums[*order]).unwrap_or_default();
        (order, rows[order])
    }
}

/// Signed as unsigned: 0, -1, 1, -2, 2.
fn folded(number: i32) -> u32 {
    (number << 1 ^ number >> 31) as u32
}

fn unfolded(number: u32) -> i32 {
    (number >> 1) as i32 ^ -((number & 1) as i32)
}

/// The last three samples.
#[derive(Default)]
struct History([i32; ORDERS - 1]);

impl History {
    /// From a next sample to what each order expects of it.
    fn differences(&self, next: i32) -> [i32; ORDERS] {
        let [a, b, c] = self.0;
        [next, next - a, next - 2 * a + b, next - 3 * a + 3 * b - c]
    }

    fn push(&mut self, sample: i32) {
        let [a, b, _] = self.0;
        self.0 = [sample, a, b];
    }
}

#[derive(Default)]
struct Writer {
    words: Vec<u64>,
    /// The word that is not full yet, from its low end.
    word: u64,
    used: u32,
}

impl Writer {
    /// With room for what a voice takes.
    fn for_samples(samples: usize) -> Self {
        Self {
            words: Vec::with_capacity(samples / 8),
            ..Self::default()
        }
    }

    /// In Rice's code: the high bits as so many ones, a zero, and the low bits.
    fn push_number(&mut self, number: u32, low: u32) {
        let (ones, rest) = (number >> low, u64::from(number & ((1 << low) - 1)));
        if ones < 32 {
            self.push(((1 << ones) - 1) | (rest << (ones + 1)), ones + 1 + low);
        } else {
            self.push_ones(ones);
            self.push(rest, low);
        }
    }

    /// Fewer than 64 bits.
    fn push(&mut self, bits: u64, count: u32) {
        self.word |= bits << self.used;
        self.used += count;
        if self.used >= u64::BITS {
            self.words.push(self.word);
            self.used -= u64::BITS;
            self.word = bits.checked_shr(count - self.used).unwrap_or(0);
        }
    }

    /// So many ones, and a zero.
    fn push_ones(&mut self, mut count: u32) {
        while count >= 32 {
            self.push(u64::from(u32::MAX), 32);
            count -= 32;
        }
        self.push((1 << count) - 1, count + 1);
    }

    fn end(mut self) -> Box<[u64]> {
        self.words.push(self.word);
        self.words.into_boxed_slice()
    }
}

struct Reader<'a> {
    words: &'a [u64],
    at: usize,
    used: u32,
}

impl<'a> Reader<'a> {
    fn new(words: &'a [u64]) -> Self {
        Self {
            words,
            at: 0,
            used: 0,
        }
    }

    fn word(&self, at: usize) -> u64 {
        self.words.get(at).copied().unwrap_or(0)
    }

    /// The next 64 bits.
    fn peek(&self) -> u64 {
        let next = self.word(self.at + 1).checked_shl(u64::BITS - self.used);
        self.word(self.at) >> self.used | next.unwrap_or(0)
    }

    fn skip(&mut self, count: u32) {
        self.used += count;
        self.at += (self.used / u64::BITS) as usize;
        self.used %= u64::BITS;
    }

    fn take(&mut self, count: u32) -> u64 {
        let bits = self.peek() & ((1 << count) - 1);
        self.skip(count);
        bits
    }

    fn take_ones(&mut self) -> u32 {
        let mut ones = 0;
        loop {
            let more = self.peek().trailing_ones();
            if more < u64::BITS {
                self.skip(more + 1);
                return ones + more;
            }
            self.skip(more);
            ones += more;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sound() -> impl Strategy<Value = Vec<i16>> {
        let sample = prop_oneof![any::<i16>(), Just(i16::MIN), Just(i16::MAX), Just(0), -40..40_i16];
        let quiet = prop::collection::vec(-3..4_i16, 0..500);
        prop_oneof![prop::collection::vec(sample, 0..700), quiet]
    }

    proptest! {
        #[test]
        fn every_sample_comes_back(samples in sound()) {
            let packed = Packed::new(&samples);
            prop_assert_eq!(packed.len(), samples.len());
            prop_assert_eq!(packed.unpack(), samples);
        }

        #[test]
        fn the_worst_sound_takes_little_more_than_it_is(samples in prop::collection::vec(any::<i16>(), 1_600)) {
            prop_assert!(Packed::new(&samples).words.len() * 8 < samples.len() * 2 * 5 / 4);
        }
    }

    #[test]
    fn jumps_over_the_whole_range_are_not_dear() {
        let samples: Vec<i16> = (0..16_000)
            .map(|at| if at % 2 == 0 { i16::MIN } else { i16::MAX })
            .collect();
        let packed = Packed::new(&samples);
        assert_eq!(packed.unpack(), samples);
        assert!(packed.words.len() * 8 <= samples.len() * 5 / 2);
    }

    #[test]
    fn a_voice_takes_half() {
        // 150 Hz with overtones that fall off, -26 dB of full scale, and a little noise.
        let mut seed = 1_u32;
        let samples: Vec<i16> = (0..16_000)
            .map(|at| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let t = f64::from(at) / 16_000.0 * 150.0 * std::f64::consts::TAU;
                let buzz: f64 = (1..20).map(|k| (t * f64::from(k)).sin() / f64::from(k * k)).sum();
                (buzz * 1_500.0) as i16 + (seed >> 27) as i16
            })
            .collect();
        let packed = Packed::new(&samples);
        assert!(
            packed.words.len() * 8 < samples.len(),
            "{} words",
            packed.words.len()
        );
    }
}
