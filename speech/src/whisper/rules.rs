//! Which token may come next in our own search, by Whisper's rules for marks of time.

use super::vocabulary::Vocabulary;

/// Marks of time: one for each of the encoder's frames.
const FRAME_MS: u64 = 20;

/// Which token may come next: text between an opening and a closing mark of time, marks only forwards, and a mark where
/// all marks together are likelier than any text. Without marks a decoder with a cut context repeats itself.
pub(super) struct Rules<'a> {
    vocabulary: &'a Vocabulary,
    is_first: bool,
    /// Marks in a row at the end; the opening one and what is settled behind it come before the first choice.
    marks: usize,
    earliest_mark: usize,
    audio_ms: u64,
}

impl<'a> Rules<'a> {
    pub(super) fn new(vocabulary: &'a Vocabulary, is_first: bool, audio_ms: u64) -> Self {
        Self {
            vocabulary,
            is_first,
            marks: if is_first { 2 } else { 0 },
            earliest_mark: vocabulary.first_mark,
            audio_ms,
        }
    }

    /// The next token and how sure it is.
    pub(super) fn choose(&mut self, scores: &[f32]) -> (usize, f32) {
        let vocabulary = self.vocabulary;
        let (end, first_mark) = (vocabulary.end, vocabulary.first_mark);
        let highest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let weight = |token: usize| (scores[token] - highest).exp();
        let is_barred = |token: usize| {
            vocabulary.descriptions.binary_search(&token).is_ok()
                || (self.is_first && (token == end || vocabulary.blank.contains(&token)))
        };
        let texts = match self.marks {
            // A mark has closed a segment: another one opens the next, or this is the end.
            1 => end..end + 1,
            _ => 0..end + 1,
        };
        let earliest = match self.marks {
            0 | 1 => self.earliest_mark.min(scores.len()),
            _ => scores.len(),
        };
        let best_text = texts
            .filter(|&token| !is_barred(token))
            .max_by(|&a, &b| scores[a].total_cmp(&scores[b]))
            .unwrap_or(end);
        let best_mark = (earliest..scores.len()).max_by(|&a, &b| scores[a].total_cmp(&scores[b]));
        let all_marks: f32 = (earliest..scores.len()).map(weight).sum();
        let token = match best_mark {
            Some(mark) if all_marks > weight(best_text) => mark,
            _ => best_text,
        };
        let total: f32 = (0..scores.len()).map(weight).sum();
        self.is_first = false;
        if token >= first_mark {
            self.marks += 1;
            // A segment has a length.
            self.earliest_mark = token + usize::from(self.marks == 2);
        } else {
            self.marks = 0;
        }
        (token, weight(token) / total)
    }

    /// Whether the token is a mark behind which there is no audio.
    pub(super) fn is_over(&self, token: usize) -> bool {
        let Some(frame) = token.checked_sub(self.vocabulary.first_mark) else {
            return false;
        };
        frame as u64 * FRAME_MS + 100 >= self.audio_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Text 0 to 9 (9 is blank), 10 the end, 11 no text, marks of time from 12 on.
    fn vocabulary() -> Vocabulary {
        Vocabulary {
            start: vec![11],
            end: 10,
            first_mark: 12,
            blank: vec![9],
            descriptions: vec![8],
        }
    }

    fn scores(likely: &[(usize, f32)]) -> Vec<f32> {
        let mut scores = vec![-20.0; 60];
        for &(token, score) in likely {
            scores[token] = score;
        }
        scores
    }

    #[test]
    fn marks_come_in_pairs_and_only_forwards() {
        let vocabulary = vocabulary();
        let mut rules = Rules::new(&vocabulary, true, 600);
        assert_eq!(
            rules.choose(&scores(&[(13, 9.0), (3, 1.0)])).0,
            3,
            "behind the opening mark is text"
        );
        let close = rules.choose(&scores(&[(20, 9.0), (3, 1.0)])).0;
        assert_eq!((close, rules.is_over(close)), (20, false), "160 ms of 600");
        let open = rules.choose(&scores(&[(3, 9.0), (15, 5.0), (20, 2.0)])).0;
        assert_eq!(open, 20, "no text between closing and opening, and no way back");
        assert_eq!(rules.choose(&scores(&[(25, 9.0), (4, 1.0)])).0, 4);
        assert!(rules.is_over(12 + 25), "500 ms of 600");
    }

    #[test]
    fn all_marks_together_outweigh_a_text() {
        let vocabulary = vocabulary();
        let mut rules = Rules::new(&vocabulary, false, 600);
        let spread: Vec<(usize, f32)> = (20..40).map(|mark| (mark, 1.0)).chain([(3, 2.0)]).collect();
        assert!(rules.choose(&scores(&spread)).0 >= 20);
        let mut rules = Rules::new(&vocabulary, false, 600);
        assert_eq!(rules.choose(&scores(&[(20, 1.0), (3, 2.0)])).0, 3);
    }

    #[test]
    fn an_utterance_does_not_begin_with_nothing_and_noises_are_not_described() {
        let vocabulary = vocabulary();
        let likely = scores(&[(9, 9.0), (8, 8.0), (10, 7.0), (2, 1.0)]);
        assert_eq!(Rules::new(&vocabulary, true, 600).choose(&likely).0, 2);
        assert_eq!(Rules::new(&vocabulary, false, 600).choose(&likely).0, 9);
        let (token, confidence) = Rules::new(&vocabulary, false, 600).choose(&scores(&[(2, 5.0), (3, 5.0)]));
        assert!(token == 2 || token == 3);
        assert!((confidence - 0.5).abs() < 0.01);
    }
}
