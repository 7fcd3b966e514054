//! The part of `cargo figures captions` about words: the transcript of a meeting against the same model off line, clean, with
//! noise, and with sound lost on the way.

use anyhow::{Context as _, Result};

use super::figure::{Figure, OURS};
use super::meeting::{self, Held};
use super::programme::{self, Plan, Track};
use crate::api::Api;
use crate::score::{WordErrors, word_errors};
use crate::servers::{BadNetwork, Count, Durability, House};
use crate::setup::Ready;

const OFFLINE: &str = "Whisper tiny.en off line";
const BEHIND_OPUS: &str = "Whisper tiny.en off line, behind Opus";
/// So many speak at once, each a part of the recordings: it halves the time and leaves the machine room.
const TRACKS: usize = 2;
/// Each setting is held so many times, in noise each time with another noise: one sentence that is heard otherwise is a quarter
/// of a point of one meeting, and several are in each.
const MEETINGS: usize = 3;
const NOISE_DB: f64 = 10.0;
const LOSS_PERCENT: u32 = 10;
const SEED: u64 = 4;
/// What streaming may lose.
const AIM_ABOVE_OFFLINE: f64 = 0.01;

/// How it was taken, for the section.
pub(super) const MEANING: &str = "Words against off line: two participants at once play recordings of three human voices whose \
text is known (the opening of A Tale of Two Cities; sentences of Sense and Sensibility read for LibriVox; a telephone voice's \
prompts at 8 kHz), each at -26 dB of full scale, 1.2 s between two, through LiveKit and Opus. Off line is the same model on \
the same sound: whisper.cpp on each recording whole, with the encoder's full context and its own fallbacks, told where the \
recording begins and ends; as it was played, and once more as Opus leaves it, which is what the agent gets to hear (48 kbit/s, \
nothing lost). Each setting is held three times, and the words of all three are counted together. Noise is pink, \
another one each time, from fixed seeds. Loss is made by a relay between the clients and LiveKit, which drops RTP packets that \
bring sound to the server, retransmissions included, by a fixed seed; off line then hears the sound as it was sent.";

/// What was measured.
#[derive(Debug, Default)]
pub(super) struct Accuracy {
    pub figures: Vec<Figure>,
    pub notes: Vec<String>,
}

/// Measures.
///
/// # Errors
/// A part does not start, or a meeting cannot be held.
pub(super) async fn measure(ready: &Ready) -> Result<Accuracy> {
    let run = ready.cache.run_folder("figures-words")?;
    let recordings = programme::recordings(ready)?;
    eprintln!("tracks ({} recordings)", recordings.len());
    let clean = std::iter::once(("clean".to_owned(), None, SEED));
    let noisy = (0..MEETINGS).map(|meeting| {
        let seed = SEED + (meeting * TRACKS) as u64;
        (format!("noise-{meeting}"), Some(NOISE_DB), seed)
    });
    let plans: Vec<Plan> = clean
        .chain(noisy)
        .flat_map(|(name, noise_db, seed)| {
            let parts = programme::spread(&recordings, TRACKS).into_iter().enumerate();
            parts.map(move |(number, spoken)| Plan {
                name: format!("{name}-{}", number + 1),
                spoken,
                noise_db,
                seed: seed + number as u64,
                behind_opus: true,
            })
        })
        .collect();
    let made = programme::make(ready, &run.path, &plans)?;
    let (clean, noisy) = made.split_at(TRACKS);
    let (clean, noisy) = (vec![clean; MEETINGS], noisy.chunks(TRACKS).collect());

    eprintln!("servers");
    let told = |part: &str, address: &str| eprintln!("  {part:<18} ready  {address}");
    let house = House::start_behind(
        &ready.parts,
        &ready.binaries,
        &run.path,
        Durability::Disk,
        BadNetwork::ADDRESS,
        told,
    )
    .await?;
    let port = house
        .livekit
        .udp_port()
        .context("LIVEKIT_URL is set: loss needs a server of our own")?;
    let network = BadNetwork::start(port).await?;
    let api = Api::new(&house.dispatcher.url, &house.dispatcher.api_key);
    let organisation = api.organisation("Figures", "Robin").await?;
    let mut accuracy = Accuracy::default();
    for (setting, meetings, loss_percent) in [
        ("clean".to_owned(), clean.clone(), 0),
        (format!("pink noise at {NOISE_DB} dB"), noisy, 0),
        (
            format!("{LOSS_PERCENT} % of the packets lost"),
            clean,
            LOSS_PERCENT,
        ),
    ] {
        network.lose(loss_percent);
        let before = network.count();
        let mut heard = Heard::default();
        for (meeting, tracks) in meetings.into_iter().enumerate() {
            eprintln!("{setting}, {} of {MEETINGS}", meeting + 1);
            let files: Vec<_> = tracks.iter().map(|track: &Track| track.file.as_path()).collect();
            let held = meeting::hold(&house, &api, &organisation, &ready.binaries, &files).await?;
            heard.add(tracks, &held);
        }
        accuracy.add(&setting, heard, before, network.count());
    }
    house.stop().await;
    Ok(accuracy)
}

/// The words of several meetings.
#[derive(Debug, Default)]
struct Heard {
    ours: WordErrors,
    offline: WordErrors,
    behind_opus: WordErrors,
}

impl Heard {
    fn add(&mut self, tracks: &[Track], held: &Held) {
        for (track, taken) in tracks.iter().zip(&held.taken) {
            self.ours = self.ours.plus(word_errors(&track.text, &taken.record));
            self.offline = self.offline.plus(track.errors_of(&track.offline));
            self.behind_opus = self.behind_opus.plus(track.errors_of(&track.offline_behind_opus));
        }
    }
}

impl Accuracy {
    fn add(&mut self, setting: &str, heard: Heard, before: Count, after: Count) {
        let Heard {
            ours,
            offline,
            behind_opus,
        } = heard;
        let setting = format!("human voices, {} words of known text, {setting}", ours.words);
        let mut row = |figure, system: &str, value, aim| {
            self.figures.push(Figure {
                figure,
                system: system.to_owned(),
                setting: setting.clone(),
                value,
                unit: "share",
                aim,
            });
        };
        row("word_error_rate", OURS, ours.rate(), None);
        row("word_error_rate", OFFLINE, offline.rate(), None);
        row("word_error_rate", BEHIND_OPUS, behind_opus.rate(), None);
        let above = ours.rate() - offline.rate();
        row(
            "word_error_rate_above_offline",
            OURS,
            above,
            Some(AIM_ABOVE_OFFLINE),
        );
        let said = |errors: WordErrors| {
            format!(
                "{} substituted, {} missing, {} added",
                errors.substituted, errors.deleted, errors.inserted
            )
        };
        self.notes.push(format!(
            "{setting}: {OURS} {}; off line {}, behind Opus {}; {} of {} packets of sound lost by the relay.",
            said(ours),
            said(offline),
            said(behind_opus),
            after.lost - before.lost,
            after.media - before.media
        ));
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::figures::meeting::Taken;
    use crate::figures::words::Said;

    #[test]
    fn tracks_and_meetings_are_pooled_and_compared_with_off_line() {
        let said = |text: &str| -> Vec<Said> {
            let said = |word: &str| Said {
                text: word.into(),
                end_ms: 0,
            };
            text.split(' ').map(said).collect()
        };
        let track = |text: &str, offline: &str| Track {
            file: PathBuf::new(),
            text: text.into(),
            spoken_seconds: 1.0,
            speech_ends_ms: vec![],
            offline: said(offline),
            offline_behind_opus: said("one"),
        };
        let taken = |record: &str| Taken {
            shown: vec![],
            record: record.into(),
        };
        let held = Held {
            taken: vec![taken("one too three"), taken("four five")],
            ..Held::default()
        };
        let tracks = [
            track("one two three", "one two three"),
            track("four five", "for five"),
        ];
        let mut heard = Heard::default();
        heard.add(&tracks, &held);
        heard.add(&tracks, &held);
        let mut accuracy = Accuracy::default();
        let (before, after) = (Count { media: 10, lost: 0 }, Count { media: 110, lost: 9 });
        accuracy.add("clean", heard, before, after);
        let values: Vec<f64> = accuracy.figures.iter().map(|row| row.value).collect();
        assert_eq!(values, [0.2, 0.2, 0.8, 0.0]);
        assert!(accuracy.notes[0].ends_with("9 of 100 packets of sound lost by the relay."));
        assert!(accuracy.figures[0].setting.contains("10 words"));
    }
}
