//! Whose numbers Deepgram's are: two people on one track, real voices and real networks.

use std::collections::BTreeMap;

use speech::{Diariser, NumberedRun, SpeakerModel, TurnId, VoiceEvent, VoiceLabel, Word};

use super::*;

const PAUSE_MS: usize = 800;
/// His turns are from the one recording, hers from the other, in milliseconds; he begins.
const HIS_MS: [(usize, usize); 3] = [(1_000, 8_500), (8_500, 12_700), (16_900, 24_300)];
const HERS_MS: [(usize, usize); 3] = [(21_900, 28_430), (14_440, 17_770), (21_900, 25_200)];

/// Who says what when.
struct Dialogue {
    recording: Arc<[i16]>,
    words: Vec<Spoken>,
    /// Begin, end and voice of each turn.
    turns: Vec<(usize, usize, usize)>,
}

/// A man who reads aloud and a woman on the telephone, in turn. Where a word ends only the server has to know: every 300 ms.
fn dialogue() -> Dialogue {
    let read = |folder: &str, file: &str| {
        speech::wav::read_mono_16khz(&from_environment(folder).join(file)).unwrap()
    };
    let voices = [
        (read("RAPPORTEUR_RECORDINGS", "two_cities.wav"), HIS_MS),
        (read("RAPPORTEUR_CONVERSATION", "sample.wav"), HERS_MS),
    ];
    let (mut recording, mut words, mut turns) = (Vec::new(), Vec::new(), Vec::new());
    for turn in 0..HIS_MS.len() {
        for (voice, (samples, places)) in voices.iter().enumerate() {
            let (from_ms, to_ms) = places[turn];
            let begin_ms = recording.len() / 16;
            recording.extend_from_slice(&samples[from_ms * 16..to_ms * 16]);
            let end_ms = recording.len() / 16;
            let places = (begin_ms..end_ms - 300).step_by(300);
            words.extend(places.map(|start_ms| Spoken {
                text: format!("W{start_ms}."),
                start_ms,
                end_ms: start_ms + 300,
                voice,
            }));
            turns.push((begin_ms, end_ms, voice));
            recording.resize(recording.len() + PAUSE_MS * 16, 0);
        }
    }
    Dialogue {
        recording: recording.into(),
        words,
        turns,
    }
}

/// The recogniser's runs, in the utterance's own time.
fn runs(words: &[Word], start_ms: u64) -> Vec<NumberedRun> {
    let runs = words.chunk_by(|a, b| a.speaker == b.speaker);
    let run = |words: &[Word]| NumberedRun {
        start_ms: (words[0].start_ms - start_ms) as u32,
        end_ms: (words[words.len() - 1].end_ms - start_ms) as u32,
        speaker: words[0].speaker.unwrap(),
    };
    runs.map(run).collect()
}

/// The line is cut in the middle of her first turn, so that the new connection hears her first and gives her the number
/// that was his: the labels stay who they were.
#[tokio::test]
async fn labels_stay_when_a_new_connection_numbers_people_the_other_way_round() {
    let Dialogue {
        recording,
        words,
        turns,
    } = dialogue();
    let (_, his_end_ms, _) = turns[0];
    let cut = Behaviour::CutAfter((his_end_ms + 4_000) * 16);
    let server = Server::start(Source::Played(recording.clone(), words), PATIENT, &[cut]).await;
    let mut options = options(&server);
    options.diarize = true;
    let deepgram = Deepgram::new(options).unwrap();
    let model = SpeakerModel::load(&from_environment("RAPPORTEUR_SPEAKER_MODEL")).unwrap();
    let mut diariser = Diariser::new(model);
    let mut truth = BTreeMap::new();
    let mut labels: BTreeMap<TurnId, Option<VoiceLabel>> = BTreeMap::new();
    let mut numbers: BTreeMap<(u64, u32), usize> = BTreeMap::new();
    for (utterance, (begin_ms, end_ms, voice)) in (0..).zip(turns) {
        if utterance == 1 {
            // What is settled of it before the cut has arrived.
            let partial = request(
                RequestKind::Partial,
                utterance,
                &recording,
                begin_ms,
                begin_ms + 3_200,
            );
            let heard = deepgram.submit(partial).await.unwrap().unwrap();
            assert!(!heard.words.is_empty());
        }
        let last = request(RequestKind::Final, utterance, &recording, begin_ms, end_ms);
        let audio = last.audio.clone();
        let heard = deepgram.submit(last).await.unwrap().unwrap();
        let runs = runs(&heard.words, begin_ms as u64);
        for (turn, run) in runs.iter().enumerate() {
            numbers.insert((run.speaker.connection, run.speaker.number), voice);
            truth.insert(TurnId { utterance, turn }, voice);
        }
        let (heard, events) = diariser.hear_numbered(utterance, &audio.to_vec(), &runs);
        assert_eq!(heard.turns.len(), runs.len());
        for event in events {
            match event {
                VoiceEvent::Labelled { turn, label } | VoiceEvent::Corrected { turn, to: label, .. } => {
                    labels.insert(turn, label);
                }
                other => panic!("{other:?}"),
            }
        }
    }
    let given: Vec<_> = numbers.into_iter().collect();
    let other_way_round = [((0, 0), 0), ((0, 1), 1), ((1, 0), 1), ((1, 1), 0)];
    assert_eq!(given, other_way_round, "the line was not cut where it should be");
    let expected: BTreeMap<TurnId, Option<VoiceLabel>> = truth
        .into_iter()
        .map(|(turn, voice)| (turn, Some(voice as u32 + 1)))
        .collect();
    assert_eq!(labels, expected);
    server.assert_no_violations();
}
