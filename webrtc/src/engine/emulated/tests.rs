//! What must hold on which network; the table in this crate's README says the same. Figures leave
//! room: which packets are lost differs a little from run to run, because so do keys and names.

use super::*;
use crate::stats::RtcStats;

const PATIENCE: Duration = Duration::from_secs(15);
const SETTLING: Duration = Duration::from_secs(5);
const MEASURED: Duration = Duration::from_secs(30);

/// What one side heard over a stretch of time.
#[derive(Debug)]
struct Heard {
    tone: Tone,
    /// Shares of the sound, 0 to 1.
    concealed: f64,
    recovered_packets: u64,
    discarded_packets: u64,
    lost_packets: i64,
    /// From arrival to ear, mean.
    buffered_ms: f64,
}

fn connected(talk: &mut Talk) {
    talk.run_until("the connection", PATIENCE, |talk| {
        talk.caller.is_connected() && talk.callee.is_connected()
    });
}

/// What the callee hears for so long.
fn hear(talk: &mut Talk, duration: Duration) -> Heard {
    let (before, from) = (talk.callee.sound(), talk.callee.pcm.len());
    talk.run(duration);
    let after = talk.callee.sound();
    let pcm = &talk.callee.pcm[from..];
    let expected = duration.as_secs_f64() * f64::from(RATE_HZ);
    assert!(
        (pcm.len() as f64 - expected).abs() <= f64::from(RATE_HZ) / 50.0,
        "ten milliseconds of sound for each ten milliseconds"
    );
    let (b, a) = (before.playout, after.playout);
    Heard {
        tone: listen_closely(pcm),
        concealed: (a.concealed_samples - b.concealed_samples) as f64
            / (a.total_samples - b.total_samples) as f64,
        recovered_packets: a.packets_recovered - b.packets_recovered,
        discarded_packets: a.packets_discarded - b.packets_discarded,
        lost_packets: after.packets_lost - before.packets_lost,
        buffered_ms: 1_000.0 * (a.delay_s - b.delay_s) / (a.emitted_samples - b.emitted_samples) as f64,
    }
}

/// Every message came, once and in order, but for the ones still on their way.
fn assert_messages(talk: &Talk, max_under_way: u32) {
    for (from, to) in [(&talk.caller, &talk.callee), (&talk.callee, &talk.caller)] {
        let read = u32::try_from(to.messages.len()).expect("some");
        assert!(to.messages.iter().copied().eq(0..read), "in order, each once");
        assert!(
            from.messages_sent - read <= max_under_way,
            "{read} of {} messages",
            from.messages_sent
        );
    }
}

fn talk_through(conditions: Conditions) -> (Talk, Heard) {
    let mut talk = Talk::begin(conditions, 7);
    connected(&mut talk);
    talk.run(SETTLING);
    let heard = hear(&mut talk, MEASURED);
    (talk, heard)
}

#[test]
fn a_good_network_takes_nothing_away() {
    let (talk, heard) = talk_through(Conditions::default());
    assert!((heard.tone.pitch_hz - TONE_HZ).abs() < 0.5, "{heard:?}");
    assert_eq!(
        (heard.tone.clean, heard.concealed, heard.lost_packets),
        (1.0, 0.0, 0),
        "{heard:?}"
    );
    assert!(heard.buffered_ms <= 40.0, "{heard:?}");
    assert_messages(&talk, 1);
}

/// Loss, and what may be made up, must be clean, and must have been recovered from copies.
fn assert_loss(loss: f64, max_concealed: f64, min_clean: f64, max_under_way: u32) {
    let (talk, heard) = talk_through(Conditions {
        loss,
        ..Conditions::default()
    });
    assert!((heard.tone.pitch_hz - TONE_HZ).abs() < 3.0, "{heard:?}");
    assert!(heard.lost_packets > 0, "{heard:?}");
    assert!(heard.concealed <= max_concealed, "{heard:?}");
    assert!(heard.tone.clean >= min_clean, "{heard:?}");
    let lost = heard.lost_packets as f64;
    assert!(heard.recovered_packets as f64 >= lost * 0.4, "{heard:?}");
    assert!(heard.buffered_ms <= 80.0, "{heard:?}");
    assert_messages(&talk, max_under_way);
}

#[test]
fn one_percent_of_loss_is_hardly_heard() {
    assert_loss(0.01, 0.006, 0.98, 10);
}

#[test]
fn five_percent_of_loss_leave_ninety_seven_of_sound() {
    assert_loss(0.05, 0.03, 0.95, 15);
}

#[test]
fn ten_percent_of_loss_leave_ninety_four_of_sound() {
    assert_loss(0.10, 0.06, 0.88, 20);
}

#[test]
fn twenty_percent_of_loss_leave_eighty_seven_of_sound() {
    assert_loss(0.20, 0.13, 0.75, 40);
}

#[test]
fn jitter_of_200_ms_costs_delay_and_no_sound() {
    let (mut talk, heard) = talk_through(Conditions {
        jitter_ms: 200,
        ..Conditions::default()
    });
    assert!((heard.tone.pitch_hz - TONE_HZ).abs() < 1.0, "{heard:?}");
    assert!(heard.concealed <= 0.01 && heard.tone.clean >= 0.97, "{heard:?}");
    // Between arrival and ear: on average half of the delay that the slowest packets need.
    assert!((60.0..=160.0).contains(&heard.buffered_ms), "{heard:?}");
    assert_messages(&talk, 10);

    // Once the network is quiet again the delay goes back.
    talk.to_callee.conditions.jitter_ms = 0;
    talk.run(Duration::from_secs(20));
    let heard = hear(&mut talk, SETTLING);
    assert!(heard.buffered_ms <= 60.0, "{heard:?}");
}

#[test]
fn overtaking_costs_a_little_delay_and_no_sound() {
    let (talk, heard) = talk_through(Conditions {
        reordering: 0.1,
        reordering_delay_ms: 50,
        ..Conditions::default()
    });
    assert!((heard.tone.pitch_hz - TONE_HZ).abs() < 0.5, "{heard:?}");
    assert!(heard.concealed <= 0.005 && heard.tone.clean >= 0.98, "{heard:?}");
    assert!(heard.buffered_ms <= 90.0, "{heard:?}");
    assert_eq!(heard.lost_packets, 0);
    assert_messages(&talk, 2);
}

#[test]
fn what_comes_twice_is_heard_and_read_once() {
    let (talk, heard) = talk_through(Conditions {
        duplication: 0.2,
        ..Conditions::default()
    });
    assert!((heard.tone.pitch_hz - TONE_HZ).abs() < 0.5, "{heard:?}");
    assert_eq!((heard.concealed, heard.tone.clean), (0.0, 1.0), "{heard:?}");
    // SRTP drops them as replays: nothing is counted twice.
    assert_eq!((heard.lost_packets, heard.discarded_packets), (0, 0), "{heard:?}");
    assert_messages(&talk, 1);
}

/// What fits into 1,200 bytes with the headers of IPv6 and UDP and of a relay's Send indication.
const SMALLEST_PAYLOAD_BYTES: usize = 1_200 - 48 - 36;

#[test]
fn long_messages_pass_where_datagrams_of_1200_bytes_do() {
    let mut talk = Talk::begin(
        Conditions {
            max_payload_bytes: SMALLEST_PAYLOAD_BYTES,
            ..Conditions::default()
        },
        7,
    );
    talk.caller.message_bytes = 15_000;
    talk.callee.message_bytes = 15_000;
    connected(&mut talk);
    talk.run(SETTLING);
    let heard = hear(&mut talk, SETTLING);
    assert!(talk.caller.messages_sent > 40);
    assert_messages(&talk, 2);
    assert_eq!((heard.tone.clean, heard.concealed), (1.0, 0.0), "{heard:?}");
    for link in [&talk.to_callee, &talk.to_caller] {
        assert_eq!(link.fate.too_long, 0, "{:?}", link.fate);
    }
}

fn set_down(talk: &mut Talk, down: bool) {
    talk.to_callee.down = down;
    talk.to_caller.down = down;
}

/// The end of a stretch without packets is silence, not a hum.
fn assert_silent(peer: &Peer) {
    let last_second = &peer.pcm[peer.pcm.len() - RATE_HZ as usize..];
    let loudest = last_second.iter().map(|sample| sample.unsigned_abs()).max();
    assert!(loudest <= Some(1), "{loudest:?}");
}

#[test]
fn an_outage_of_15_s_heals_without_anybody_doing_anything() {
    let mut talk = Talk::begin(Conditions::default(), 7);
    connected(&mut talk);
    talk.run(SETTLING);
    set_down(&mut talk, true);
    talk.run(Duration::from_secs(15));
    assert_silent(&talk.callee);
    assert!(!talk.caller.is_connected(), "the program is told");
    set_down(&mut talk, false);
    talk.run_until("sound", Duration::from_secs(3), |talk| {
        talk.caller.is_connected() && talk.callee.is_connected()
    });
    talk.run(Duration::from_secs(1));
    let heard = hear(&mut talk, SETTLING);
    assert_eq!((heard.tone.clean, heard.concealed), (1.0, 0.0), "{heard:?}");
    assert!(
        heard.buffered_ms <= 60.0,
        "nothing old is played later: {heard:?}"
    );
    // SCTP waits longer from one retransmission to the next.
    talk.run(Duration::from_secs(15));
    assert_messages(&talk, 2);
}

#[test]
fn after_an_outage_of_30_s_a_restart_of_ice_brings_everything_back() {
    let mut talk = Talk::begin(Conditions::default(), 7);
    connected(&mut talk);
    talk.run(SETTLING);
    let sent_before = talk.to_callee.fate.sent;
    set_down(&mut talk, true);
    talk.run(Duration::from_secs(30));
    for peer in [&talk.caller, &talk.callee] {
        assert_eq!(
            peer.engine.connection_state(),
            PeerConnectionState::Failed,
            "{:?}",
            peer.states
        );
        assert_silent(peer);
    }
    let attempts = talk.to_callee.fate.sent - sent_before;
    assert!(
        attempts <= 60 * 30,
        "{attempts} packets into a network that is down"
    );
    set_down(&mut talk, false);
    talk.negotiate(true);
    talk.run_until("the connection", Duration::from_secs(1), |talk| {
        talk.caller.is_connected() && talk.callee.is_connected()
    });
    talk.run(Duration::from_secs(1));
    let heard = hear(&mut talk, SETTLING);
    assert_eq!((heard.tone.clean, heard.concealed), (1.0, 0.0), "{heard:?}");
    assert!(heard.buffered_ms <= 60.0, "{heard:?}");
    talk.run(Duration::from_secs(30));
    assert_messages(&talk, 2);
}

/// A restart, as `livekit` makes it once it is told that a connection has failed, mends it.
fn assert_mended_by_a_restart(talk: &mut Talk) {
    talk.negotiate(true);
    talk.run_until("the connection", Duration::from_secs(1), |talk| {
        talk.caller.is_connected() && talk.callee.is_connected()
    });
    talk.run(Duration::from_secs(1));
    let from = talk.caller.pcm.len();
    let heard = hear(talk, SETTLING);
    assert_eq!((heard.tone.clean, heard.concealed), (1.0, 0.0), "{heard:?}");
    let tone = listen_closely(&talk.caller.pcm[from..]);
    assert!(
        tone.clean == 1.0 && (tone.pitch_hz - TONE_HZ).abs() < 0.5,
        "{tone:?}"
    );
    talk.run(Duration::from_secs(10));
    assert_messages(talk, 2);
}

fn told_of_failure(talk: &Talk) -> bool {
    talk.caller.engine.connection_state() == PeerConnectionState::Failed
}

#[test]
fn who_is_seen_elsewhere_learns_it_from_the_next_answer() {
    let mut talk = Talk::begin(Conditions::default(), 7);
    connected(&mut talk);
    talk.run(SETTLING);
    talk.caller_seen_as = "10.9.0.9:9999".parse().expect("an address");
    talk.run_until("the caller to notice", Duration::from_secs(3), told_of_failure);
    assert_mended_by_a_restart(&mut talk);
    talk.run(MEASURED);
    assert!(talk.caller.is_connected(), "{:?}", talk.caller.states);
}

#[test]
fn an_address_that_this_host_has_no_more_is_mended_at_once() {
    let mut talk = Talk::begin(Conditions::default(), 7);
    connected(&mut talk);
    talk.run(SETTLING);
    let old = host_candidate(talk.caller.address);
    talk.caller.address = "10.9.0.9:9999".parse().expect("an address");
    talk.caller_seen_as = talk.caller.address;
    let new = host_candidate(talk.caller.address);
    talk.caller
        .engine
        .lose_candidate("candidate:1 1 udp 1 10.1.0.7 1000 typ host");
    assert!(!told_of_failure(&talk), "one of several, which is not in use");
    talk.caller.engine.lose_candidate(&old);
    talk.caller.engine.add_found_candidate(new);
    assert!(told_of_failure(&talk));
    assert_mended_by_a_restart(&mut talk);
}

#[test]
fn a_changed_address_is_noticed_by_the_other_side_too() {
    let mut talk = Talk::begin(Conditions::default(), 7);
    connected(&mut talk);
    talk.run(SETTLING);
    talk.caller_seen_as = "10.9.0.9:9999".parse().expect("an address");
    // The way to the callee still works: sound is taken from wherever its keys fit.
    let heard = hear(&mut talk, SETTLING);
    assert_eq!((heard.tone.clean, heard.concealed), (1.0, 0.0), "{heard:?}");
    // The way back does not. The callee, whose packets nobody answers, notices.
    talk.run_until("the callee to notice", Duration::from_secs(10), |talk| {
        talk.callee.engine.connection_state() == PeerConnectionState::Disconnected
    });
    assert_silent(&talk.caller);
    assert_mended_by_a_restart(&mut talk);
}

#[test]
fn reports_of_both_sides_tell_the_truth() {
    let mut talk = Talk::begin(
        Conditions {
            loss: 0.05,
            ..Conditions::default()
        },
        7,
    );
    connected(&mut talk);
    talk.run(MEASURED);
    let now = talk.now;
    let stats = talk.caller.engine.sender_stats(now, 0);
    let remote = stats.iter().find_map(|stats| match stats {
        RtcStats::RemoteInboundRtp(remote) => Some(remote),
        _ => None,
    });
    let remote = remote.expect("what the callee reported about the caller's sound");
    let round_trip_ms = remote.remote_inbound.round_trip_time * 1_000.0;
    assert!((39.0..=45.0).contains(&round_trip_ms), "{round_trip_ms} ms");
    assert!(remote.remote_inbound.round_trip_time_measurements >= 10);
    // The callee may have lost some more since its last report.
    let heard = talk.callee.sound();
    let late = heard.packets_lost - remote.received.packets_lost;
    assert!((0..=20).contains(&late), "{late} of {}", heard.packets_lost);
    assert!(
        heard.packets_received.abs_diff(remote.received.packets_received) <= 60,
        "{} of {}",
        remote.received.packets_received,
        heard.packets_received
    );
    assert!(remote.received.jitter < 0.02, "in seconds");
    let stats = talk.callee.engine.receiver_stats(now, 0);
    let remote = stats.iter().find_map(|stats| match stats {
        RtcStats::RemoteOutboundRtp(remote) => Some(remote),
        _ => None,
    });
    let remote = remote.expect("the caller's reports about its sound");
    assert!(remote.sent.packets_sent > 1_000, "{}", remote.sent.packets_sent);
    let age_ms = std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_secs_f64() * 1_000.0
        - remote.remote_outbound.remote_timestamp;
    assert!(
        age_ms.abs() < 60_000.0,
        "virtual time is ahead by half a minute: {age_ms} ms"
    );
}

#[test]
fn changed_bytes_are_no_worse_than_lost_datagrams() {
    let mut talk = Talk::begin(Conditions::default(), 7);
    connected(&mut talk);
    talk.corrupting = true;
    talk.run(SETTLING);
    let heard = hear(&mut talk, MEASURED);
    assert!(talk.callee.is_connected() && talk.caller.is_connected());
    assert!(heard.lost_packets > 0, "{heard:?}");
    assert!(heard.concealed <= 0.06 && heard.tone.clean >= 0.88, "{heard:?}");
    assert_messages(&talk, 20);
}

#[test]
fn a_peer_that_sends_rubbish_as_sound_is_heard_as_soon_as_it_speaks_again() {
    let mut talk = Talk::begin(Conditions::default(), 7);
    connected(&mut talk);
    talk.run(SETTLING);
    let mut numbers = 1_u32;
    for _ in 0..2_000 {
        let payload: Vec<u8> = (0..numbers % 1_100)
            .map(|_| {
                numbers = numbers.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (numbers >> 24) as u8
            })
            .collect();
        numbers = numbers.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let audio = EncodedAudio {
            payload: payload.into(),
            timestamp: numbers,
            level_dbov: 0,
            voice: true,
            marker: numbers & 1 == 1,
        };
        let now = talk.now;
        talk.caller.engine.send_audio(now, 0, audio);
        talk.run(Duration::from_millis(3));
    }
    talk.run(SETTLING);
    let heard = hear(&mut talk, SETTLING);
    assert_eq!(heard.tone.clean, 1.0, "{heard:?}");
    assert!(heard.buffered_ms <= 80.0, "{heard:?}");
    assert_messages(&talk, 2);
}
