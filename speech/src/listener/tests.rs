use std::ops::Range;

use super::*;
use crate::Audio;
use crate::voice::Gate;
use proptest::prelude::*;

/// Something that the detector takes for voice: a buzz of 150 Hz with formants, as loud as speech.
fn voice(ms: u64) -> Vec<i16> {
    (0..ms as usize * SAMPLES_PER_MS)
        .map(|i| {
            let t = i as f64 / 16_000.0;
            let syllable = 0.6 + 0.4 * (t * 25.0).sin();
            let buzz: f64 = (1..20)
                .map(|k| (t * 150.0 * f64::from(k) * std::f64::consts::TAU).sin() / f64::from(k))
                .sum();
            (buzz * syllable * 6000.0) as i16
        })
        .collect()
}

fn silence(ms: u64) -> Vec<i16> {
    vec![0; ms as usize * SAMPLES_PER_MS]
}

fn finals(events: &[ListenerEvent]) -> Vec<(u64, u64, u64, usize)> {
    events
        .iter()
        .filter_map(|event| match event {
            ListenerEvent::Finalise {
                utterance,
                audio,
                start_ms,
                end_ms,
            } => Some((*utterance, *start_ms, *end_ms, audio.len())),
            _ => None,
        })
        .collect()
}

#[test]
fn silence_says_nothing() {
    let mut listener = Listener::new(ListenerOptions::default(), Gate::new());
    assert_eq!(listener.push(&silence(10_000)), []);
    assert_eq!(listener.flush(), []);
    assert_eq!(listener.now_ms(), 10_000);
}

/// Loud frames have voice; it ended so long before the end of the first one without.
struct Slow(u64);

impl VoiceDetector for Slow {
    fn is_voice(&mut self, frame: &[i16]) -> bool {
        frame.iter().any(|sample| sample.abs() > 1_000)
    }

    fn quiet_ms(&self) -> u64 {
        self.0
    }
}

#[test]
fn a_pause_begins_where_the_voice_ended_and_not_where_that_was_noticed() {
    for quiet_ms in [20, 33, 63] {
        let mut listener = Listener::new(ListenerOptions::default(), Slow(quiet_ms));
        let mut events = listener.push(&silence(1_000));
        events.extend(listener.push(&voice(2_000)));
        events.extend(listener.push(&silence(2_000)));
        let looks: Vec<usize> = events
            .iter()
            .filter_map(|event| match event {
                ListenerEvent::Hypothesise {
                    audio,
                    start_ms,
                    at_pause: true,
                    ..
                } => Some(*start_ms as usize + audio.len() / SAMPLES_PER_MS),
                _ => None,
            })
            .collect();
        let voice_end_ms = 3_020 - quiet_ms as usize;
        assert_eq!(
            looks,
            [voice_end_ms + ListenerOptions::default().pause_ms as usize]
        );
        let [(0, _, end_ms, _)] = finals(&events)[..] else {
            panic!("{events:?}")
        };
        assert_eq!(end_ms, voice_end_ms as u64);
    }
}

/// Loud frames have voice; quiet ones that are not silent may have.
#[derive(Default)]
struct Doubting(u64);

impl VoiceDetector for Doubting {
    fn is_voice(&mut self, frame: &[i16]) -> bool {
        let loudest = frame.iter().map(|sample| sample.abs()).max().unwrap();
        self.0 = if loudest == 0 { 0 } else { self.0 + FRAME_MS };
        loudest > 1_000
    }

    fn doubtful_ms(&self) -> u64 {
        self.0
    }
}

#[test]
fn an_utterance_begins_where_there_may_have_been_voice_already() {
    let options = ListenerOptions::default();
    let beginning = |murmur_ms: u64| {
        let murmur = vec![40; murmur_ms as usize * SAMPLES_PER_MS];
        let mut listener = Listener::new(options, Doubting::default());
        let mut events = listener.push(&[silence(2_000), murmur, voice(1_000)].concat());
        events.extend(listener.flush());
        finals(&events)
            .first()
            .map(|&(_, start_ms, ..)| 2_000 + murmur_ms - start_ms)
    };
    // The voice is noticed within the window in which it gathers.
    let noticed_ms = ONSET_WINDOW_MS - options.onset_ms;
    let pre_roll_ms = options.pre_roll_ms + noticed_ms;
    assert_eq!(beginning(0), Some(pre_roll_ms));
    assert_eq!(beginning(200), Some(pre_roll_ms));
    assert!(beginning(500) > Some(500), "{:?}", beginning(500));
    assert_eq!(beginning(5_000), Some(options.doubtful_ms + noticed_ms));
}

#[test]
fn a_voice_goes_on_where_noise_hides_its_end() {
    let ends = [0, 40, 900].map(|noise| {
        let hiss = |ms: u64| -> Vec<i16> {
            silence(ms)
                .iter()
                .enumerate()
                .map(|(at, _)| if at % 2 == 0 { noise } else { -noise })
                .collect()
        };
        let mut listener = Listener::new(ListenerOptions::default(), Slow(60));
        let mut events = listener.push(&[hiss(1_000), voice(2_000), hiss(2_000)].concat());
        events.extend(listener.flush());
        finals(&events).first().map(|&(_, _, end_ms, _)| end_ms)
    });
    assert_eq!(
        ends,
        [Some(2_960), Some(2_960), Some(2_960 + open::UNHEARD_IN_NOISE_MS)]
    );
}

#[test]
fn an_utterance_has_its_pre_roll_and_ends_after_the_pause() {
    let mut listener = Listener::new(ListenerOptions::default(), Gate::new());
    let mut events = listener.push(&silence(1000));
    events.extend(listener.push(&voice(2000)));
    assert!(listener.is_speaking());
    events.extend(listener.push(&silence(2000)));
    let [(0, start_ms, end_ms, samples)] = finals(&events)[..] else {
        panic!("{events:?}")
    };
    assert!((600..=800).contains(&start_ms), "began at {start_ms}");
    assert!((2900..=3300).contains(&end_ms), "ended at {end_ms}");
    assert!(samples as u64 >= (end_ms - start_ms) * 16);
    assert!(matches!(
        events.last(),
        Some(ListenerEvent::SpeechEnded { utterance: 0, .. })
    ));
    let looks = events
        .iter()
        .filter(|event| matches!(event, ListenerEvent::Hypothesise { .. }))
        .count();
    assert!((2..=5).contains(&looks), "{looks} hypotheses in two seconds");
}

#[test]
fn a_word_cut_off_by_leaving_is_kept() {
    let mut listener = Listener::new(ListenerOptions::default(), Gate::new());
    listener.push(&voice(700));
    let events = listener.flush();
    assert_eq!(finals(&events).len(), 1, "{events:?}");
    assert_eq!(listener.flush(), []);
}

#[test]
fn a_gap_moves_the_clock_and_closes_what_was_open() {
    let mut listener = Listener::new(ListenerOptions::default(), Gate::new());
    listener.push(&voice(500));
    assert_eq!(finals(&listener.skip(4000)).len(), 1);
    assert_eq!(listener.now_ms(), 4500);
}

#[test]
fn a_monologue_is_cut_without_losing_a_sample() {
    let mut listener = Listener::new(ListenerOptions::default(), Gate::new());
    let mut events = listener.push(&voice(65_000));
    events.extend(listener.flush());
    let finals = finals(&events);
    assert!(finals.len() >= 4, "{finals:?}");
    for pair in finals.windows(2) {
        let (_, start_ms, _, samples) = pair[0];
        assert_eq!(
            start_ms + samples as u64 / 16,
            pair[1].1,
            "the next begins where the last ended"
        );
        assert!(samples as u64 / 16 <= ListenerOptions::default().longest_ms);
    }
}

/// A listener that hears some voice, a pause of 450 ms and what follows; the look at the pause is answered `answer_ms` later.
fn after_a_pause(first_ms: u64, is_sentence: bool, answer_ms: u64, then: &[i16]) -> Vec<ListenerEvent> {
    let mut listener = Listener::new(ListenerOptions::default(), Gate::new());
    let audio: Vec<i16> = [silence(500), voice(first_ms), silence(450), then.to_vec()].concat();
    let (mut events, mut answer_at_ms) = (Vec::new(), None);
    for frame in audio.chunks(FRAME_SAMPLES) {
        let new = listener.push(frame);
        for event in &new {
            if let ListenerEvent::Hypothesise {
                utterance,
                audio,
                at_pause: true,
                ..
            } = event
                && audio.len() > voice(first_ms).len()
            {
                let audio_ms = (audio.len() / SAMPLES_PER_MS) as u64;
                answer_at_ms.get_or_insert((listener.now_ms() + answer_ms, *utterance, audio_ms));
            }
        }
        events.extend(new);
        if let Some((_, utterance, audio_ms)) =
            answer_at_ms.take_if(|(at_ms, ..)| *at_ms <= listener.now_ms())
        {
            listener.pause_heard(utterance, audio_ms, is_sentence);
            answer_at_ms = Some((u64::MAX, 0, 0));
        }
    }
    events.extend(listener.flush());
    events
}

/// The sound that was looked at in the pause after so much voice.
fn looked_at(events: &[ListenerEvent], first_ms: u64) -> Audio {
    events
        .iter()
        .find_map(|event| match event {
            ListenerEvent::Hypothesise {
                audio,
                at_pause: true,
                ..
            } if audio.len() > voice(first_ms).len() => Some(audio.clone()),
            _ => None,
        })
        .unwrap()
}

#[test]
fn a_sentence_ends_the_utterance_although_the_speaker_has_gone_on() {
    let events = after_a_pause(2500, true, 360, &voice(1500));
    let finals_are = finals(&events);
    let [(0, _, first_end_ms, samples), (1, second_start_ms, ..)] = finals_are[..] else {
        panic!("{finals_are:?}")
    };
    assert_eq!(
        samples,
        looked_at(&events, 2500).len(),
        "what was looked at is the record"
    );
    assert!((3000..=3100).contains(&first_end_ms), "{first_end_ms}");
    assert!(
        second_start_ms >= first_end_ms && second_start_ms < 3300,
        "the next word's first sound is in it: {second_start_ms}"
    );
}

#[test]
fn a_late_answer_ends_its_sentence_although_others_followed() {
    let then = [voice(1000), silence(450), voice(800)].concat();
    let events = after_a_pause(2500, true, 1700, &then);
    let finals_are = finals(&events);
    let [(0, _, _, samples), (1, ..)] = finals_are[..] else {
        panic!("{finals_are:?}")
    };
    assert_eq!(samples, looked_at(&events, 2500).len());
}

#[test]
fn the_rest_behind_a_sentence_is_looked_at_in_the_pause_that_lasts() {
    let then = [voice(1000), silence(1000)].concat();
    let events = after_a_pause(2500, true, 1600, &then);
    let looked_at = events.iter().find_map(|event| match event {
        ListenerEvent::Hypothesise {
            utterance: 1,
            audio,
            at_pause: true,
            ..
        } => Some(audio.len()),
        _ => None,
    });
    let last = finals(&events)
        .pop()
        .map(|(utterance, .., samples)| (utterance, samples));
    assert_eq!(
        last.zip(looked_at),
        Some(((1, looked_at.unwrap()), looked_at.unwrap())),
        "{looked_at:?}"
    );
}

#[test]
fn an_unfinished_sentence_is_waited_for() {
    let ends_at = |is_sentence| {
        let mut events = after_a_pause(1000, is_sentence, 100, &silence(900));
        events.retain(|event| matches!(event, ListenerEvent::SpeechEnded { .. }));
        events.len()
    };
    assert_eq!((ends_at(true), ends_at(false)), (1, 1));
    let goes_on = [silence(400), voice(800)].concat();
    assert_eq!(finals(&after_a_pause(1000, true, 100, &goes_on)).len(), 2);
    assert_eq!(finals(&after_a_pause(1000, false, 100, &goes_on)).len(), 1);
}

#[test]
fn an_answer_that_comes_after_the_next_words_does_not_end_a_short_utterance() {
    let events = after_a_pause(800, true, 400, &voice(1500));
    assert_eq!(finals(&events).len(), 1, "{:?}", finals(&events));
}

#[test]
fn an_answer_about_another_utterance_changes_nothing() {
    let mut listener = Listener::new(ListenerOptions::default(), Gate::new());
    listener.push(&voice(3000));
    assert!(!listener.pause_heard(7, 2500, true));
    assert!(!listener.pause_heard(0, 60_000, true), "more than was heard");
    assert_eq!(finals(&listener.push(&voice(500))).len(), 0);
}

/// Whether a pause after so much voice is said to be over when the voice goes on; nobody looks, or somebody does at once.
fn is_over(voice_ms: u64, pause_ms: u64, is_known: bool) -> bool {
    let mut listener = Listener::new(ListenerOptions::default(), Gate::new());
    let audio = [silence(500), voice(voice_ms), silence(pause_ms), voice(500)].concat();
    let mut said = Vec::new();
    for frame in audio.chunks(FRAME_SAMPLES) {
        for event in listener.push(frame) {
            match event {
                ListenerEvent::PauseOver { utterance } => said.push(utterance),
                ListenerEvent::Hypothesise {
                    utterance,
                    audio,
                    at_pause: true,
                    ..
                } if is_known => {
                    listener.pause_heard(utterance, (audio.len() / SAMPLES_PER_MS) as u64, false);
                }
                _ => {}
            }
        }
    }
    assert!(said.is_empty() || said == [0], "{said:?}");
    !said.is_empty()
}

#[test]
fn a_pause_that_cannot_have_been_the_end_is_said_to_be_over() {
    assert!(!is_over(2500, 20, false), "shorter than is looked at");
    assert!(is_over(2500, 160, false) && is_over(2500, 220, false));
    assert!(!is_over(2500, 480, false), "it may have been the end");
    assert!(is_over(1000, 480, false), "too little to end there");
    assert!(!is_over(2500, 200, true), "its words are there");
}

/// Words of the lengths, each followed by a faint gap; where the gaps are, in milliseconds.
fn monologue(words: &[(u64, u64)]) -> (Vec<i16>, Vec<Range<u64>>) {
    let (mut audio, mut gaps) = (silence(500), Vec::new());
    for &(word_ms, gap_ms) in words {
        audio.extend(voice(word_ms));
        let from_ms = (audio.len() / SAMPLES_PER_MS) as u64;
        audio.extend((0..gap_ms as usize * SAMPLES_PER_MS).map(|at| if at % 16 < 8 { 40 } else { -40 }));
        gaps.push(from_ms..from_ms + gap_ms);
    }
    (audio, gaps)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn a_monologue_is_cut_between_words_and_every_sample_is_in_one_utterance(
        words in prop::collection::vec((120..700u64, 140..200u64), 40..120),
    ) {
        let (audio, gaps) = monologue(&words);
        let options = ListenerOptions { longest_ms: 10_000, ..ListenerOptions::default() };
        let mut listener = Listener::new(options, Gate::new());
        let mut events = listener.push(&audio);
        events.extend(listener.flush());
        let finals = finals(&events);
        prop_assert!(finals.len() > 1 || audio.len() < 10_500 * SAMPLES_PER_MS, "{finals:?}");
        for pair in finals.windows(2) {
            let (_, start_ms, _, samples) = pair[0];
            let cut_ms = pair[1].1;
            prop_assert_eq!(start_ms + (samples / SAMPLES_PER_MS) as u64, cut_ms, "nothing twice, nothing missing");
            prop_assert!(gaps.iter().any(|gap| gap.contains(&cut_ms)), "{cut_ms} is in a word: {gaps:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn the_size_of_the_pieces_does_not_matter(sizes in prop::collection::vec(1usize..4000, 1..40)) {
        let audio: Vec<i16> = [silence(300), voice(900), silence(900), voice(400)].concat();
        let mut whole = Listener::new(ListenerOptions::default(), Gate::new());
        let mut expected = whole.push(&audio);
        expected.extend(whole.flush());
        let mut pieces = Listener::new(ListenerOptions::default(), Gate::new());
        let (mut events, mut rest) = (Vec::new(), audio.as_slice());
        for size in sizes.iter().cycle() {
            if rest.is_empty() { break }
            let (piece, behind) = rest.split_at(rest.len().min(*size));
            events.extend(pieces.push(piece));
            rest = behind;
        }
        events.extend(pieces.flush());
        prop_assert_eq!(finals(&events), finals(&expected));
    }
}
