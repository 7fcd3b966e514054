//! Signalling and the network race one another when a connection begins. Whoever comes first, the way is known once, and the
//! other side's first check is answered.

use super::*;

const PATIENCE: Duration = Duration::from_secs(3);
/// The callee's first check takes 20 ms: it comes first, and signalling so long after the beginning.
const LATE_MS: [u64; 4] = [21, 30, 45, 65];

/// The caller has offered and not heard the answer; what it will hear does not name the callee's address.
fn offered() -> (Talk, SessionDescription) {
    let mut talk = Talk::silent("10.1.0.1:1000", "10.2.0.2:2000", Conditions::default(), 7);
    let answer = talk.offer(false);
    let is_candidate =
        |line: &&str| line.starts_with("a=candidate:") || line.starts_with("a=end-of-candidates");
    let lines = answer.text().split_inclusive('\n');
    let text: String = lines.filter(|line| !is_candidate(line)).collect();
    let answer = SessionDescription::parse(&text, answer.sdp_type()).expect("an answer");
    (talk, answer)
}

/// Now the caller knows all. It checks one way, once, and answers the check that was there before.
fn assert_one_way(talk: &mut Talk, late_ms: u64) {
    talk.tell_candidate_of_callee();
    talk.run(Duration::from_millis(3));
    let sent = (talk.checks, talk.answers);
    assert_eq!(sent, (1, 1), "checks and answers, signalling {late_ms} ms late");
    connected(talk);
}

fn connected(talk: &mut Talk) {
    talk.run_until("the connection", PATIENCE, |talk| {
        talk.caller.is_connected() && talk.callee.is_connected()
    });
}

#[test]
fn a_check_waits_for_its_candidate() {
    for late_ms in LATE_MS {
        let (mut talk, answer) = offered();
        talk.take_answer(answer);
        talk.run(Duration::from_millis(late_ms));
        assert_one_way(&mut talk, late_ms);
    }
}

#[test]
fn a_check_waits_for_the_answer_to_our_offer() {
    for late_ms in LATE_MS {
        let (mut talk, answer) = offered();
        talk.run(Duration::from_millis(late_ms));
        talk.take_answer(answer);
        assert_one_way(&mut talk, late_ms);
    }
}

#[test]
fn who_has_no_candidate_is_heard_all_the_same() {
    let (mut talk, answer) = offered();
    talk.take_answer(answer);
    connected(&mut talk);
}
