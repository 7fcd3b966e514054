//! Two people who share a microphone: a man who reads aloud and a woman on the telephone. What they say is known, so that it
//! can be told from the transcript whose words are under which label.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::Value;
use system_tests::meeting::{Meeting, plain};

pub(crate) const LIMIT: Duration = Duration::from_secs(60);
pub(crate) const NOVEL: &str = include_str!("../../../runner/texts/two_cities.txt");
/// What she says in the two stretches that are played of her.
pub(crate) const SHEILA: &str = "Well, there isn't that much difference. At least you know, they all call me a Yankee down here, so \
    what can I say? And I'm Sheila in Texas, originally from Chicago.";
const SHEILA_AT_MS: [(u64, u64); 2] = [(21_900, 28_430), (14_440, 17_770)];
const PAUSE_MS: u64 = 800;
/// Of the words that only one of the two says.
const RIGHT_PERCENT: usize = 85;

/// The two in turn, two turns each. `reads_ms`: where in the novel his begin, and the second one ends.
pub(crate) fn dialogue(meeting: &Meeting, reads_ms: [u64; 3], she_begins: bool) -> Result<Vec<i16>> {
    let ms = Duration::from_millis;
    let mut turns = Vec::new();
    for (turn, (from, to)) in SHEILA_AT_MS.into_iter().enumerate() {
        turns.push(meeting.speech("two_cities.wav", ms(reads_ms[turn]), ms(reads_ms[turn + 1]))?);
        turns.push(meeting.conversation(ms(from), ms(to))?);
        if she_begins {
            let last = turns.len() - 1;
            turns.swap(last - 1, last);
        }
    }
    let silence = vec![0; PAUSE_MS as usize * 16];
    Ok(turns
        .into_iter()
        .flat_map(|turn| [turn, silence.clone()].concat())
        .collect())
}

/// Words that only one of two texts has.
pub(crate) fn only_in(text: &str, other: &str) -> BTreeSet<String> {
    let words = |text: &str| plain(text).split(' ').map(str::to_owned).collect::<BTreeSet<_>>();
    words(text).difference(&words(other)).cloned().collect()
}

/// How many words that only he says, and that only she says, are under which label.
#[derive(Debug, Default)]
struct Tally {
    his: BTreeMap<Option<i64>, usize>,
    hers: BTreeMap<Option<i64>, usize>,
}

impl Tally {
    fn of(segments: &[Value]) -> Self {
        let (his_words, her_words) = (only_in(NOVEL, SHEILA), only_in(SHEILA, NOVEL));
        let mut tally = Self::default();
        let mut count = |label: Option<i64>, text: &str| {
            for word in plain(text).split(' ') {
                if his_words.contains(word) {
                    *tally.his.entry(label).or_default() += 1;
                } else if her_words.contains(word) {
                    *tally.hers.entry(label).or_default() += 1;
                }
            }
        };
        for segment in segments {
            match segment["voices"].as_array() {
                Some(parts) => parts
                    .iter()
                    .for_each(|part| count(part["label"].as_i64(), part["text"].as_str().unwrap_or(""))),
                None => count(None, segment["text"].as_str().unwrap_or("")),
            }
        }
        tally
    }

    /// His label and hers, when nearly all of their words are under them.
    fn labels(&self) -> Option<(i64, i64)> {
        let most = |words: &BTreeMap<Option<i64>, usize>| {
            let (label, count) = words.iter().max_by_key(|(_, count)| **count)?;
            Some(((*label)?, *count))
        };
        let ((his, his_right), (hers, hers_right)) = (most(&self.his)?, most(&self.hers)?);
        let (all_his, all_hers) = (
            self.his.values().sum::<usize>(),
            self.hers.values().sum::<usize>(),
        );
        let is_enough = all_his >= 20 && all_hers >= 8;
        let is_right = |right: usize, all: usize| right * 100 >= all * RIGHT_PERCENT;
        (is_enough && his != hers && is_right(his_right, all_his) && is_right(hers_right, all_hers))
            .then_some((his, hers))
    }
}

/// Waits until somebody's segments from the room's `first` on are told apart; what they say comes first, whose it is a little
/// later.
pub(crate) async fn told_apart(meeting: &Meeting, identity: &str, first: usize) -> Result<(i64, i64)> {
    let begun = Instant::now();
    loop {
        let mut segments = meeting.segments().await?;
        segments.drain(..first.min(segments.len()));
        segments.retain(|segment| segment["speaker"]["identity"] == identity);
        let tally = Tally::of(&segments);
        if let Some(labels) = tally.labels() {
            return Ok(labels);
        }
        if begun.elapsed() > LIMIT {
            bail!("not told apart after {LIMIT:?}: {tally:?} of {segments:#?}");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
