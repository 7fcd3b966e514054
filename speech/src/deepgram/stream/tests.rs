//! The stream against a service that is played, in virtual time.

mod anything;
mod world;

use super::*;
use crate::RecogniseError;
use world::World;

#[test]
fn a_growing_utterance_goes_out_once_and_its_words_come_back_with_the_tracks_times() {
    let mut world = World::new(DeepgramLimits::default());
    let first = world.partial(0, 4_000, 4_600);
    world.connect();
    world.results(false);
    let heard = world.answers[&first].clone().unwrap();
    assert_eq!((heard.text().as_str(), heard.is_whole), ("w10 w11", false));
    assert_eq!((heard.words[1].start_ms, heard.words[1].end_ms), (4_400, 4_600));
    let second = world.partial(0, 4_000, 5_200);
    world.results(true);
    assert!(
        !world.answers.contains_key(&second),
        "the last words are still to come"
    );
    world.results(false);
    assert_eq!(world.answers[&second].as_ref().unwrap().text(), "w10 w11 w12");
    let last = world.whole(0, 4_000, 6_000);
    assert!(!world.answers.contains_key(&last));
    world.confirm();
    world.check_words(last);
    // The pause between utterances is not sent: the tape's time is not the track's.
    let next = world.whole(1, 8_000, 9_200);
    world.confirm();
    world.check_words(next);
    assert_eq!(
        world.sent_ms(),
        (4_000..6_000).chain(8_000..9_200).collect::<Vec<_>>()
    );
}

#[test]
fn a_newer_request_overtakes_an_older_one() {
    let mut world = World::new(DeepgramLimits::default());
    let first = world.partial(0, 0, 600);
    let second = world.partial(0, 0, 1_200);
    assert_eq!(world.error(first), RecogniseError::Overtaken);
    let last = world.whole(0, 0, 1_200);
    assert_eq!(world.error(second), RecogniseError::Overtaken);
    world.connect();
    world.confirm();
    world.check_words(last);
    let late = world.partial(0, 0, 1_200);
    assert_eq!(world.error(late), RecogniseError::Overtaken);
}

#[test]
fn a_long_utterance_that_is_cut_earlier_than_was_sent_gives_its_tail_to_the_next_one() {
    let mut world = World::new(DeepgramLimits::default());
    world.partial(0, 0, 4_000);
    world.connect();
    world.results(true);
    let head = world.whole(0, 0, 2_800);
    world.check_words(head);
    assert!(
        !world.said.contains(&"finalize"),
        "it would go through the next utterance"
    );
    world.partial(1, 2_800, 4_600);
    let tail = world.whole(1, 2_800, 5_200);
    world.confirm();
    world.confirm();
    world.check_words(tail);
    assert_eq!(world.sent_ms(), (0..5_200).collect::<Vec<_>>());
}

#[test]
fn what_a_lost_connection_had_not_settled_is_sent_again() {
    let mut world = World::new(DeepgramLimits::default());
    world.partial(0, 0, 2_000);
    world.connect();
    world.results(true);
    world.lose();
    let last = world.whole(0, 0, 3_200);
    world.wait(300);
    world.connect();
    assert_eq!(world.sent_ms(), (1_600..3_200).collect::<Vec<_>>());
    world.confirm();
    world.check_words(last);
}

#[test]
fn a_service_that_falls_silent_is_left_once_and_then_the_final_has_failed() {
    let mut world = World::new(DeepgramLimits::default());
    let last = world.whole(0, 0, 2_000);
    world.connect();
    world.wait(5_000);
    assert!(world.service.is_none());
    world.wait(300);
    world.connect();
    assert_eq!(world.sent_ms().len(), 2_000);
    world.wait(12_000 + 2_000 - 5_301);
    assert!(!world.answers.contains_key(&last));
    world.wait(1);
    assert_eq!(world.error(last), RecogniseError::Failed);
    // It is asked for again and the service is well: the words come.
    let again = world.whole(0, 0, 2_000);
    world.wait(5_000);
    world.connect();
    world.confirm();
    world.check_words(again);
}

#[test]
fn an_end_that_is_not_confirmed_is_not_waited_for_when_nothing_is_left() {
    let mut world = World::new(DeepgramLimits::default());
    world.partial(0, 0, 1_800);
    world.connect();
    world.results(true);
    let last = world.whole(0, 0, 1_800);
    world.wait(1_999);
    assert!(!world.answers.contains_key(&last));
    world.wait(1);
    assert_eq!(world.answers[&last].as_ref().unwrap().text(), "w0 w1 w2 w3");
}

#[test]
fn a_quiet_connection_is_kept_and_in_the_end_closed_in_order() {
    let mut world = World::new(DeepgramLimits::default());
    world.whole(0, 0, 400);
    world.connect();
    world.confirm();
    world.said.clear();
    world.wait(119_999);
    assert_eq!(world.said, ["keep alive"; 29]);
    world.wait(1);
    assert_eq!(world.said.last(), Some(&"close"));
    world.lose();
    // Somebody speaks again: a new connection.
    let next = world.whole(1, 800, 1_200);
    world.connect();
    world.confirm();
    world.check_words(next);
    world.feed(Input::Forget);
    world.wait(4_999);
    assert!(world.service.is_some());
    world.wait(1);
    assert!(world.service.as_ref().unwrap().said_goodbye);
    world.lose();
    assert!(world.stream.is_over(world.now_ms));
}

#[test]
fn a_refusal_answers_everything_that_waits_with_its_reason() {
    let mut world = World::new(DeepgramLimits::default());
    let tickets = [world.whole(0, 0, 400), world.partial(1, 800, 1_200)];
    world.is_connecting = false;
    world.feed(Input::NotConnected(Some(Refusal::PaymentRequired)));
    for ticket in tickets {
        assert_eq!(world.error(ticket), RecogniseError::PaymentRequired);
    }
    world.wait(60_000);
    assert_eq!(world.said, ["connect"], "nobody asks, nobody connects");
}

#[test]
fn a_connection_that_talks_rubbish_is_left() {
    let mut world = World::new(DeepgramLimits::default());
    let last = world.whole(0, 0, 400);
    world.connect();
    for _ in 0..RUBBISH_MAX {
        world.feed(Input::Heard(Heard::Rubbish));
    }
    assert!(world.service.is_none());
    world.wait(300);
    world.connect();
    world.confirm();
    world.check_words(last);
}
