//! `cargo figures captions-load`: how late words come when several people speak at once, ours through a room and others' with
//! the same tracks and weights, one system after the other in one run.

mod report;

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use super::figure::{OURS, Report, percentile};
use super::meeting::Recogniser;
use super::programme::{self, Plan, Track};
use super::streaming::{self, System};
use super::words::{self, Shown};
use super::{machine, meeting};
use crate::api::Api;
use crate::score::{WordErrors, word_errors};
use crate::servers::{Durability, House};
use crate::setup::Ready;

/// So many speak at once.
const OUR_SPEAKERS: [usize; 5] = [1, 2, 4, 6, 8];
/// Of theirs; with more they are minutes behind.
const THEIR_SPEAKERS: [usize; 4] = [1, 2, 4, 8];
/// The recordings are spread over so many tracks; who comes after plays them in another order.
const TRACKS: usize = 5;
/// Who speaks alone does so so many times, each time with another track: one track has three or four finals.
const ALONE: usize = 4;
/// Others' work on the machine may take this long; then the run is taken anyway, and the report says so.
const QUIET_LIMIT: Duration = Duration::from_secs(300);

/// What a system did with some tracks at once.
struct Outcome {
    system: &'static str,
    speakers: usize,
    shown_ms: Vec<f64>,
    committed_ms: Vec<f64>,
    finals_ms: Vec<f64>,
    errors: WordErrors,
    core_seconds: f64,
    spoken_seconds: f64,
    /// Ours alone tells it.
    recogniser: Recogniser,
}

/// Measures.
///
/// # Errors
/// A part does not start, or a meeting cannot be held.
pub(super) async fn measure(ready: &Ready, workspace: &Path) -> Result<Report> {
    let interpreter = streaming::environment(ready, workspace)?;
    let run = ready.cache.run_folder("figures-load")?;
    let tracks = tracks(ready, &run.path)?;
    let mut outcomes = Vec::new();
    let mut noisy_runs = 0;
    eprintln!("servers");
    let told = |part: &str, address: &str| eprintln!("  {part:<18} ready  {address}");
    let house = House::start(&ready.parts, &ready.binaries, &run.path, Durability::Disk, told).await?;
    let api = Api::new(&house.dispatcher.url, &house.dispatcher.api_key);
    let organisation = api.organisation("Figures", "Robin").await?;
    for speakers in OUR_SPEAKERS {
        let mut outcome = Outcome::new(OURS, speakers);
        for tracks in runs(&tracks, speakers) {
            noisy_runs += usize::from(!machine::quiet(QUIET_LIMIT).await?);
            let files: Vec<_> = tracks.iter().map(|track| track.file.as_path()).collect();
            let held = meeting::hold(&house, &api, &organisation, &ready.binaries, &files).await?;
            let shown: Vec<_> = held.taken.iter().map(|taken| taken.shown.clone()).collect();
            let records: Vec<_> = held.taken.iter().map(|taken| taken.record.clone()).collect();
            outcome.add(tracks, &shown, &records, held.agent_core_seconds);
            outcome.recogniser.busy_s += held.recogniser.busy_s;
            outcome.recogniser.recognised_s += held.recogniser.recognised_s;
        }
        outcome.tell();
        outcomes.push(outcome);
    }
    house.stop().await;
    let model = ready.parts.ct2_model(&ready.cache)?;
    let mut given_up = Vec::new();
    for system in System::ALL {
        'loads: for speakers in THEIR_SPEAKERS {
            let mut outcome = Outcome::new(system.name(), speakers);
            for tracks in runs(&tracks, speakers) {
                noisy_runs += usize::from(!machine::quiet(QUIET_LIMIT).await?);
                let files: Vec<_> = tracks.iter().map(|track| track.file.as_path()).collect();
                let heard = streaming::hear(system, &interpreter, workspace, &model, &files, &run.path);
                // What others do not manage is a result, and no reason to lose the others.
                let heard = match heard.await {
                    Ok(heard) => heard,
                    Err(error) => {
                        let told = format!("{}, {speakers} at once: {error:#}", system.name());
                        eprintln!("  {told}");
                        given_up.push(told);
                        continue 'loads;
                    }
                };
                let records: Vec<_> = heard.shown.iter().map(|shown| last_text(shown)).collect();
                outcome.add(tracks, &heard.shown, &records, heard.core_seconds);
            }
            outcome.tell();
            outcomes.push(outcome);
        }
    }
    let mut report = report::of(&outcomes, noisy_runs);
    report.notes.extend(given_up);
    Ok(report)
}

/// The tracks that are played at once, one run after the other.
fn runs(tracks: &[Track], speakers: usize) -> Vec<&[Track]> {
    match speakers {
        1 => tracks.chunks(1).take(ALONE).collect(),
        many => vec![&tracks[..many]],
    }
}

/// A track for each speaker; who comes after the first few plays theirs in another order.
fn tracks(ready: &Ready, folder: &Path) -> Result<Vec<Track>> {
    let recordings = programme::recordings(ready)?;
    let spread = programme::spread(&recordings, TRACKS);
    let most = OUR_SPEAKERS.into_iter().max().unwrap_or(TRACKS);
    let plans: Vec<Plan> = (0..most)
        .map(|number| {
            let mut spoken = spread[number % TRACKS].clone();
            let by = (number / TRACKS) % spoken.len();
            spoken.rotate_left(by);
            Plan {
                name: format!("speaker-{}", number + 1),
                spoken,
                noise_db: None,
                seed: 0,
                behind_opus: false,
            }
        })
        .collect();
    eprintln!("tracks ({} recordings)", recordings.len());
    programme::make(ready, folder, &plans)
}

/// The whole text as it was shown last.
fn last_text(shown: &[Shown]) -> String {
    let words = words::timed(shown);
    let texts: Vec<&str> = words.iter().map(|timed| timed.word.as_str()).collect();
    texts.join(" ")
}

impl Outcome {
    fn new(system: &'static str, speakers: usize) -> Self {
        Self {
            system,
            speakers,
            shown_ms: Vec::new(),
            committed_ms: Vec::new(),
            finals_ms: Vec::new(),
            errors: WordErrors::default(),
            core_seconds: 0.0,
            spoken_seconds: 0.0,
            recogniser: Recogniser::default(),
        }
    }

    /// What came of a run.
    fn add(&mut self, tracks: &[Track], shown: &[Vec<Shown>], records: &[String], core_seconds: f64) {
        self.core_seconds += core_seconds;
        for ((track, shown), record) in tracks.iter().zip(shown).zip(records) {
            let timed = words::timed(shown);
            let delays = words::delays(&track.offline, &timed);
            self.spoken_seconds += track.spoken_seconds;
            self.shown_ms.extend(delays.shown_ms);
            self.committed_ms.extend(delays.stays_ms);
            self.finals_ms
                .extend(words::finals(&track.offline, &track.speech_ends_ms, &timed));
            self.errors = self.errors.plus(word_errors(&track.text, record));
        }
    }

    fn core_seconds_per_second(&self) -> f64 {
        self.core_seconds / self.spoken_seconds
    }

    fn real_time_factor(&self) -> Option<f64> {
        let Recogniser { busy_s, recognised_s } = self.recogniser;
        (recognised_s > 0.0).then(|| busy_s / recognised_s)
    }

    fn tell(&self) {
        let ms = |values: &[f64]| percentile(values, 0.5).unwrap_or(f64::NAN);
        eprintln!(
            "  {:<24} {} at once: shown {:>6} committed {:>6} final {:>6} ms, wer {:.3}, {:.2} core-s/s",
            self.system,
            self.speakers,
            ms(&self.shown_ms),
            ms(&self.committed_ms),
            ms(&self.finals_ms),
            self.errors.rate(),
            self.core_seconds_per_second()
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_speaks_alone_has_one_track_after_the_other() {
        let track = Track {
            file: std::path::PathBuf::new(),
            text: String::new(),
            spoken_seconds: 50.0,
            speech_ends_ms: Vec::new(),
            offline: Vec::new(),
            offline_behind_opus: Vec::new(),
        };
        let tracks = vec![track; 8];
        let lengths = |speakers| -> Vec<usize> {
            let runs = runs(&tracks, speakers);
            runs.into_iter().map(<[Track]>::len).collect()
        };
        assert_eq!((lengths(1), lengths(6)), (vec![1; ALONE], vec![6]));
    }
}
