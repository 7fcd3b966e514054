//! Virtual time: links answer as a script says, and time jumps from one event to the next.

use proptest::prelude::*;

use super::*;
use crate::Hypothesis;

const LIMITS: ChainLimits = ChainLimits {
    partial_ms: 2_000,
    final_ms: 4_000,
    last_partial_ms: 8_000,
    last_final_ms: 30_000,
    rest_ms: (2_000, 60_000),
    refused_ms: 300_000,
};

fn wanted(utterance: u64, kind: RequestKind) -> Wanted {
    Wanted {
        stream: StreamId(1),
        utterance,
        kind,
        audio_ms: 1_000,
    }
}

fn words_of(link: usize) -> Recognised {
    Ok(Hypothesis {
        utterance: 0,
        words: Vec::new(),
        engine: link.to_string(),
        audio_ms: 1_000,
        is_whole: true,
        compute_ms: 0,
    })
}

/// Which link is asked, or who answered.
fn link(step: &Step) -> usize {
    match step {
        Step::Ask { link, .. } => *link,
        Step::Answer(answer) => panic!("nobody is asked: {answer:?}"),
    }
}

fn one(core: &mut Core, utterance: u64, kind: RequestKind, now_ms: u64) -> (Course, usize) {
    let (course, step) = core.begin(wanted(utterance, kind), now_ms);
    let link = link(&step);
    (course, link)
}

#[test]
fn the_next_takes_over_and_the_first_is_asked_again_after_its_rest() {
    let mut core = Core::new([true, true], LIMITS);
    let (mut course, step) = core.begin(wanted(0, RequestKind::Final), 0);
    assert_eq!(
        step,
        Step::Ask {
            link: 0,
            patience_ms: 5_000
        }
    );
    let step = core.answered(&mut course, Err(RecogniseError::Failed), 100);
    assert_eq!(
        step,
        Step::Ask {
            link: 1,
            patience_ms: 30_000
        }
    );
    assert_eq!(
        core.answered(&mut course, words_of(1), 200),
        Step::Answer(words_of(1))
    );
    assert_eq!(one(&mut core, 1, RequestKind::Final, 2_099).1, 1);
    let (mut course, tried) = one(&mut core, 2, RequestKind::Final, 2_100);
    assert_eq!(tried, 0, "the rest is over");
    assert_eq!(
        one(&mut core, 3, RequestKind::Final, 2_101).1,
        1,
        "one finds out for all"
    );
    core.answered(&mut course, words_of(0), 2_200);
    assert_eq!(one(&mut core, 4, RequestKind::Final, 2_300).1, 0);
    let changes = [
        Change::Rested {
            link: 0,
            error: RecogniseError::Failed,
            rest_ms: 2_000,
        },
        Change::Back { link: 0 },
    ];
    assert_eq!(core.changes, changes);
}

#[test]
fn an_utterance_stays_with_whoever_took_it_over() {
    let mut core = Core::new([true, true], LIMITS);
    let (mut course, _) = core.begin(wanted(0, RequestKind::Partial), 0);
    let step = core.answered(&mut course, Err(RecogniseError::Late), 2_000);
    assert_eq!(link(&step), 1);
    core.answered(&mut course, words_of(1), 2_100);
    // The first one is rested enough, but this utterance is not new.
    assert_eq!(one(&mut core, 0, RequestKind::Partial, 9_000).1, 1);
    assert_eq!(one(&mut core, 0, RequestKind::Final, 9_000).1, 1);
    assert_eq!(one(&mut core, 1, RequestKind::Partial, 9_000).1, 0);
}

#[test]
fn an_utterance_that_begins_while_one_rests_stays_with_the_next() {
    let mut core = Core::new([true, true], LIMITS);
    let (mut course, _) = one(&mut core, 0, RequestKind::Final, 0);
    core.answered(&mut course, Err(RecogniseError::Failed), 100);
    assert_eq!(one(&mut core, 1, RequestKind::Partial, 1_000).1, 1);
    // Meanwhile the rest is over.
    assert_eq!(one(&mut core, 1, RequestKind::Final, 3_000).1, 1);
    assert_eq!(one(&mut core, 2, RequestKind::Partial, 3_000).1, 0);
}

#[test]
fn who_fails_a_partial_does_not_get_its_final_even_if_nobody_else_gives_partials() {
    let mut core = Core::new([true, false], LIMITS);
    let (mut course, _) = core.begin(wanted(0, RequestKind::Partial), 0);
    let step = core.answered(&mut course, Err(RecogniseError::Failed), 100);
    assert_eq!(step, Step::Answer(Err(RecogniseError::Failed)));
    assert_eq!(one(&mut core, 0, RequestKind::Final, 9_000).1, 1);
}

#[test]
fn of_any_number_of_utterances_so_many_are_remembered() {
    let mut core = Core::new([true, true], LIMITS);
    for utterance in 0..2 * MARKED_MAX as u64 {
        let (mut course, _) = one(&mut core, utterance, RequestKind::Final, utterance * 100_000);
        core.answered(&mut course, Err(RecogniseError::Failed), utterance * 100_000);
    }
    assert_eq!(core.marked.len(), MARKED_MAX);
}

#[test]
fn a_stand_ins_partial_does_not_become_the_record() {
    let mut core = Core::new([false, true], LIMITS);
    let (mut course, asked) = one(&mut core, 0, RequestKind::Partial, 0);
    assert_eq!(asked, 1);
    let Step::Answer(Ok(partial)) = core.answered(&mut course, words_of(1), 10) else {
        panic!("no words");
    };
    assert!(!partial.is_whole, "the final is the first one's");
    let (mut course, asked) = one(&mut core, 0, RequestKind::Final, 20);
    assert_eq!(asked, 0);
    core.answered(&mut course, Err(RecogniseError::Failed), 30);
    let (mut course, _) = one(&mut core, 1, RequestKind::Partial, 40);
    let Step::Answer(Ok(partial)) = core.answered(&mut course, words_of(1), 50) else {
        panic!("no words");
    };
    assert!(partial.is_whole, "the first one rests: these are the words");
}

#[test]
fn partials_are_refused_where_nobody_gives_them_and_are_never_forced() {
    let mut core = Core::new([false], LIMITS);
    let (_, step) = core.begin(wanted(0, RequestKind::Partial), 0);
    assert_eq!(step, Step::Answer(Err(RecogniseError::NoPartials)));
    let mut core = Core::new([true], LIMITS);
    let (mut course, _) = core.begin(wanted(0, RequestKind::Final), 0);
    let step = core.answered(&mut course, Err(RecogniseError::Unauthorised), 10);
    assert_eq!(step, Step::Answer(Err(RecogniseError::Unauthorised)));
    let (_, step) = core.begin(wanted(1, RequestKind::Partial), 20);
    assert_eq!(step, Step::Answer(Err(RecogniseError::Failed)));
    // Better a recogniser that should rest than no words at all.
    assert_eq!(one(&mut core, 1, RequestKind::Final, 20).1, 0);
}

#[test]
fn what_says_nothing_about_a_recognisers_health_does_not_rest_it() {
    let mut core = Core::new([true, true], LIMITS);
    for error in [RecogniseError::Overtaken, RecogniseError::Astray] {
        let (mut course, _) = core.begin(wanted(0, RequestKind::Partial), 0);
        assert_eq!(
            core.answered(&mut course, Err(error), 1),
            Step::Answer(Err(error))
        );
    }
    let (mut course, _) = core.begin(wanted(0, RequestKind::Final), 0);
    let step = core.answered(&mut course, Err(RecogniseError::Overloaded), 1);
    assert_eq!(link(&step), 1);
    assert_eq!(one(&mut core, 1, RequestKind::Final, 2).1, 0);
    assert!(core.changes.is_empty());
}

/// What a link does with a request: answers after so long, or never.
#[derive(Clone, Copy, Debug)]
enum Act {
    Words(u64),
    Error(RecogniseError, u64),
    Never,
}

fn acts() -> impl Strategy<Value = Act> {
    let error = prop::sample::select(vec![
        RecogniseError::Failed,
        RecogniseError::Overloaded,
        RecogniseError::RateLimited,
        RecogniseError::Unauthorised,
        RecogniseError::Astray,
        RecogniseError::ShutDown,
    ]);
    prop_oneof![
        4 => (0..3_000u64).prop_map(Act::Words),
        1 => (3_000..60_000u64).prop_map(Act::Words),
        2 => (error, 0..8_000u64).prop_map(|(error, ms)| Act::Error(error, ms)),
        1 => Just(Act::Never),
    ]
}

struct Underway {
    course: Course,
    is_final: bool,
    due: (u64, Recognised),
    asked: Vec<usize>,
    begun_ms: u64,
}

/// How a link will answer, as its asker sees it.
fn due(act: Act, link: usize, patience_ms: u64, now_ms: u64) -> (u64, Recognised) {
    let late = (now_ms + patience_ms, Err(RecogniseError::Late));
    match act {
        Act::Words(ms) if ms <= patience_ms => (now_ms + ms, words_of(link)),
        Act::Error(error, ms) if ms <= patience_ms => (now_ms + ms, Err(error)),
        _ => late,
    }
}

proptest! {
    /// Whatever the links do: each request has one answer, in time, from a link that was asked once; where the last
    /// link is always well, every final has words.
    #[test]
    fn every_request_is_answered_once_and_in_time(
        partials in prop::collection::vec(any::<bool>(), 1..4),
        requests in prop::collection::vec((0..5_000u64, any::<bool>(), 0..3u64, any::<bool>()), 1..40),
        script in prop::collection::vec(acts(), 1..60),
        last_is_well in any::<bool>(),
    ) {
        let count = partials.len();
        let mut core = Core::new(partials, LIMITS);
        let mut script = script.into_iter().cycle();
        let mut requests: VecDeque<_> = requests
            .into_iter()
            .scan((0, 0), |(now_ms, utterance), (wait_ms, is_final, stream, gives_up)| {
                *now_ms += wait_ms;
                *utterance += u64::from(is_final);
                Some((*now_ms, is_final, stream, *utterance, gives_up))
            })
            .collect();
        let (mut underway, mut answered, total) = (Vec::<Underway>::new(), 0, requests.len());
        let mut act = |link: usize| if last_is_well && link + 1 == count { Act::Words(50) } else { script.next().unwrap() };
        loop {
            let next = underway.iter().enumerate().min_by_key(|(_, one)| one.due.0).map(|(at, one)| (at, one.due.0));
            let coming_ms = requests.front().map(|request| request.0);
            let is_request = match (next, coming_ms) {
                (None, None) => break,
                (Some((_, due_ms)), Some(coming_ms)) => coming_ms <= due_ms,
                (next, _) => next.is_none(),
            };
            let (mut one, step, now_ms) = if is_request {
                let (now_ms, is_final, stream, utterance, gives_up) = requests.pop_front().unwrap();
                let kind = if is_final { RequestKind::Final } else { RequestKind::Partial };
                let wanted = Wanted { stream: StreamId(stream), utterance, kind, audio_ms: 1_000 };
                let (mut course, step) = core.begin(wanted, now_ms);
                if gives_up && !is_final {
                    core.abandoned(&mut course, now_ms);
                    answered += 1;
                    continue;
                }
                let due = (0, Err(RecogniseError::Failed));
                (Underway { course, is_final, due, asked: Vec::new(), begun_ms: now_ms }, step, now_ms)
            } else {
                let mut one = underway.swap_remove(next.unwrap().0);
                let (now_ms, result) = std::mem::replace(&mut one.due, (0, Err(RecogniseError::Failed)));
                let step = core.answered(&mut one.course, result, now_ms);
                (one, step, now_ms)
            };
            match step {
                Step::Ask { link, patience_ms } => {
                    prop_assert!(!one.asked.contains(&link), "{link} is asked twice: {:?}", one.asked);
                    one.asked.push(link);
                    one.due = due(act(link), link, patience_ms, now_ms);
                    underway.push(one);
                }
                Step::Answer(result) => {
                    answered += 1;
                    if let Ok(hypothesis) = &result {
                        prop_assert_eq!(hypothesis.engine.clone(), one.asked.last().unwrap().to_string());
                    }
                    if one.is_final {
                        prop_assert!(result.is_ok() || !last_is_well);
                        prop_assert!(result.is_ok() || one.asked.len() == count, "somebody was not asked");
                    }
                    let limit_ms = 30_000 + (count as u64 - 1) * 5_000;
                    prop_assert!(now_ms - one.begun_ms <= limit_ms);
                }
            }
        }
        prop_assert_eq!(answered, total);
        // Every rest that was told is at most ended once.
        for link in 0..count {
            let mut is_resting = false;
            for change in &core.changes {
                match *change {
                    Change::Rested { link: at, .. } if at == link => is_resting = true,
                    Change::Back { link: at } if at == link => {
                        prop_assert!(is_resting, "back from nowhere");
                        is_resting = false;
                    }
                    _ => {}
                }
            }
        }
    }
}
