//! Whatever happens, in any order.

use proptest::prelude::*;

use super::super::*;
use super::world::{WORD_MS, World};
use crate::RequestKind;

#[derive(Clone, Debug)]
enum Step {
    Grow,
    Partial,
    /// The utterance ends here, or was cut some words before. The final may be asked for late, or never.
    End {
        cut: usize,
        late: bool,
        ask: bool,
    },
    Wait(u64),
    Connect,
    Fail,
    Refuse,
    Results(bool),
    Confirm,
    /// The service swallows a confirmation.
    Swallow,
    Lose,
    Rubbish,
    Forget,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Grow),
        6 => Just(Step::Partial),
        3 => (0..3usize, any::<bool>(), prop::bool::weighted(0.8))
            .prop_map(|(cut, late, ask)| Step::End { cut, late, ask }),
        4 => (0..3_000u64).prop_map(Step::Wait),
        1 => (10_000..200_000u64).prop_map(Step::Wait),
        4 => Just(Step::Connect),
        1 => Just(Step::Fail),
        1 => Just(Step::Refuse),
        5 => any::<bool>().prop_map(Step::Results),
        5 => Just(Step::Confirm),
        1 => Just(Step::Swallow),
        1 => Just(Step::Lose),
        1 => Just(Step::Rubbish),
        1 => Just(Step::Forget),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// `World` checks that nothing is sent twice on a connection and nothing after a goodbye.
    #[test]
    fn every_request_is_answered_once_and_finals_have_exactly_their_words(
        steps in prop::collection::vec(step(), 0..120),
    ) {
        // This service may take long to confirm an end of which it has something to say.
        let mut world = World::new(DeepgramLimits {
            confirm_ms: 1_000_000,
            ..DeepgramLimits::default()
        });
        let (mut number, mut from_ms, mut to_ms, mut asked_ms) = (0, 0, WORD_MS, 0);
        for step in steps {
            match step {
                // Only so far that a sample can still say its millisecond.
                Step::Grow => to_ms = (to_ms + 600).min(30_000),
                Step::Partial => {
                    world.partial(number, from_ms, to_ms);
                    asked_ms = to_ms;
                }
                Step::End { cut, late: is_late, ask } => {
                    let end_ms = (to_ms / WORD_MS).saturating_sub(cut) * WORD_MS;
                    let end_ms = end_ms.max(from_ms + WORD_MS);
                    let is_all_sent = asked_ms == end_ms;
                    if end_ms > to_ms || end_ms > 29_000 {
                        continue;
                    }
                    // The next one may be asked for first: requests are passed on side by side.
                    let is_sent = world.sent_ms().contains(&(end_ms - 1));
                    if ask && is_late && is_all_sent && is_sent && end_ms < 29_000 {
                        world.partial(number + 1, end_ms, end_ms + WORD_MS);
                    }
                    if ask {
                        world.whole(number, from_ms, end_ms);
                    }
                    // What follows an utterance that nobody asked for again begins behind all that was sent.
                    from_ms = if ask { end_ms } else { to_ms.div_ceil(WORD_MS) * WORD_MS };
                    to_ms = to_ms.max(from_ms + WORD_MS);
                    asked_ms = from_ms;
                    number += 1;
                }
                Step::Wait(ms) => world.wait(ms),
                Step::Connect => world.connect(),
                Step::Fail | Step::Refuse => {
                    if std::mem::take(&mut world.is_connecting) {
                        let refusal = matches!(step, Step::Refuse).then_some(Refusal::RateLimited);
                        world.feed(Input::NotConnected(refusal));
                    }
                }
                Step::Results(is_final) => world.results(is_final),
                Step::Confirm => world.confirm(),
                Step::Swallow => {
                    if let Some(service) = &mut world.service {
                        service.finalizes.pop_front();
                    }
                }
                Step::Lose => world.lose(),
                Step::Rubbish => {
                    if world.service.is_some() {
                        world.feed(Input::Heard(Heard::Rubbish));
                    }
                }
                Step::Forget => world.feed(Input::Forget),
            }
        }
        // However it stands: in bounded time everything is answered.
        world.wait(60_000);
        prop_assert_eq!(world.answers.len(), world.asked.len());
        for (ticket, (kind, ..)) in &world.asked {
            if *kind == RequestKind::Final && world.answers[ticket].is_ok() {
                world.check_words(*ticket);
            }
        }
    }
}
