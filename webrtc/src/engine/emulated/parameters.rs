//! A sender that changes how it encodes in the middle of a call, as other clients do when the network or the program asks for
//! it: each packet says for itself what it is (RFC 6716, section 3.1), so it is heard throughout.

use ropus::{Application, Bitrate, Channels, Encoder, ForceChannels};

use super::*;

const CODED_HZ: u32 = 48_000;
const CODED_TICK: usize = CODED_HZ as usize / 100;
/// A multiple of every length of frame, and of a syllable.
const STAGE: Duration = Duration::from_secs(6);
/// In which the delay follows.
const TRANSITION: Duration = Duration::from_secs(1);
/// What is made up at least, if anything is.
const STEP_MS: u64 = 10;

#[derive(Debug, Clone, Copy)]
struct Parameters {
    frame_ms: usize,
    channels: ForceChannels,
    bitrate_bps: u32,
    dtx: bool,
}

const USUAL: Parameters = Parameters {
    frame_ms: 20,
    channels: ForceChannels::Mono,
    bitrate_bps: 32_000,
    dtx: false,
};

/// Another client's microphone.
struct Microphone {
    encoder: Encoder,
    parameters: Parameters,
    /// Both channels, one after the other.
    pending: Vec<i16>,
    spoken: usize,
    after_pause: bool,
    sent: u64,
    stereo: u64,
}

impl Microphone {
    fn new() -> Self {
        let encoder = Encoder::builder(CODED_HZ, Channels::Stereo, Application::Voip)
            .build()
            .expect("an encoder");
        Self {
            encoder,
            parameters: USUAL,
            pending: Vec::new(),
            spoken: 0,
            after_pause: true,
            sent: 0,
            stereo: 0,
        }
    }

    fn change(&mut self, parameters: Parameters) {
        assert!(self.pending.is_empty(), "between two frames");
        let encoder = &mut self.encoder;
        encoder
            .set_force_channels(parameters.channels)
            .and_then(|()| encoder.set_bitrate(Bitrate::Bits(parameters.bitrate_bps)))
            .and_then(|()| encoder.set_dtx(parameters.dtx))
            .expect("parameters of Opus");
        self.parameters = parameters;
    }

    /// Takes 10 ms; a packet with each full frame that is worth one.
    fn tick(&mut self, speaks: bool) -> Option<EncodedAudio> {
        let pcm = if speaks {
            syllables_at(CODED_HZ, self.spoken, CODED_TICK)
        } else {
            (self.spoken..self.spoken + CODED_TICK)
                .map(|n| (n.wrapping_mul(2_654_435_761) >> 7 & 15) as i16 - 8)
                .collect()
        };
        self.spoken += CODED_TICK;
        self.pending
            .extend(pcm.iter().flat_map(|sample| [*sample, *sample]));
        let samples = self.parameters.frame_ms * CODED_HZ as usize / 1_000;
        if self.pending.len() < 2 * samples {
            return None;
        }
        let mut packet = [0; 1_275];
        let length = self.encoder.encode(&self.pending, &mut packet).expect("a packet");
        self.pending.clear();
        if length <= 2 {
            self.after_pause = true;
            return None;
        }
        self.sent += 1;
        self.stereo += u64::from(packet[0] >> 2 & 1);
        Some(EncodedAudio {
            payload: packet[..length].to_vec().into(),
            timestamp: (self.spoken - samples) as u32,
            level_dbov: 30,
            voice: true,
            marker: std::mem::take(&mut self.after_pause),
        })
    }
}

/// A talk whose caller has such a microphone.
fn talk() -> (Talk, Microphone) {
    let mut talk = Talk::begin(Conditions::default(), 7);
    talk.caller.speaks = false;
    talk.run_until("the connection", Duration::from_secs(15), |talk| {
        talk.caller.is_connected() && talk.callee.is_connected()
    });
    (talk, Microphone::new())
}

/// What is heard of a stretch.
#[derive(Debug)]
struct Heard {
    tone: Tone,
    /// Made up, and audible.
    made_up_ms: u64,
    discarded: u64,
    sent: u64,
    stereo: u64,
}

fn play(talk: &mut Talk, microphone: &mut Microphone, duration: Duration, speaks: bool) -> Heard {
    let before = talk.callee.sound().playout;
    let (sent, stereo) = (microphone.sent, microphone.stereo);
    talk.callee.pcm.clear();
    for _ in 0..duration.as_millis() / TICK.as_millis() {
        if let Some(audio) = microphone.tick(speaks) {
            let now = talk.now;
            talk.caller.engine.send_audio(now, 0, audio);
        }
        talk.run(TICK);
    }
    let after = talk.callee.sound().playout;
    let audible = |total: u64, silent: u64| (total - silent) / 48;
    Heard {
        tone: listen_closely(&talk.callee.pcm),
        made_up_ms: audible(after.concealed_samples, after.silent_concealed_samples)
            - audible(before.concealed_samples, before.silent_concealed_samples),
        discarded: after.packets_discarded - before.packets_discarded,
        sent: microphone.sent - sent,
        stereo: microphone.stereo - stereo,
    }
}

/// Each of them for a while, after the usual ones; what is made up when it begins.
fn through(all: &[Parameters]) -> Vec<u64> {
    let (mut talk, mut microphone) = talk();
    play(&mut talk, &mut microphone, STAGE, true);
    let through_one = |parameters: &Parameters| {
        microphone.change(*parameters);
        let begins = play(&mut talk, &mut microphone, TRANSITION, true);
        let goes_on = play(&mut talk, &mut microphone, STAGE - TRANSITION, true);
        let told = format!("{parameters:?}: {begins:?}, {goes_on:?}");
        assert_eq!((begins.discarded, goes_on.discarded), (0, 0), "{told}");
        assert_eq!(begins.tone.clean, 1.0, "{told}");
        assert!(goes_on.tone.clean >= 0.95, "{told}");
        assert!((goes_on.tone.pitch_hz - TONE_HZ).abs() < 0.5, "{told}");
        assert!(goes_on.made_up_ms <= STEP_MS, "{told}");
        let packets = (STAGE - TRANSITION).as_millis() as u64 / parameters.frame_ms as u64;
        assert!(goes_on.sent.abs_diff(packets) <= 1, "{told}");
        let is_stereo = goes_on.stereo == goes_on.sent;
        assert_eq!(is_stereo, parameters.channels == ForceChannels::Stereo, "{told}");
        begins.made_up_ms
    };
    all.iter().map(through_one).collect()
}

#[test]
fn longer_and_shorter_frames_are_heard_throughout() {
    let frames = [60, 10, 40, 20, 60].map(|frame_ms| Parameters { frame_ms, ..USUAL });
    // A frame that lasts 40 ms longer comes 40 ms later, once.
    for (made_up_ms, frame) in through(&frames).into_iter().zip(frames) {
        let most_ms = if frame.frame_ms == 60 { 40 } else { 0 };
        assert!(made_up_ms <= most_ms, "{frame:?}: {made_up_ms} ms");
    }
}

#[test]
fn one_channel_or_two_at_any_bit_rate_are_heard_throughout() {
    use ForceChannels::{Mono, Stereo};
    let all = [
        (Stereo, 64_000),
        (Mono, 32_000),
        (Mono, 8_000),
        (Mono, 128_000),
        (Stereo, 256_000),
        (Mono, 24_000),
    ];
    let made_up_ms = through(&all.map(|(channels, bitrate_bps)| Parameters {
        channels,
        bitrate_bps,
        ..USUAL
    }));
    assert_eq!(made_up_ms, [0; 6]);
}

#[test]
fn a_sender_that_pauses_or_sends_its_silence_is_heard_throughout() {
    let (mut talk, mut microphone) = talk();
    play(&mut talk, &mut microphone, STAGE, true);
    for dtx in [true, false, true] {
        microphone.change(Parameters { dtx, ..USUAL });
        let speech = play(&mut talk, &mut microphone, STAGE, true);
        let pause = play(&mut talk, &mut microphone, STAGE, false);
        let again = play(&mut talk, &mut microphone, STAGE, true);
        let told = format!("dtx: {dtx}, {speech:?}, {pause:?}, {again:?}");
        assert_eq!(pause.sent < 50, dtx, "{told}");
        assert_eq!((speech.made_up_ms, speech.tone.clean), (0, 1.0), "{told}");
        // Background noise is made where nothing is sent, and the first packet ends it.
        assert!(dtx || pause.made_up_ms == 0, "{told}");
        assert!(again.made_up_ms <= 2 * STEP_MS, "{told}");
        assert!(again.tone.clean >= 0.95, "{told}");
        let discarded = [&speech, &pause, &again].map(|heard| heard.discarded);
        assert_eq!(discarded, [0; 3], "{told}");
    }
}
