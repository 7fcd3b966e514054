//! Copies against loss follow what the other side reports.

use super::*;

const SETTLING: Duration = Duration::from_secs(10);
const MEASURED: Duration = Duration::from_secs(30);

/// Share of the sound made up at the callee, bytes of sound sent to it, and packets got back from copies.
#[derive(Debug)]
struct Outcome {
    concealed: f64,
    sound_bytes: u64,
    recovered_packets: u64,
}

fn measure(talk: &mut Talk) -> Outcome {
    let (before, bytes) = (talk.callee.sound().playout, talk.caller.sound_bytes);
    talk.run(MEASURED);
    let after = talk.callee.sound().playout;
    Outcome {
        concealed: (after.concealed_samples - before.concealed_samples) as f64
            / (after.total_samples - before.total_samples) as f64,
        sound_bytes: talk.caller.sound_bytes - bytes,
        recovered_packets: after.packets_recovered - before.packets_recovered,
    }
}

/// Loss on the way to the callee only.
fn one_way(loss: f64, fec: bool) -> Talk {
    let mut talk = Talk::begin(Conditions::default(), 7);
    talk.to_callee.conditions.loss = loss;
    talk.caller.encoder = encoder(fec);
    talk.run_until("the connection", SETTLING, |talk| {
        talk.caller.is_connected() && talk.callee.is_connected()
    });
    talk.run(SETTLING);
    talk
}

#[test]
fn copies_are_made_where_loss_is_reported_and_halve_what_is_made_up() {
    let (mut with, mut without) = (one_way(0.1, true), one_way(0.1, false));
    let percent = with.caller.engine.expected_loss_percent(0);
    assert!((5..=16).contains(&percent), "{percent} %");
    assert_eq!(
        with.callee.engine.expected_loss_percent(0),
        0,
        "the other way is good"
    );
    let (with, without) = (measure(&mut with), measure(&mut without));
    assert!(with.recovered_packets > 50, "{with:?}");
    assert_eq!(without.recovered_packets, 0, "{without:?}");
    assert!(with.concealed < 0.6 * without.concealed, "{with:?}, {without:?}");
}

#[test]
fn a_good_network_pays_for_no_copies() {
    let (mut with, mut without) = (one_way(0.0, true), one_way(0.0, false));
    let (with, without) = (measure(&mut with), measure(&mut without));
    assert_eq!(with.sound_bytes, without.sound_bytes);
}

#[test]
fn copies_end_when_the_loss_does() {
    let mut talk = one_way(0.1, true);
    let lossy = measure(&mut talk);
    talk.to_callee.conditions.loss = 0.0;
    talk.run(Duration::from_secs(60));
    assert_eq!(talk.caller.engine.expected_loss_percent(0), 0);
    let good = measure(&mut talk);
    let mut never = one_way(0.0, false);
    let without = measure(&mut never);
    let ratio = good.sound_bytes as f64 / without.sound_bytes as f64;
    assert!((0.97..1.03).contains(&ratio), "{good:?}, {without:?}, {lossy:?}");
}
