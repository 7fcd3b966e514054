//! Sound as RED (RFC 2198): what is lost alone comes with the next packet.

use super::*;

const SETTLING: Duration = Duration::from_secs(10);
const MEASURED: Duration = Duration::from_secs(30);

/// Of what is sent to the callee.
#[derive(Debug)]
struct Outcome {
    lost: i64,
    recovered: u64,
    /// Share of the sound that was made up.
    concealed: f64,
    /// Of payload.
    bytes: u64,
    discarded: u64,
}

fn measure(talk: &mut Talk) -> Outcome {
    let before = talk.callee.sound();
    talk.run(MEASURED);
    let after = talk.callee.sound();
    let played = |stats: &InboundAudioStats| stats.playout;
    let (was, is) = (played(&before), played(&after));
    Outcome {
        lost: after.packets_lost - before.packets_lost,
        recovered: is.packets_recovered - was.packets_recovered,
        concealed: (is.concealed_samples - was.concealed_samples) as f64
            / (is.total_samples - was.total_samples) as f64,
        bytes: after.bytes_received - before.bytes_received,
        discarded: is.packets_discarded - was.packets_discarded,
    }
}

/// How much is recovered where so much is lost on the way to the callee, with RED or without, with Opus' own copies or
/// without.
fn talk(loss: f64, red: bool, fec: bool) -> Talk {
    let conditions = Conditions::default();
    let mut talk = if red {
        Talk::begin_redundant(conditions, 7)
    } else {
        Talk::begin(conditions, 7)
    };
    talk.to_callee.conditions.loss = loss;
    talk.caller.encoder = encoder(fec);
    talk.run_until("the connection", SETTLING, |talk| {
        talk.caller.is_connected() && talk.callee.is_connected()
    });
    talk.run(SETTLING);
    talk
}

#[test]
fn nearly_all_that_is_lost_is_heard() {
    let (red, plain) = (
        measure(&mut talk(0.1, true, false)),
        measure(&mut talk(0.1, false, false)),
    );
    assert!(red.lost > 100 && red.lost == plain.lost, "{red:?}, {plain:?}");
    assert!(red.recovered as i64 * 5 > red.lost * 4, "{red:?}");
    assert_eq!(plain.recovered, 0);
    assert!(red.concealed < 0.2 * plain.concealed, "{red:?}, {plain:?}");
}

#[test]
fn on_a_good_network_copies_cost_bits_and_nothing_else() {
    let (red, plain) = (
        measure(&mut talk(0.0, true, true)),
        measure(&mut talk(0.0, false, true)),
    );
    let counts = (red.recovered, red.discarded, red.concealed);
    assert_eq!(counts, (0, 0, 0.0), "{red:?}");
    let times = red.bytes as f64 / plain.bytes as f64;
    assert!((2.0..2.2).contains(&times), "{red:?}, {plain:?}");
}

#[test]
fn opus_adds_its_own_copies_only_where_two_in_a_row_are_often_lost() {
    let bytes = |loss, fec| measure(&mut talk(loss, true, fec)).bytes as f64;
    assert!(bytes(0.05, true) < 1.05 * bytes(0.05, false));
    assert!(bytes(0.2, true) > 1.2 * bytes(0.2, false));
}

#[test]
fn packets_that_come_late_twice_or_overtaken_are_heard_once() {
    let mut talk = talk(0.0, true, false);
    talk.to_callee.conditions = Conditions {
        reordering: 0.1,
        reordering_delay_ms: 30,
        duplication: 0.2,
        ..Conditions::default()
    };
    talk.callee.pcm.clear();
    let outcome = measure(&mut talk);
    assert!(outcome.concealed < 0.005, "{outcome:?}");
    let tone = listen_closely(&talk.callee.pcm);
    assert!(
        tone.clean > 0.98 && (tone.pitch_hz - TONE_HZ).abs() < 2.0,
        "{tone:?}"
    );
    assert_eq!(
        talk.callee.pcm.len() / (RATE_HZ as usize / 100),
        3_000,
        "10 ms each 10 ms"
    );
}
