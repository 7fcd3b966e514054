//! What came of the meeting: figures for people and machines, and the list of what did not happen.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;

use super::delays::{self, Seen};
use super::script::{CAST, EXPECTATIONS, Expectation};
use super::stage::Played;
use crate::api::{Answer, Links, Segment, Usage, Word};
use crate::score::{WordErrors, word_errors};

/// Above this the captions are not what was said: something is broken, not merely misheard.
const WORD_ERROR_RATE_LIMIT: f64 = 0.25;
/// The usage that every meeting has.
const USAGE_KINDS: [&str; 3] = ["audio_received", "speech_recognised", "answer"];

/// The summary, as `--json` writes it.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// Rows of the transcript.
    pub segments: usize,
    /// Over everything whose text is known.
    pub word_error_rate: f64,
    /// By what was played.
    pub word_error_rate_by_part: BTreeMap<String, f64>,
    /// Words of the known texts.
    pub words_said: usize,
    /// From the end of a word to the first caption that shows it.
    pub first_caption_ms_p50: Option<i64>,
    /// The same, 90th percentile.
    pub first_caption_ms_p90: Option<i64>,
    /// From the end of a segment's voice to its final caption.
    pub final_caption_ms_p50: Option<i64>,
    /// The same, 90th percentile.
    pub final_caption_ms_p90: Option<i64>,
    /// Questions and answers.
    pub answers: Vec<Answer>,
    /// Usage rows.
    pub usage: Vec<Usage>,
    /// From scheduling a room that is due to the agent's having it.
    pub agent_joined_ms: i64,
    /// Processor time of the agent from the first word until the last caption is settled, by the seconds of speech that
    /// were played to it.
    pub agent_core_seconds_per_speech_second: Option<f64>,
    /// From the command to running servers.
    pub setup_seconds: f64,
    /// Pages to open.
    pub links: Links,
    /// The page on which the professional corrects captions.
    pub review_url: String,
    /// What should have happened and did not.
    pub failures: Vec<String>,
}

/// What the summary is made of.
#[derive(Debug)]
pub struct Evidence {
    /// The transcript.
    pub segments: Vec<Segment>,
    /// Captions as they were seen.
    pub captions: Vec<Seen>,
    /// Segments whose final came as a packet.
    pub packets: Vec<String>,
    /// What was played.
    pub played: Vec<Played>,
    /// The participants' identities, in the order of the cast.
    pub identities: Vec<String>,
    /// Zero of the meeting clock.
    pub origin_unix_ms: i64,
    /// Questions and answers.
    pub answers: Vec<Answer>,
    /// Usage rows.
    pub usage: Vec<Usage>,
    /// Pages.
    pub links: Links,
    /// See [`Summary::review_url`].
    pub review_url: String,
    /// See [`Summary::agent_joined_ms`].
    pub agent_joined_ms: i64,
    /// Processor time of the agent from the first word until the last caption is settled.
    pub agent_core_seconds: Option<f64>,
    /// See [`Summary::setup_seconds`].
    pub setup_seconds: f64,
    /// What went wrong on the way.
    pub failures: Vec<String>,
}

impl Summary {
    /// Judges the evidence.
    pub fn of(evidence: Evidence) -> Self {
        let mut failures = evidence.failures.clone();
        let by_part = errors_by_part(&evidence);
        let total = by_part
            .iter()
            .fold(WordErrors::default(), |sum, (_, errors)| sum.plus(*errors));
        if total.words > 0 && total.rate() > WORD_ERROR_RATE_LIMIT {
            failures.push(format!(
                "the captions say what was said (word error rate {:.2})",
                total.rate()
            ));
        }
        failures.extend(transcript_failures(&evidence));
        failures.extend(
            EXPECTATIONS
                .iter()
                .filter_map(|expected| answer_failure(expected, &evidence.answers)),
        );
        for kind in USAGE_KINDS {
            if !evidence
                .usage
                .iter()
                .any(|usage| usage.kind == kind && usage.quantity > 0.0)
            {
                failures.push(format!("usage of kind {kind} is recorded"));
            }
        }
        let first_ms = delays::first_captions(
            &evidence.played,
            &evidence.segments,
            &evidence.captions,
            &evidence.identities,
        );
        let final_ms = delays::finals(&evidence.segments, &evidence.captions, evidence.origin_unix_ms);
        if first_ms.is_empty() {
            failures.push("captions arrive while people talk".to_owned());
        }
        let percentile = delays::percentile;
        Self {
            segments: evidence.segments.len(),
            word_error_rate: total.rate(),
            words_said: total.words,
            word_error_rate_by_part: by_part
                .into_iter()
                .map(|(name, errors)| (name, errors.rate()))
                .collect(),
            first_caption_ms_p50: percentile(&first_ms, 0.5),
            first_caption_ms_p90: percentile(&first_ms, 0.9),
            final_caption_ms_p50: percentile(&final_ms, 0.5),
            final_caption_ms_p90: percentile(&final_ms, 0.9),
            agent_core_seconds_per_speech_second: core_seconds_per_speech_second(&evidence),
            answers: evidence.answers,
            usage: evidence.usage,
            agent_joined_ms: evidence.agent_joined_ms,
            setup_seconds: evidence.setup_seconds,
            links: evidence.links,
            review_url: evidence.review_url,
            failures,
        }
    }

    /// Prints it.
    pub fn print(&self) {
        let row = |name: &str, value: String| println!("  {name:<34} {value}");
        let ms = |value: Option<i64>| value.map_or("-".to_owned(), |ms| format!("{ms} ms"));
        println!("\nsummary");
        row("segments in the transcript", self.segments.to_string());
        row(
            "word error rate",
            format!("{:.3} of {} words", self.word_error_rate, self.words_said),
        );
        for (part, rate) in &self.word_error_rate_by_part {
            row(&format!("  {part}"), format!("{rate:.3}"));
        }
        row(
            "first caption of a turn after",
            format!(
                "{} (p90 {})",
                ms(self.first_caption_ms_p50),
                ms(self.first_caption_ms_p90)
            ),
        );
        row(
            "final caption after the voice",
            format!(
                "{} (p90 {})",
                ms(self.final_caption_ms_p50),
                ms(self.final_caption_ms_p90)
            ),
        );
        row("agent had the room after", format!("{} ms", self.agent_joined_ms));
        if let Some(seconds) = self.agent_core_seconds_per_speech_second {
            row(
                "agent's core seconds",
                format!("{seconds:.2} per second of speech"),
            );
        }
        row("set-up took", format!("{:.1} s", self.setup_seconds));
        println!("\nanswers");
        for answer in &self.answers {
            println!("  {} ({}, {} ms)", answer.question, answer.via, answer.latency_ms);
            println!("    {}", answer.text);
            for source in &answer.sources {
                println!("    - {}: \"{}\"", source.document_title, source.quote);
            }
        }
        println!("\nusage");
        for usage in &self.usage {
            let engine = usage.engine.as_deref().unwrap_or_default();
            println!(
                "  {:<24} {:>10.2} {:<8} {engine}",
                usage.kind, usage.quantity, usage.unit
            );
        }
        println!("\nlive captions   {}", self.links.captions_url);
        println!("correct them    {}", self.review_url);
        println!("join the room   {}", self.links.join_url);
        for failure in &self.failures {
            println!("\nDID NOT HAPPEN  {failure}");
        }
    }
}

fn core_seconds_per_speech_second(evidence: &Evidence) -> Option<f64> {
    let played_ms: i64 = evidence
        .played
        .iter()
        .map(|part| part.to_unix_ms - part.from_unix_ms)
        .sum();
    let seconds = evidence.agent_core_seconds?;
    (played_ms > 0).then(|| seconds * 1000.0 / played_ms as f64)
}

/// Compares each part whose text is known with the words that its speaker was heard saying around that time.
fn errors_by_part(evidence: &Evidence) -> Vec<(String, WordErrors)> {
    let mut heard = vec![String::new(); evidence.played.len()];
    for segment in &evidence.segments {
        let who = evidence
            .identities
            .iter()
            .position(|identity| *identity == segment.speaker.identity);
        for word in &segment.words {
            let middle = evidence.origin_unix_ms + (word.start_ms + word.end_ms) / 2;
            let parts = evidence.played.iter().enumerate();
            let nearest = parts
                .filter(|(_, part)| Some(part.who) == who)
                .min_by_key(|(_, part)| (part.from_unix_ms - middle).max(middle - part.to_unix_ms).max(0));
            if let Some((index, _)) = nearest {
                push_word(&mut heard[index], word);
            }
        }
    }
    let parts = evidence.played.iter().zip(heard);
    parts
        .filter_map(|(part, heard)| Some((part.name.clone(), word_errors(part.text.as_deref()?, &heard))))
        .collect()
}

fn push_word(text: &mut String, word: &Word) {
    text.push(' ');
    text.push_str(word.text.trim());
}

fn transcript_failures(evidence: &Evidence) -> Vec<String> {
    let mut failures = Vec::new();
    let mut require = |holds: bool, what: String| {
        if !holds {
            failures.push(what);
        }
    };
    let sequences = evidence.segments.iter().map(|segment| segment.sequence);
    require(
        sequences.eq(1..=evidence.segments.len() as i64),
        "the transcript has no gap".to_owned(),
    );
    for (role, identity) in CAST.iter().zip(&evidence.identities) {
        let own: Vec<&Segment> = evidence
            .segments
            .iter()
            .filter(|segment| segment.speaker.identity == *identity)
            .collect();
        require(
            !own.is_empty() && own.iter().all(|segment| segment.speaker.name == role.name),
            format!("{} is in the transcript under that name", role.name),
        );
    }
    let finals: HashSet<&String> = evidence
        .captions
        .iter()
        .filter(|caption| caption.r#final)
        .map(|caption| &caption.segment)
        .collect();
    let partials = evidence
        .captions
        .iter()
        .filter(|caption| !caption.r#final)
        .count();
    require(partials > 0, "captions form while people talk".to_owned());
    let stored: HashSet<&String> = evidence.segments.iter().map(|segment| &segment.id).collect();
    require(
        stored == finals,
        format!(
            "every stored segment is a final caption and the other way round ({} stored, {} shown)",
            stored.len(),
            finals.len()
        ),
    );
    let packets: HashSet<&String> = evidence.packets.iter().collect();
    require(
        stored.is_subset(&packets),
        "every final also comes as the legacy packet".to_owned(),
    );
    failures
}

fn answer_failure(expected: &Expectation, answers: &[Answer]) -> Option<String> {
    let Expectation {
        via,
        about,
        source,
        facts,
    } = expected;
    let fits = |answer: &&Answer| answer.via == *via && answer.question.to_lowercase().contains(about);
    let Some(answer) = answers.iter().find(fits) else {
        return Some(format!("the question about {about} ({via}) is answered"));
    };
    let text = answer.text.to_lowercase();
    let told = facts.iter().any(|fact| text.contains(fact));
    let borne = match source {
        Some(title) => answer.grounded && answer.sources.iter().any(|one| one.document_title == *title),
        None => !answer.grounded && answer.sources.is_empty(),
    };
    let wanted = source.unwrap_or("no document");
    (!told || !borne).then(|| {
        format!(
            "the question about {about} ({via}) is answered from {wanted}; it was: {}",
            answer.text
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Source, Speaker};

    fn answer(via: &str, question: &str, text: &str, title: Option<&str>) -> Answer {
        let source = |title: &str| Source {
            document_title: title.into(),
            quote: text.into(),
        };
        Answer {
            question: question.into(),
            text: text.into(),
            via: via.into(),
            grounded: title.is_some(),
            sources: title.map(source).into_iter().collect(),
            latency_ms: 1,
        }
    }

    fn good() -> Evidence {
        let word = |text: &str, start_ms: i64| Word {
            text: text.into(),
            start_ms,
            end_ms: start_ms + 100,
        };
        let segment = |sequence: i64, who: usize, words: Vec<Word>| Segment {
            sequence,
            id: sequence.to_string(),
            speaker: Speaker {
                identity: format!("p-{who}"),
                name: CAST[who].name.into(),
            },
            end_ms: words.last().map_or(0, |word| word.end_ms),
            text: String::new(),
            words,
        };
        let segments = vec![
            segment(1, 0, vec![word("good", 0), word("morning", 200)]),
            segment(2, 1, vec![word("hello", 1000)]),
        ];
        let seen = |id: &str, text: &str, r#final| Seen {
            segment: id.into(),
            text: text.into(),
            r#final,
            at_unix_ms: 2000,
        };
        let part = |who, text: &str, from_unix_ms| Played {
            who,
            text: Some(text.into()),
            name: text.into(),
            from_unix_ms,
            voice_from_ms: 0,
            to_unix_ms: from_unix_ms + 400,
        };
        let usage = |kind: &&str| Usage {
            kind: (*kind).into(),
            unit: "seconds".into(),
            quantity: 1.0,
            engine: None,
        };
        Evidence {
            segments,
            captions: vec![
                seen("1", "good", false),
                seen("1", "good morning", true),
                seen("2", "hello", true),
            ],
            packets: vec!["1".into(), "2".into()],
            played: vec![part(0, "Good morning", 0), part(1, "Hello", 1000)],
            identities: vec!["p-0".into(), "p-1".into()],
            origin_unix_ms: 0,
            answers: vec![
                answer(
                    "voice",
                    "How long do we keep the recordings?",
                    "For thirty days.",
                    Some("Recordings and transcripts"),
                ),
                answer(
                    "chat",
                    "who may read the notes of a meeting?",
                    "The head of the department.",
                    Some("Staff handbook"),
                ),
                answer("chat", "what about Mongolia?", "The documents do not say.", None),
            ],
            usage: USAGE_KINDS.iter().map(usage).collect(),
            links: Links {
                captions_url: String::new(),
                join_url: String::new(),
            },
            review_url: String::new(),
            agent_joined_ms: 1,
            agent_core_seconds: Some(0.2),
            setup_seconds: 1.0,
            failures: Vec::new(),
        }
    }

    #[test]
    fn a_good_meeting_has_no_failures() {
        let summary = Summary::of(good());
        assert_eq!(summary.failures, Vec::<String>::new());
        assert!(summary.word_error_rate.abs() < 1e-9 && summary.words_said == 3);
        // 0.2 s of computing for two parts of 0.4 s.
        let cost = summary.agent_core_seconds_per_speech_second.unwrap();
        assert!((cost - 0.25).abs() < 1e-9, "{cost}");
    }

    #[test]
    fn each_thing_that_did_not_happen_is_named() {
        type Spoil = fn(&mut Evidence);
        let cases: [(&str, Spoil); 8] = [
            ("no gap", |evidence| evidence.segments[1].sequence = 3),
            ("under that name", |evidence| {
                evidence.segments[1].speaker.name = "Alice Moore".into();
            }),
            ("every stored segment", |evidence| {
                evidence.captions.truncate(2);
            }),
            ("legacy packet", |evidence| evidence.packets.clear()),
            ("captions form", |evidence| {
                evidence.captions.remove(0);
            }),
            ("(voice) is answered", |evidence| {
                evidence.answers[0].sources.clear()
            }),
            ("usage of kind audio_received", |evidence| {
                evidence.usage.remove(0);
            }),
            ("word error rate", |evidence| {
                evidence.segments[0].words[0].text = "bad".into();
            }),
        ];
        for (named, spoil) in cases {
            let mut evidence = good();
            spoil(&mut evidence);
            let failures = Summary::of(evidence).failures;
            assert!(
                failures.iter().any(|failure| failure.contains(named)),
                "{named}: {failures:?}"
            );
        }
    }
}
