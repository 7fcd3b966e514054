use std::collections::BTreeMap;

use proptest::prelude::*;
use speech::{EMBEDDING_SIZE, Sound, Turn as HeardTurn, Turns};

use super::*;

fn person(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

/// An utterance of one turn a voice: which, and how many milliseconds. A voice of 9 lies between the first two.
fn utterance(said: &[(usize, u32)]) -> Turns {
    let mut turns = Turns::default();
    for (index, (voice, heard_ms)) in said.iter().enumerate() {
        let mut direction = [0.0; EMBEDDING_SIZE];
        if *voice == 9 {
            (direction[0], direction[1]) = (0.7, 0.7);
        } else {
            direction[*voice] = 1.0;
        }
        turns.sounds.push(Sound {
            direction,
            heard_ms: *heard_ms,
            voice: index,
            stretch: index,
        });
        turns.turns.push(HeardTurn {
            start_ms: index as u32 * 6_000,
            end_ms: index as u32 * 6_000 + heard_ms,
            sound: Some(index),
            overlaps: false,
        });
    }
    turns
}

/// What the actor makes of it.
fn heard(voices: &mut speech::Voices, number: u64, said: &[(usize, u32)]) -> VoicesHeard {
    let turns = utterance(said);
    let events = voices.heard(number, &turns);
    let sound = |label| {
        let (sound, heard_ms) = voices.sound_of(label)?;
        Some(VoiceSound {
            label,
            sound: sound.to_vec(),
            heard_ms,
        })
    };
    VoicesHeard {
        turns: turns.turns,
        events,
        sounds: voices.labels().filter_map(sound).collect(),
        recognised: Vec::new(),
        compute_ms: 1,
    }
}

/// As the tables take it.
#[derive(Default)]
struct Tables {
    turns: BTreeMap<TurnId, Option<VoiceLabel>>,
    voices: BTreeMap<VoiceLabel, VoiceRow>,
    gone: Vec<VoiceLabel>,
}

impl Tables {
    fn write(&mut self, rows: VoiceRows) {
        for turn in rows.turns {
            self.turns.insert(turn.id, turn.label);
        }
        for voice in rows.voices {
            assert!(
                !self.gone.contains(&voice.label),
                "a merged voice is written again"
            );
            self.voices.insert(voice.label, voice);
        }
        for (_, from, into) in rows.merges {
            assert!(
                self.voices.remove(&from).is_some() && self.voices.contains_key(&into),
                "{from} became {into}, and one of them is not there"
            );
            self.gone.push(from);
            let relabelled = self.turns.values_mut().filter(|label| **label == Some(from));
            relabelled.for_each(|label| *label = Some(into));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is heard, and whenever it is written and in whatever portions: in the end the tables say what is true.
    #[test]
    fn the_tables_end_up_with_what_is_true(
        meeting in prop::collection::vec((prop::collection::vec((prop_oneof![0_usize..4, Just(9)], 500_u32..5_000), 0..4), 0_usize..8), 1..30),
    ) {
        let mut voices = speech::Voices::new();
        let mut told = Told::default();
        let mut tables = Tables::default();
        let mut truth: BTreeMap<TurnId, Option<VoiceLabel>> = BTreeMap::new();
        for (number, (said, turns_max)) in (0..).zip(&meeting) {
            let heard = heard(&mut voices, number, said);
            for event in &heard.events {
                match *event {
                    VoiceEvent::Labelled { turn, label } | VoiceEvent::Corrected { turn, to: label, .. } => {
                        truth.insert(turn, label);
                    }
                    VoiceEvent::Merged { from, into } => {
                        truth.values_mut().filter(|label| **label == Some(from)).for_each(|label| *label = Some(into));
                    }
                    VoiceEvent::Recognised { .. } => {}
                }
            }
            told.heard(number, number * 20_000, heard);
            // 7: the database is away for a while.
            if *turns_max < 7 {
                let mut rows = VoiceRows::default();
                told.take("p", *turns_max, &mut rows);
                prop_assert!(rows.turns.len() <= *turns_max);
                tables.write(rows);
            }
        }
        while told.has_news() {
            let mut rows = VoiceRows::default();
            told.take("p", 5, &mut rows);
            prop_assert!(!rows.is_empty());
            tables.write(rows);
        }
        prop_assert_eq!(&tables.turns, &truth);
        let labels: Vec<VoiceLabel> = voices.labels().collect();
        prop_assert_eq!(tables.voices.keys().copied().collect::<Vec<_>>(), labels);
        prop_assert_eq!(told.voices(), tables.voices.len());
    }
}

#[test]
fn a_long_meeting_takes_bounded_memory_and_loses_the_oldest_turns() {
    let mut told = Told::default();
    let run = |place: u32| NumberedRun {
        start_ms: place * 100,
        end_ms: place * 100 + 90,
        speaker: speech::SpeakerNumber {
            connection: 0,
            number: 0,
        },
    };
    for number in 0..50 {
        told.numbered(number, 0, (0..100).map(|place| (run(place), Some(1))));
    }
    let mut rows = VoiceRows::default();
    told.take("p", 10 * TURNS_MAX, &mut rows);
    assert_eq!(rows.turns.len(), TURNS_MAX);
    assert_eq!(rows.turns[0].id.utterance, 50 - TURNS_MAX as u64 / 100);
}

/// Who is recognised is said with the voice, and moves with it when it becomes part of another.
#[test]
fn a_person_goes_with_the_voice_that_is_theirs() {
    let mut told = Told::default();
    let sound = |label| VoiceSound {
        label,
        sound: vec![0.0; 3],
        heard_ms: 3_000,
    };
    let recognised = |label, known| VoicesHeard {
        sounds: vec![sound(1), sound(2), sound(3)],
        recognised: vec![(label, known)],
        ..VoicesHeard::default()
    };
    told.heard(0, 0, recognised(3, KnownAs::Person(person(7))));
    let merged = VoicesHeard {
        events: vec![VoiceEvent::Merged { from: 3, into: 2 }],
        sounds: vec![sound(1), sound(2)],
        ..VoicesHeard::default()
    };
    told.heard(1, 0, merged);
    told.heard(2, 0, recognised(1, KnownAs::Named("Ann".to_owned())));
    assert_eq!(told.take_name("p"), None, "its voice is not written");
    let mut rows = VoiceRows::default();
    told.take("p", 10, &mut rows);
    let people: Vec<_> = rows
        .voices
        .iter()
        .map(|voice| (voice.label, voice.person))
        .collect();
    assert_eq!(people[..2], [(1, None), (2, Some(person(7)))]);
    // Nothing of the third one was written before it became the second.
    assert!(rows.merges.is_empty());
    let name = told.take_name("p").unwrap();
    assert_eq!((name.label, name.name.as_str()), (1, "Ann"));
}
