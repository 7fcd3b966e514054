use speech::{Sound, Turn, Turns, Voices};
use uuid::Uuid;

use super::*;

fn direction(voice: usize) -> Vec<f32> {
    let mut direction = vec![0.0; EMBEDDING_SIZE];
    direction[voice] = 1.0;
    direction
}

fn voice(identity: &str, label: i32, name: Option<&str>) -> KnownVoice {
    KnownVoice {
        identity: identity.to_owned(),
        label,
        sound: Some(direction(usize::try_from(label).unwrap())),
        heard_ms: 5_000,
        name: name.map(str::to_owned),
        person: None,
    }
}

fn person(number: u128, voice: usize) -> Person {
    Person {
        id: Uuid::from_u128(number),
        name: "Somebody".to_owned(),
        sound: direction(voice),
        heard_ms: 10_000,
        consent_by: "them".to_owned(),
        created_at: Default::default(),
    }
}

fn diarisers(voices: Vec<KnownVoice>, people: Vec<Person>) -> Diarisers {
    let labels_given = Vec::new();
    let known = KnownVoices {
        voices,
        labels_given,
        people,
    };
    Diarisers::new(None, known)
}

/// Three seconds of each of these voices.
fn speak(voices: &mut Voices, said: &[usize]) -> Vec<VoiceEvent> {
    let mut turns = Turns::default();
    for (index, voice) in said.iter().enumerate() {
        turns.sounds.push(Sound {
            direction: direction(*voice).try_into().unwrap(),
            heard_ms: 3_000,
            voice: index,
            stretch: index,
        });
        turns.turns.push(Turn {
            start_ms: index as u32 * 3_000,
            end_ms: index as u32 * 3_000 + 2_999,
            sound: Some(index),
            overlaps: false,
        });
    }
    voices.heard(0, &turns)
}

fn labels(events: &[VoiceEvent]) -> Vec<Option<VoiceLabel>> {
    let label = |event: &VoiceEvent| match event {
        VoiceEvent::Labelled { label, .. } => Some(*label),
        _ => None,
    };
    events.iter().filter_map(label).collect()
}

#[test]
fn the_next_agent_goes_on_with_the_same_labels() {
    let mut diarisers = diarisers(
        vec![voice("p", 1, None), voice("p", 3, None), voice("q", 2, None)],
        vec![],
    );
    diarisers.known.labels_given = vec![("p".to_owned(), 4), ("q".to_owned(), 2)];
    let mut voices = Voices::new();
    diarisers.restore("p", &mut voices);
    // The fourth was merged: its label is not given again, and the second is of another microphone.
    assert_eq!(
        labels(&speak(&mut voices, &[3, 2, 1])),
        [Some(3), Some(5), Some(1)]
    );
    let mut fresh = Voices::new();
    diarisers.restore("r", &mut fresh);
    assert_eq!(labels(&speak(&mut fresh, &[3])), [Some(1)]);
}

#[test]
fn people_are_recognised_and_so_is_who_was_named_at_another_microphone() {
    let mut diarisers = diarisers(
        vec![voice("q", 1, Some("Ann")), voice("q", 2, None)],
        vec![person(7, 3)],
    );
    let mut voices = Voices::new();
    diarisers.enrol("p", &mut voices);
    let events = speak(&mut voices, &[1, 2, 3]);
    let found = diarisers.recognised("p", &events);
    let (ann, seven) = (
        KnownAs::Named("Ann".to_owned()),
        KnownAs::Person(Uuid::from_u128(7)),
    );
    assert_eq!(found, [(1, ann), (3, seven)]);
}

#[test]
fn nobody_is_recognised_at_the_microphone_where_they_were_named() {
    let mut diarisers = diarisers(
        vec![voice("p", 1, Some("Ann")), voice("q", 2, Some("Ann"))],
        vec![],
    );
    let mut voices = Voices::new();
    diarisers.enrol("p", &mut voices);
    assert!(diarisers.recognised("p", &speak(&mut voices, &[1, 2])).is_empty());
}

#[test]
fn a_name_that_is_taken_back_and_a_person_who_is_forgotten_are_not_recognised_any_more() {
    let mut diarisers = diarisers(vec![voice("q", 1, Some("Ann"))], vec![person(7, 3)]);
    let mut voices = Voices::new();
    diarisers.enrol("p", &mut voices);
    diarisers.learn(KnownVoices {
        voices: vec![voice("q", 1, None)],
        ..KnownVoices::default()
    });
    diarisers.enrol("p", &mut voices);
    let events = speak(&mut voices, &[1, 3]);
    assert!(
        !events
            .iter()
            .any(|event| matches!(event, VoiceEvent::Recognised { .. })),
        "{events:?}"
    );
}

#[test]
fn a_name_that_somebody_gave_stays() {
    let mut diarisers = diarisers(
        vec![voice("q", 1, Some("Ann")), voice("p", 1, Some("Bob"))],
        vec![],
    );
    let mut voices = Voices::new();
    diarisers.enrol("p", &mut voices);
    let events = speak(&mut voices, &[1]);
    assert!(events.len() > 1, "the networks take them for one: {events:?}");
    assert!(diarisers.recognised("p", &events).is_empty());
}

#[test]
fn of_two_voices_with_one_name_the_one_that_was_heard_longer_counts() {
    let longer = KnownVoice {
        heard_ms: 9_000,
        ..voice("r", 4, Some("Ann"))
    };
    let of_a_person = KnownVoice {
        person: Some(Uuid::nil()),
        ..voice("r", 5, Some("Ben"))
    };
    let without_sound = KnownVoice {
        sound: None,
        ..voice("r", 6, Some("Cleo"))
    };
    let voices = [longer, of_a_person, without_sound, voice("q", 1, Some("Ann"))];
    let found = named_elsewhere(&voices, "p");
    assert_eq!(found.len(), 1);
    assert_eq!(found["Ann"], direction(4));
}
