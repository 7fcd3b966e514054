use proptest::prelude::*;

use super::*;
use crate::SpeakerNumber;
use crate::speakers::turns::Turn;
use crate::speakers::{NumberSound, NumberedRun};

/// A voice points mostly along its own axis; `wobble` says how its sounds differ.
fn direction(voice: usize, wobble: usize) -> [f32; EMBEDDING_SIZE] {
    let mut direction = [0.0; EMBEDDING_SIZE];
    direction[voice] = 1.0;
    direction[100 + wobble % 50] = 0.6;
    unit(&direction).unwrap()
}

/// An utterance of one turn a sound: voice, wobble, milliseconds.
fn utterance(said: &[(usize, usize, u32)]) -> Turns {
    let mut turns = Turns::default();
    let mut at = 0;
    for (index, (voice, wobble, heard_ms)) in said.iter().enumerate() {
        turns.sounds.push(Sound {
            direction: direction(*voice, *wobble),
            heard_ms: *heard_ms,
            voice: *voice,
            stretch: 0,
        });
        turns.turns.push(Turn {
            start_ms: at,
            end_ms: at + heard_ms,
            sound: Some(index),
            overlaps: false,
        });
        at += heard_ms;
    }
    turns
}

fn labels(events: &[VoiceEvent]) -> Vec<Option<VoiceLabel>> {
    let labelled = events.iter().filter_map(|event| match event {
        VoiceEvent::Labelled { label, .. } => Some(*label),
        _ => None,
    });
    labelled.collect()
}

#[test]
fn two_voices_keep_their_labels() {
    let mut voices = Voices::new();
    let first = voices.heard(0, &utterance(&[(0, 0, 3_000)]));
    assert_eq!(labels(&first), [Some(1)]);
    let second = voices.heard(1, &utterance(&[(1, 1, 3_000), (0, 2, 1_500)]));
    assert_eq!(labels(&second), [Some(2), Some(1)]);
    for number in 2..20 {
        let events = voices.heard(number, &utterance(&[(1, number as usize, 1_200), (0, 3, 600)]));
        assert_eq!(labels(&events), [Some(2), Some(1)], "{number}");
        assert_eq!(events.len(), 2);
    }
}

#[test]
fn a_voice_is_unknown_until_enough_of_it_was_heard() {
    let mut voices = Voices::new();
    assert_eq!(labels(&voices.heard(0, &utterance(&[(0, 0, 1_400)]))), [None]);
    let events = voices.heard(1, &utterance(&[(0, 1, 1_400)]));
    assert_eq!(labels(&events), [Some(1)]);
    let earlier = TurnId {
        utterance: 0,
        turn: 0,
    };
    let corrected = VoiceEvent::Corrected {
        turn: earlier,
        from: None,
        to: Some(1),
    };
    assert!(events.contains(&corrected), "{events:?}");
}

#[test]
fn short_words_between_two_voices_are_nobodys() {
    let mut voices = Voices::new();
    voices.heard(0, &utterance(&[(0, 0, 4_000), (1, 1, 4_000)]));
    let mut both = utterance(&[(0, 0, 700)]);
    let mut direction = [0.0; EMBEDDING_SIZE];
    (direction[0], direction[1]) = (1.0, 1.0);
    both.sounds[0].direction = unit(&direction).unwrap();
    assert_eq!(labels(&voices.heard(1, &both)), [None]);
}

#[test]
fn what_is_a_little_like_two_voices_is_heard_for_longer_before_it_is_a_third() {
    let known = |heard_ms| {
        let mut voices = Voices::new();
        voices.heard(0, &utterance(&[(0, 0, 3_000), (1, 1, 3_000)]));
        let mut like_both = utterance(&[(2, 2, heard_ms)]);
        let direction = &mut like_both.sounds[0].direction;
        *direction = [0.0; EMBEDDING_SIZE];
        (direction[0], direction[1], direction[2]) = (0.55, 0.55, 1.0);
        let like_none = voices.clone().heard(1, &utterance(&[(2, 2, heard_ms)]));
        (labels(&voices.heard(1, &like_both))[0], labels(&like_none)[0])
    };
    assert_eq!(known(1_400), (None, None));
    assert_eq!(known(1_600), (None, Some(3)));
    assert_eq!(known(2_600), (Some(3), Some(3)));
}

#[test]
fn late_in_a_meeting_an_odd_sound_is_nobody() {
    let mut voices = Voices::new();
    for number in 0..100 {
        voices.heard(
            number,
            &utterance(&[(number as usize % 2, number as usize, 3_000)]),
        );
    }
    let odd = voices.clone().heard(100, &utterance(&[(2, 2, 3_000)]));
    assert_eq!(labels(&odd), [None]);
    let new = voices.heard(100, &utterance(&[(2, 2, 3_000), (2, 3, 2_100)]));
    assert_eq!(labels(&new), [Some(3), Some(3)]);
}

/// As [`utterance`], but the first voice speaks through all of it, and the second is never alone.
fn over_another(voice: usize, other: usize) -> Turns {
    let mut turns = utterance(&[(voice, 1, 3_000), (other, 2, 0)]);
    (turns.turns[0].overlaps, turns.turns[1].overlaps) = (true, true);
    turns
}

#[test]
fn who_is_only_heard_over_another_is_one_who_is_known_and_not_that_other() {
    let mut voices = Voices::new();
    let alone = voices.heard(0, &over_another(0, 1));
    assert_eq!(labels(&alone), [Some(1), None], "nobody else is known");
    voices.heard(1, &utterance(&[(1, 3, 3_000)]));
    assert_eq!(labels(&voices.heard(2, &over_another(0, 1))), [Some(1), Some(2)]);
    // It sounds like the one who speaks at the same time, whom it cannot be.
    let mut same = over_another(0, 0);
    same.sounds[1].voice = 7;
    assert_eq!(labels(&voices.heard(3, &same)), [Some(1), None]);
    let before = voices.sound_of(2);
    for number in 4..40 {
        voices.heard(number, &over_another(0, 1));
    }
    assert_eq!(
        voices.sound_of(2),
        before,
        "what is mixed says nothing of a voice"
    );
    assert_eq!(voices.labels().count(), 2);
}

/// Two labels turn out to be one voice when sounds between them are heard.
#[test]
fn a_merge_is_an_event_and_its_label_never_comes_back() {
    let between = |share: f32| {
        let mut turns = utterance(&[(0, 0, 3_000)]);
        let mut direction = [0.0; EMBEDDING_SIZE];
        (direction[0], direction[1]) = (share, (1.0 - share * share).sqrt());
        turns.sounds[0].direction = unit(&direction).unwrap();
        turns
    };
    let mut voices = Voices::new();
    assert_eq!(labels(&voices.heard(0, &between(1.0))), [Some(1)]);
    assert_eq!(labels(&voices.heard(1, &between(0.1))), [Some(2)]);
    let mut events = Vec::new();
    for (number, share) in (2..).zip([0.8, 0.7, 0.75, 0.6, 0.65, 0.7, 0.8]) {
        events.extend(voices.heard(number, &between(share)));
    }
    let merges: Vec<&VoiceEvent> = events
        .iter()
        .filter(|event| matches!(event, VoiceEvent::Merged { .. }))
        .collect();
    assert_eq!(merges.len(), 1, "{events:?}");
    let VoiceEvent::Merged { from, into } = *merges[0] else {
        unreachable!()
    };
    assert!(from != into && voices.labels().all(|label| label != from));
    let fresh = voices.heard(100, &utterance(&[(9, 0, 5_000)]));
    assert_eq!(labels(&fresh), [Some(3)]);
}

/// A sound that was too short to be clustered had the label that is gone.
#[test]
fn short_words_go_with_the_voice_that_became_another() {
    let mut voices = Voices::new();
    let mut events = Vec::new();
    let between = |heard_ms| {
        let mut turns = utterance(&[(0, 0, heard_ms)]);
        let mut direction = [0.0; EMBEDDING_SIZE];
        (direction[0], direction[1]) = (0.7, 0.7);
        turns.sounds[0].direction = unit(&direction).unwrap();
        turns
    };
    let alone = |voice: usize, said: &[u32]| {
        let said: Vec<_> = said.iter().map(|heard_ms| (voice, 0, *heard_ms)).collect();
        let mut turns = utterance(&said);
        for (place, sound) in turns.sounds.iter_mut().enumerate() {
            sound.direction = [0.0; EMBEDDING_SIZE];
            sound.direction[voice] = 1.0;
            (sound.voice, sound.stretch) = (place, place);
        }
        turns
    };
    for (number, turns) in (0..).zip([
        alone(0, &[2_520]),
        between(1_000),
        alone(0, &[500]),
        between(1_475),
        alone(1, &[1_182, 3_814]),
        between(3_609),
    ]) {
        events.extend(voices.heard(number, &turns));
    }
    assert!(
        events.contains(&VoiceEvent::Merged { from: 1, into: 2 }),
        "{events:?}"
    );
    let to_gone = |event: &&VoiceEvent| matches!(event, VoiceEvent::Corrected { to: Some(1), .. });
    assert!(events.iter().find(to_gone).is_none(), "{events:?}");
    assert_eq!(voices.labels().collect::<Vec<_>>(), [2]);
}

/// So much of a voice under a number of a connection, in each run.
fn say(voices: &mut Voices, utterance: u64, connection: u64, said: &[(u32, usize, u32)]) -> Vec<VoiceEvent> {
    let mut runs = Vec::new();
    let mut sounds = Vec::new();
    for (place, (number, voice, heard_ms)) in said.iter().enumerate() {
        let speaker = SpeakerNumber {
            connection,
            number: *number,
        };
        runs.push(NumberedRun {
            start_ms: place as u32 * 1_000,
            end_ms: place as u32 * 1_000 + heard_ms,
            speaker,
        });
        if *heard_ms >= 500 {
            sounds.push(NumberSound {
                speaker,
                direction: direction(*voice, utterance as usize + place),
                heard_ms: *heard_ms,
            });
        }
    }
    voices.heard_numbered(utterance, &runs, &sounds)
}

#[test]
fn a_recognisers_numbers_have_the_labels_of_their_voices_on_every_connection() {
    let mut voices = Voices::new();
    let events = say(&mut voices, 0, 0, &[(0, 0, 3_000), (1, 1, 3_000), (0, 0, 200)]);
    assert_eq!(labels(&events), [Some(1), Some(2), Some(1)]);
    // The other way round, and at first hardly anything is heard.
    let events = say(&mut voices, 1, 1, &[(0, 1, 400)]);
    assert_eq!(labels(&events), [None]);
    let events = say(&mut voices, 2, 1, &[(0, 1, 1_500), (1, 0, 700), (2, 2, 3_000)]);
    assert_eq!(labels(&events), [Some(2), Some(1), Some(3)]);
    let earlier = TurnId {
        utterance: 1,
        turn: 0,
    };
    let corrected = VoiceEvent::Corrected {
        turn: earlier,
        from: None,
        to: Some(2),
    };
    assert!(events.contains(&corrected), "{events:?}");
    // The networks alone, when the chain's next recogniser numbers nobody: the same voices.
    let events = voices.heard(3, &utterance(&[(1, 7, 2_000), (2, 8, 2_000)]));
    assert_eq!(labels(&events), [Some(2), Some(3)]);
}

/// Short words under a number that is not yet known are not those of another number, however much they sound like it.
#[test]
fn a_recogniser_that_hears_two_people_is_believed() {
    let mut voices = Voices::new();
    say(&mut voices, 0, 0, &[(0, 0, 3_000)]);
    assert_eq!(labels(&say(&mut voices, 1, 0, &[(1, 0, 700)])), [None]);
    assert_eq!(labels(&say(&mut voices, 2, 1, &[(1, 0, 700)])), [Some(1)]);
}

#[test]
fn a_number_is_heard_until_it_is_known() {
    let mut voices = Voices::new();
    let number = SpeakerNumber {
        connection: 0,
        number: 0,
    };
    for utterance in 0..10 {
        assert!(!voices.is_known(number), "{utterance}");
        say(&mut voices, utterance, 0, &[(0, 0, 3_000)]);
    }
    assert!(voices.is_known(number));
    let (_, heard_ms) = voices.sound_of(1).unwrap();
    assert_eq!(heard_ms, 30_000);
    assert_eq!(voices.sounds.len(), 1);
    // What is not heard has its label by its number.
    assert_eq!(labels(&say(&mut voices, 10, 0, &[(0, 9, 0)])), [Some(1)]);
}

#[test]
fn an_enrolled_voice_is_recognised_and_others_are_not() {
    let mut voices = Voices::new();
    assert!(voices.enrol(77, &direction(1, 9)));
    let events = voices.heard(0, &utterance(&[(0, 0, 4_000), (1, 1, 4_000)]));
    assert_eq!(labels(&events), [Some(1), Some(2)]);
    let recognised: Vec<&VoiceEvent> = events
        .iter()
        .filter(|event| matches!(event, VoiceEvent::Recognised { .. }))
        .collect();
    assert_eq!(recognised, [&VoiceEvent::Recognised { label: 2, person: 77 }]);
    assert!(!voices.enrol(78, &[0.0; EMBEDDING_SIZE]) && !voices.enrol(79, &[f32::NAN; EMBEDDING_SIZE]));
    assert!(!voices.enrol(80, &[1.0; 3]));
}

/// The next agent knows what the first one knew: whose voice has which label, and which labels were given.
#[test]
fn restored_voices_have_their_labels_again_and_no_label_is_given_twice() {
    let mut before = Voices::new();
    before.heard(0, &utterance(&[(0, 0, 4_000), (1, 1, 3_000)]));
    let mut after = Voices::new();
    for label in [1, 2] {
        let (sound, heard_ms) = before.sound_of(label).unwrap();
        assert!(after.restore(label, Some(&sound), heard_ms, None));
        assert_eq!(after.sound_of(label).unwrap().1, heard_ms);
    }
    // 3 was merged; of 4 only the label is known.
    after.take_labels(3);
    assert!(after.restore(4, None, 0, None));
    let events = after.heard(0, &utterance(&[(1, 7, 1_200), (2, 8, 3_000), (0, 9, 1_200)]));
    assert_eq!(labels(&events), [Some(2), Some(5), Some(1)], "{events:?}");
    assert_eq!(events.len(), 3, "{events:?}");
    assert_eq!(after.labels().collect::<Vec<_>>(), [1, 2, 4, 5]);
    let (_, heard_ms) = after.sound_of(1).unwrap();
    assert_eq!(heard_ms, 5_200);
}

#[test]
fn what_cannot_be_restored_is_refused() {
    let mut voices = Voices::new();
    let sound = direction(0, 0);
    assert!(voices.restore(1, Some(&sound), 5_000, None));
    assert!(!voices.restore(1, Some(&sound), 5_000, None), "twice");
    assert!(!voices.restore(0, Some(&sound), 5_000, None));
    assert!(!voices.restore(LABEL_LAST + 1, Some(&sound), 5_000, None));
    // What is no direction takes the label, and nobody sounds like it.
    assert!(voices.restore(2, Some(&[f32::NAN; EMBEDDING_SIZE]), 5_000, None));
    assert!(voices.restore(3, Some(&[1.0; 3]), 5_000, None));
    assert!(voices.sound_of(2).is_none() && voices.sound_of(3).is_none());
    let events = voices.heard(0, &utterance(&[(0, 3, 1_500)]));
    assert_eq!(labels(&events), [Some(1)]);
    voices.take_labels(VoiceLabel::MAX);
    assert_eq!(
        labels(&voices.heard(1, &utterance(&[(5, 0, 5_000)]))),
        [None],
        "there is a last label"
    );
}

/// A restored voice that belongs to a known person is not recognised anew, and is not somebody else's.
#[test]
fn a_restored_person_is_who_they_were() {
    let mut voices = Voices::new();
    assert!(voices.enrol(7, &direction(0, 0)) && voices.enrol(8, &direction(1, 0)));
    assert!(voices.restore(1, Some(&direction(0, 1)), 5_000, Some(7)));
    let events = voices.heard(0, &utterance(&[(0, 2, 3_000), (1, 3, 3_000)]));
    assert_eq!(labels(&events), [Some(1), Some(2)]);
    let recognised = VoiceEvent::Recognised { label: 2, person: 8 };
    assert_eq!(events.len(), 3, "{events:?}");
    assert!(events.contains(&recognised), "{events:?}");
}

#[test]
fn a_meeting_of_any_length_takes_bounded_memory() {
    let mut voices = Voices::new();
    for number in 0..400_u64 {
        let said: Vec<_> = (0..8)
            .map(|turn| ((number as usize + turn) % 3, turn, 1_100))
            .collect();
        voices.heard(2 * number, &utterance(&said));
        // Somebody else is under a number of a connection that is made anew now and then.
        say(
            &mut voices,
            2 * number + 1,
            number / 2,
            &[(0, 0, 1_100), (1, 2, 200)],
        );
        assert!(voices.sounds.len() <= SOUNDS_MAX && voices.said.len() <= TURNS_MAX);
        assert!(voices.sounds.iter().all(|sound| sound.turns.len() <= TURNS_MAX));
    }
    assert_eq!(voices.labels().collect::<Vec<_>>(), [1, 2, 3]);
    // Three people who talked for an hour are still themselves.
    let events = voices.heard(800, &utterance(&[(0, 1, 2_000), (1, 2, 2_000), (2, 3, 2_000)]));
    let mut found = labels(&events);
    found.sort();
    assert_eq!(found, [Some(1), Some(2), Some(3)]);
}

#[test]
fn there_is_a_last_label() {
    let mut voices = Voices::new();
    for voice in 0..30 {
        voices.heard(voice as u64, &utterance(&[(voice, 0, 5_000)]));
    }
    assert_eq!(voices.labels().count(), LABELS_MAX as usize);
}

/// A sound of any kind: a voice, or garbage.
fn sounds() -> impl Strategy<Value = Vec<(usize, usize, u32, u8)>> {
    proptest::collection::vec((0_usize..5, 0_usize..40, 0_u32..6_000, 0_u8..20), 0..5)
}

fn heard(said: &[(usize, usize, u32, u8)]) -> Turns {
    let plain: Vec<_> = said
        .iter()
        .map(|(voice, wobble, ms, _)| (*voice, *wobble, *ms))
        .collect();
    let mut turns = utterance(&plain);
    for (index, (.., kind)) in said.iter().enumerate() {
        match kind {
            0 => turns.sounds[index].direction = [f32::NAN; EMBEDDING_SIZE],
            1 => turns.sounds[index].direction = [0.0; EMBEDDING_SIZE],
            2 => turns.sounds[index].direction = [f32::INFINITY; EMBEDDING_SIZE],
            3 => turns.turns[index].sound = None,
            4 => turns.turns[index].sound = Some(99),
            _ => {}
        }
    }
    turns
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is heard: what the events say adds up, labels only ever grow, and none comes back once it is gone.
    #[test]
    fn events_tell_the_whole_story(meeting in proptest::collection::vec(sounds(), 1..25)) {
        let mut voices = Voices::new();
        let mut again = Voices::new();
        let mut told: BTreeMap<TurnId, Option<VoiceLabel>> = BTreeMap::new();
        let (mut gone, mut highest) = (Vec::new(), 0);
        for (number, said) in (0..).zip(&meeting) {
            let turns = heard(said);
            let events = voices.heard(number, &turns);
            prop_assert_eq!(&events, &again.heard(number, &turns));
            prop_assert_eq!(labels(&events).len(), turns.turns.len());
            for event in events {
                match event {
                    VoiceEvent::Labelled { turn, label } => {
                        prop_assert_eq!(turn.utterance, number);
                        told.insert(turn, label);
                    }
                    VoiceEvent::Corrected { turn, from, to } => {
                        prop_assert_eq!(told.insert(turn, to), Some(from));
                    }
                    VoiceEvent::Merged { from, into } => {
                        prop_assert!(from != into && !gone.contains(&from) && !gone.contains(&into));
                        gone.push(from);
                        told.values_mut().filter(|told| **told == Some(from)).for_each(|told| *told = Some(into));
                    }
                    VoiceEvent::Recognised { .. } => prop_assert!(false, "nobody is enrolled"),
                }
            }
            let now: Vec<VoiceLabel> = told.values().flatten().copied().collect();
            prop_assert!(now.iter().all(|label| !gone.contains(label)));
            // New labels are new numbers, one after the other.
            let fresh = voices.voices.len() as u32;
            prop_assert!(fresh >= highest && voices.voices.keys().copied().eq(1..=fresh));
            highest = fresh;
            prop_assert!(voices.sounds.iter().all(|sound| sound.point.direction.iter().all(|value| value.is_finite())));
        }
    }

    /// In which order the voices of one utterance stand does not matter for who is with whom.
    #[test]
    fn order_within_an_utterance_does_not_matter(said in proptest::collection::vec((0_usize..4, 0_usize..30, 1_100_u32..5_000), 1..8)) {
        let groups = |said: &[(usize, usize, u32)]| {
            let found = labels(&Voices::new().heard(0, &utterance(said)));
            let mut pairs: Vec<_> = said.iter().zip(found).map(|(said, label)| (*said, label.is_some())).collect();
            pairs.sort();
            pairs
        };
        let mut turned = said.clone();
        turned.reverse();
        prop_assert_eq!(groups(&said), groups(&turned));
    }
}
