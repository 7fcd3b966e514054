//! Word error rate: the least number of substituted, deleted and inserted words between what was said and what was
//! recognised, divided by the number of words said (Levenshtein 1966, on words).

/// How two texts differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WordErrors {
    /// Words of the reference.
    pub words: usize,
    /// Recognised as another word.
    pub substituted: usize,
    /// Said and not recognised.
    pub deleted: usize,
    /// Recognised and not said.
    pub inserted: usize,
}

impl WordErrors {
    /// All errors divided by the words of the reference; may exceed 1. Zero when both texts are empty.
    pub fn rate(self) -> f64 {
        let errors = self.substituted + self.deleted + self.inserted;
        if self.words == 0 {
            f64::from(u8::from(errors > 0))
        } else {
            errors as f64 / self.words as f64
        }
    }

    /// The errors of two recordings together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            words: self.words + other.words,
            substituted: self.substituted + other.substituted,
            deleted: self.deleted + other.deleted,
            inserted: self.inserted + other.inserted,
        }
    }
}

/// The words of a text as they are compared: lower case, letters and digits only, spelled-out small numbers as digits.
pub fn normal_words(text: &str) -> Vec<String> {
    text.split(|c: char| c.is_whitespace() || c == '-' || c == '—')
        .map(|word| {
            word.chars()
                .filter(|c| c.is_alphanumeric())
                .flat_map(char::to_lowercase)
                .collect::<String>()
        })
        .filter(|word| !word.is_empty())
        .map(|word| match NUMBERS.iter().position(|number| *number == word) {
            Some(value) => value.to_string(),
            None => word,
        })
        .collect()
}

const NUMBERS: [&str; 13] = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
];

/// Compares what was recognised with what was said.
pub fn word_errors(said: &str, recognised: &str) -> WordErrors {
    let (said, recognised) = (normal_words(said), normal_words(recognised));
    // One row of the matrix, each cell with the counts of its best path.
    let start = |inserted| WordErrors {
        words: said.len(),
        inserted,
        ..Default::default()
    };
    let cost = |errors: &WordErrors| errors.substituted + errors.deleted + errors.inserted;
    let mut row: Vec<WordErrors> = (0..=recognised.len()).map(start).collect();
    for word in &said {
        let mut above_left = row[0];
        row[0].deleted += 1;
        for (index, heard) in recognised.iter().enumerate() {
            let above = row[index + 1];
            let same = word == heard;
            let substitute = WordErrors {
                substituted: above_left.substituted + usize::from(!same),
                ..above_left
            };
            let delete = WordErrors {
                deleted: above.deleted + 1,
                ..above
            };
            let insert = WordErrors {
                inserted: row[index].inserted + 1,
                ..row[index]
            };
            let best = [substitute, delete, insert]
                .into_iter()
                .min_by_key(cost)
                .unwrap_or(substitute);
            above_left = above;
            row[index + 1] = best;
        }
    }
    row.pop().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn errors_are_counted_by_kind() {
        let errors = word_errors("It was the best of times.", "it was a best of the times");
        assert_eq!(
            errors,
            WordErrors {
                words: 6,
                substituted: 1,
                deleted: 0,
                inserted: 1
            }
        );
        assert!((errors.rate() - 2.0 / 6.0).abs() < 1e-9);
        assert_eq!(
            word_errors("keep them for three days", "keep for 3 days").deleted,
            1
        );
    }

    proptest! {
        #[test]
        fn the_same_text_has_no_errors(text in "[a-z ]{0,60}") {
            let errors = word_errors(&text, &text);
            prop_assert_eq!(errors.substituted + errors.deleted + errors.inserted, 0);
        }

        #[test]
        fn errors_never_exceed_the_longer_text(a in "[ab ]{0,30}", b in "[ab ]{0,30}") {
            let errors = word_errors(&a, &b);
            let longer = normal_words(&a).len().max(normal_words(&b).len());
            prop_assert!(errors.substituted + errors.deleted + errors.inserted <= longer);
        }
    }
}
