//! Ways to the other side: IPv6, and several addresses of which not all lead there.

use super::*;

const PATIENCE: Duration = Duration::from_secs(3);

/// Sound and messages, soon after the beginning.
fn assert_they_talk(talk: &mut Talk) {
    talk.run_until("the connection", PATIENCE, |talk| {
        talk.caller.is_connected() && talk.callee.is_connected()
    });
    talk.run(Duration::from_secs(5));
    let last = talk.callee.pcm.len() - 2 * RATE_HZ as usize;
    let tone = listen_closely(&talk.callee.pcm[last..]);
    assert!((tone.pitch_hz - TONE_HZ).abs() < 0.5, "{tone:?}");
    assert!(talk.callee.messages.len() > 10);
}

#[test]
fn they_talk_over_ipv6() {
    let mut talk = Talk::between("[fd00::1]:1000", "[fd00::2]:2000", Conditions::default(), 7);
    assert_they_talk(&mut talk);
}

#[test]
fn an_address_that_leads_nowhere_does_not_hold_them_up() {
    let mut talk = Talk::begin(Conditions::default(), 7);
    let elsewhere = ["10.7.0.7:1000", "[fd00::7]:1000"].map(|text| text.parse().expect("an address"));
    for address in elsewhere {
        let candidate = host_candidate(address).replacen("2130706431", "2130706432", 1);
        talk.caller.engine.add_found_candidate(candidate);
        let candidate = host_candidate(address);
        talk.callee
            .engine
            .add_remote_candidate(&candidate)
            .expect("a usable candidate");
    }
    assert_they_talk(&mut talk);
}
