//! Two people share a microphone: a man who reads aloud and a woman on the telephone take turns on one track. Their words
//! come under two labels, which stay when the agent is killed and replaced, and a label that has a name keeps it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use system_tests::meeting::{Meeting, items, plain};

const LIMIT: Duration = Duration::from_secs(60);
const NOVEL: &str = include_str!("../../../runner/texts/two_cities.txt");
/// What she says in the two stretches that are played of her.
const SHEILA: &str = "Well, there isn't that much difference. At least you know, they all call me a Yankee down here, so \
    what can I say? And I'm Sheila in Texas, originally from Chicago.";
const SHEILA_AT_MS: [(u64, u64); 2] = [(21_900, 28_430), (14_440, 17_770)];
const PAUSE_MS: u64 = 800;
/// Of the words that only one of the two says.
const RIGHT_PERCENT: usize = 85;

/// The two in turn, two turns each. `reads_ms`: where in the novel his begin, and the second one ends.
fn dialogue(meeting: &Meeting, reads_ms: [u64; 3], she_begins: bool) -> Result<Vec<i16>> {
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
fn only_in(text: &str, other: &str) -> BTreeSet<String> {
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

/// Waits until the segments from `first` on are told apart; what they say comes first, whose it is a little later.
async fn told_apart(meeting: &Meeting, first: usize) -> Result<(i64, i64)> {
    let begun = Instant::now();
    loop {
        let segments = meeting.segments().await?;
        let tally = Tally::of(segments.get(first..).unwrap_or_default());
        if let Some(labels) = tally.labels() {
            return Ok(labels);
        }
        if begun.elapsed() > LIMIT {
            bail!("not told apart after {LIMIT:?}: {tally:?} of {segments:#?}");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_voices_have_two_labels_and_the_next_agent_goes_on_with_them() -> Result<()> {
    let mut meeting = Meeting::begin("Two people at one microphone").await?;
    meeting.move_to_room_with("voices", json!("several")).await?;
    let table = meeting.guest("The table").await?;
    let before = dialogue(&meeting, [1_000, 8_500, 16_900], false)?;
    table.participant.play("before", &before).await?;
    meeting.wait_until_stored(&table.identity, "texas", LIMIT).await?;
    let (his, hers) = told_apart(&meeting, 0).await?;
    let named = meeting.path(&format!("voices/{}/{hers}", table.identity));
    meeting.api.put(&named, &json!({"name": "Sheila"})).await?;
    let stored = meeting.segments().await?.len();

    meeting.house.agent.kill();
    meeting.house.agent.launch().await?;
    meeting.wait_for_agent(2).await?;
    let events = meeting.path("events?limit=1000");
    meeting
        .api
        .wait_for(&events, LIMIT, |events| {
            items(events)
                .filter(|event| event["kind"] == "track_subscribed")
                .count()
                >= 2
        })
        .await?;
    // An agent that knew nobody would call her the first.
    let after = dialogue(&meeting, [16_900, 24_300, 32_500], true)?;
    table.participant.play("after", &after).await?;
    let labels = told_apart(&meeting, stored).await?;
    assert_eq!(labels, (his, hers), "the labels have changed");

    let segments = meeting.segments().await?;
    let parts = segments[stored..]
        .iter()
        .filter_map(|segment| segment["voices"].as_array())
        .flatten();
    for part in parts {
        let name = (part["label"] == hers).then_some("Sheila");
        assert_eq!(part["name"].as_str(), name, "{part}");
    }
    let voices = meeting.api.get(&meeting.path("voices")).await?;
    let known: BTreeSet<i64> = items(&voices)
        .filter_map(|voice| voice["label"].as_i64())
        .collect();
    assert_eq!(known, BTreeSet::from([his, hers]), "{voices}");
    let usage = meeting.path("usage");
    meeting
        .api
        .wait_for(&usage, LIMIT, |usage| {
            usage.to_string().contains("voices_compute")
        })
        .await?;
    meeting.end().await
}

/// Nobody said that there are two: it is found out, and what was said before that is told apart too.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_voice_is_noticed() -> Result<()> {
    let meeting = Meeting::begin("Somebody else at the microphone").await?;
    let table = meeting.guest("The table").await?;
    let speech = dialogue(&meeting, [1_000, 8_500, 16_900], false)?;
    table.participant.play("both", &speech).await?;
    meeting.wait_for_event("several_voices", &table.identity).await?;
    told_apart(&meeting, 0).await?;
    let events = meeting.api.get(&meeting.path("events?limit=1000")).await?;
    let told = items(&events).filter(|event| event["kind"] == "several_voices");
    ensure!(told.count() == 1, "{events}");
    let first = meeting
        .segments()
        .await?
        .into_iter()
        .next()
        .context("a segment")?;
    assert!(first["voices"].is_array(), "{first}");
    meeting.end().await
}
