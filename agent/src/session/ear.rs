//! The speech crate as the core's ear and recogniser.

use speech::{
    Listener, ListenerEvent, ListenerOptions, Recogniser, Request, RequestKind, StreamId, VoiceModel,
};

use super::hearing::{Purpose, Recognise, RecogniseError};
use super::track::{Ear, EarEvent};

/// A track's listener.
#[derive(Debug)]
pub struct ListenerEar(Listener);

impl ListenerEar {
    /// A listener for a track that begins now.
    pub fn new(options: ListenerOptions, voice: &VoiceModel) -> Self {
        Self(Listener::new(options, voice.detector()))
    }
}

impl Ear for ListenerEar {
    type Audio = speech::Audio;

    fn push(&mut self, samples: &[i16]) -> Vec<EarEvent<speech::Audio>> {
        self.0.push(samples).into_iter().map(event).collect()
    }

    fn flush(&mut self) -> Vec<EarEvent<speech::Audio>> {
        self.0.flush().into_iter().map(event).collect()
    }

    fn pause_heard(&mut self, utterance: u64, audio_ms: u64, is_sentence: bool) -> bool {
        self.0.pause_heard(utterance, audio_ms, is_sentence)
    }

    fn heard_ms(&self) -> u64 {
        self.0.now_ms()
    }
}

fn event(event: ListenerEvent) -> EarEvent<speech::Audio> {
    match event {
        ListenerEvent::SpeechStarted { utterance, at_ms } => EarEvent::SpeechStarted {
            utterance,
            start_ms: at_ms,
        },
        ListenerEvent::SpeechEnded { .. } => EarEvent::SpeechEnded,
        ListenerEvent::Hypothesise {
            utterance,
            audio,
            start_ms,
            at_pause,
        } => EarEvent::Hypothesise {
            utterance,
            audio,
            start_ms,
            at_pause,
        },
        ListenerEvent::PauseOver { utterance } => EarEvent::PauseOver { utterance },
        ListenerEvent::Finalise {
            utterance,
            audio,
            start_ms,
            end_ms,
        } => EarEvent::Finalise {
            utterance,
            audio,
            start_ms,
            end_ms,
        },
    }
}

/// Has an utterance recognised.
///
/// # Errors
/// A newer request overtook it, or there was no place or no success.
pub async fn recognise(
    recogniser: &dyn Recogniser,
    request: Recognise<speech::Audio>,
) -> Result<speech::Hypothesis, RecogniseError> {
    let answer = recogniser.submit(Request {
        stream: StreamId(request.track),
        utterance: request.utterance,
        kind: match request.purpose {
            Purpose::Partial => RequestKind::Partial,
            Purpose::Pause => RequestKind::Pause,
            Purpose::Final => RequestKind::Final,
        },
        audio: request.audio,
        start_ms: request.start_ms,
        prompt: request.context,
        settled: request.settled,
    });
    match answer.await {
        Ok(Ok(hypothesis)) => Ok(hypothesis),
        // Neither is a failure: there will be other words.
        Ok(Err(speech::RecogniseError::Overtaken | speech::RecogniseError::NoPartials)) => {
            Err(RecogniseError::Overtaken)
        }
        Ok(Err(speech::RecogniseError::Overloaded)) => Err(RecogniseError::Overloaded),
        Ok(Err(_)) | Err(_) => Err(RecogniseError::Failed),
    }
}
