use super::*;
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
