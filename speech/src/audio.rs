//! The samples of an utterance, which many hold at once: the listener while it grows, every look at it, those who recognise it.

mod packed;

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use packed::Packed;

/// Samples that several utterances share.
#[derive(Clone)]
pub(crate) enum Part {
    /// As they are.
    Plain(Arc<[i16]>),
    /// In half the memory.
    Packed(Arc<Packed>),
}

impl Part {
    pub(crate) fn plain(samples: &[i16]) -> Self {
        Self::Plain(Arc::from(samples))
    }

    pub(crate) fn packed(samples: &[i16]) -> Self {
        Self::Packed(Arc::new(Packed::new(samples)))
    }

    fn len(&self) -> usize {
        match self {
            Self::Plain(samples) => samples.len(),
            Self::Packed(packed) => packed.len(),
        }
    }

    pub(crate) fn samples(&self) -> Cow<'_, [i16]> {
        match self {
            Self::Plain(samples) => Cow::Borrowed(samples),
            Self::Packed(packed) => Cow::Owned(packed.unpack()),
        }
    }

    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Plain(ours), Self::Plain(theirs)) => Arc::ptr_eq(ours, theirs),
            (Self::Packed(ours), Self::Packed(theirs)) => Arc::ptr_eq(ours, theirs),
            _ => false,
        }
    }
}

impl std::fmt::Debug for Part {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Part({} samples)", self.len())
    }
}

/// An utterance's samples, 16 kHz mono, in parts that it shares with the utterance that they were taken from; cheap to clone.
#[derive(Clone, Default)]
pub struct Audio {
    parts: Arc<[Part]>,
    len: usize,
}

impl Audio {
    /// Samples in parts, one after the other.
    pub(crate) fn of_parts(parts: impl IntoIterator<Item = Part>) -> Self {
        let parts: Arc<[Part]> = parts.into_iter().collect();
        let len = parts.iter().map(Part::len).sum();
        Self { parts, len }
    }

    /// How many samples there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All samples, one after the other.
    pub fn iter(&self) -> impl Iterator<Item = i16> {
        self.parts.iter().flat_map(|part| part.samples().into_owned())
    }

    /// A copy in one piece.
    pub fn to_vec(&self) -> Vec<i16> {
        self.range(0..self.len)
    }

    /// A copy of some samples; those that are not there are left out.
    pub fn range(&self, range: Range<usize>) -> Vec<i16> {
        let mut samples = Vec::with_capacity(range.end.min(self.len).saturating_sub(range.start));
        let mut begin = 0;
        for part in &*self.parts {
            let place = |at: usize| at.clamp(begin, begin + part.len()) - begin;
            let (from, to) = (place(range.start), place(range.end));
            if from < to {
                samples.extend_from_slice(&part.samples()[from..to]);
            }
            begin += part.len();
        }
        samples
    }

    /// Whether the shorter of the two is the beginning of the longer.
    pub(crate) fn begins_like(&self, other: &Self) -> bool {
        let shared = self.parts.iter().zip(&*other.parts);
        let shared = shared.take_while(|(ours, theirs)| ours.is(theirs));
        let known: usize = shared.map(|(part, _)| part.len()).sum();
        let both = known..self.len.min(other.len);
        self.range(both.clone()) == other.range(both)
    }
}

impl PartialEq for Audio {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.begins_like(other)
    }
}

impl Eq for Audio {}

/// Says how much it is, not what was said.
impl std::fmt::Debug for Audio {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Audio({} samples)", self.len)
    }
}

impl From<&[i16]> for Audio {
    fn from(samples: &[i16]) -> Self {
        Self::of_parts([Part::plain(samples)])
    }
}

impl From<Vec<i16>> for Audio {
    fn from(samples: Vec<i16>) -> Self {
        Self::from(&samples[..])
    }
}

impl<const N: usize> From<[i16; N]> for Audio {
    fn from(samples: [i16; N]) -> Self {
        Self::from(&samples[..])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parts() -> impl Strategy<Value = Vec<Vec<i16>>> {
        prop::collection::vec(prop::collection::vec(any::<i16>(), 0..5), 0..6)
    }

    fn audio(parts: &[Vec<i16>]) -> Audio {
        let parts = parts.iter().enumerate();
        Audio::of_parts(parts.map(|(at, part)| {
            if at % 2 == 0 {
                Part::packed(part)
            } else {
                Part::plain(part)
            }
        }))
    }

    proptest! {
        #[test]
        fn parts_are_one_piece(parts in parts(), from in 0..30_usize, len in 0..30_usize) {
            let (audio, whole) = (audio(&parts), parts.concat());
            prop_assert_eq!(audio.len(), whole.len());
            prop_assert_eq!(&audio.to_vec(), &whole);
            prop_assert_eq!(audio.iter().collect::<Vec<_>>(), &whole[..]);
            let there = |at: usize| at.min(whole.len());
            prop_assert_eq!(audio.range(from..from + len), &whole[there(from)..there(from + len)]);
            prop_assert_eq!(&audio, &Audio::from(whole));
        }

        #[test]
        fn a_beginning_is_known_by_its_samples(parts in parts(), cut in 0..30_usize, other in any::<i16>()) {
            let (audio, whole) = (audio(&parts), parts.concat());
            let mut head = whole[..cut.min(whole.len())].to_vec();
            prop_assert!(audio.begins_like(&Audio::from(&head[..])) && Audio::from(&head[..]).begins_like(&audio));
            prop_assert_eq!(audio == Audio::from(&head[..]), head.len() == whole.len());
            if let Some(last) = head.last_mut().filter(|last| **last != other) {
                *last = other;
                prop_assert!(!audio.begins_like(&Audio::from(head)));
            }
        }
    }

    #[test]
    fn what_was_said_is_not_shown() {
        assert_eq!(format!("{:?}", Audio::from([1, 2, 3])), "Audio(3 samples)");
    }
}
