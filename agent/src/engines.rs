//! The recognisers of the process, and the chain of them that a room asks for.
//!
//! Whisper and the transcription endpoint are shared by all rooms. Deepgram and the realtime service are told the room's own
//! terms when they are connected, so each room has clients of its own.
//! A room that asks for what the operator has not configured gets the rest of its list, or
//! Whisper when nothing is left: a meeting without words helps nobody, and the room's events say what is missing.

use std::sync::Arc;

use speech::deepgram::{Deepgram, DeepgramError, DeepgramOptions};
use speech::openai::{OpenAi, OpenAiError, OpenAiOptions};
use speech::realtime::{Realtime, RealtimeError, RealtimeOptions};
use speech::{Chain, ChainLimits, ChainNotice, Recogniser, RecogniserLoad};

/// A recognition service is configured in a way that cannot work.
#[derive(Debug, thiserror::Error)]
pub enum EnginesError {
    /// Deepgram.
    #[error("DEEPGRAM_API_KEY, RAPPORTEUR_DEEPGRAM_URL")]
    Deepgram(#[from] DeepgramError),
    /// The transcription endpoint.
    #[error("RAPPORTEUR_TRANSCRIPTION_URL, RAPPORTEUR_TRANSCRIPTION_KEY")]
    OpenAi(#[from] OpenAiError),
    /// The realtime service.
    #[error("RAPPORTEUR_REALTIME_URL, RAPPORTEUR_REALTIME_KEY")]
    Realtime(#[from] RealtimeError),
}

/// What rooms can be given.
#[derive(Debug)]
pub struct Engines {
    whisper: Arc<dyn Recogniser>,
    openai: Option<Arc<dyn Recogniser>>,
    realtime: Option<RealtimeOptions>,
    deepgram: Option<DeepgramOptions>,
}

/// What a room is given.
#[derive(Debug)]
pub struct Chosen {
    /// What it asks.
    pub recogniser: Arc<dyn Recogniser>,
    /// What it asked for and the agent does not have.
    pub missing: Vec<String>,
}

impl Engines {
    /// Whisper, and the services that are configured.
    ///
    /// # Errors
    /// One of them cannot be used as it is configured.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn new(
        whisper: Arc<dyn Recogniser>,
        openai: Option<OpenAiOptions>,
        realtime: Option<RealtimeOptions>,
        deepgram: Option<DeepgramOptions>,
    ) -> Result<Self, EnginesError> {
        if let Some(options) = &deepgram {
            Deepgram::new(options.clone())?;
        }
        if let Some(options) = &realtime {
            Realtime::new(options.clone())?;
        }
        let openai = openai.map(OpenAi::new).transpose()?;
        Ok(Self {
            whisper,
            openai: openai.map(|openai| Arc::new(openai) as Arc<dyn Recogniser>),
            realtime,
            deepgram,
        })
    }

    /// How busy the process is with recognising; what services do costs it nothing.
    pub fn load(&self) -> RecogniserLoad {
        self.whisper.load()
    }

    /// The recognisers that a room asks for, in its order. `told` hears when one of several is rested and when it is back.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn choose(&self, wanted: &[String], told: impl Fn(ChainNotice) + Send + Sync + 'static) -> Chosen {
        let (mut links, mut missing) = (Vec::new(), Vec::new());
        for name in wanted {
            match self.engine(name) {
                Some(link) => links.push(link),
                None => missing.push(name.clone()),
            }
        }
        // One is asked directly: there is nobody to take over.
        let chain = (links.len() > 1).then(|| Chain::new(links.clone(), ChainLimits::default(), told));
        let recogniser = match chain {
            Some(Ok(chain)) => Arc::new(chain),
            _ => links.into_iter().next().unwrap_or_else(|| self.whisper.clone()),
        };
        Chosen { recogniser, missing }
    }

    fn engine(&self, name: &str) -> Option<Arc<dyn Recogniser>> {
        match name {
            "whisper" => Some(self.whisper.clone()),
            "openai" => self.openai.clone(),
            "openai_realtime" => {
                // It was tried at the start.
                let client = Realtime::new(self.realtime.clone()?).ok()?;
                Some(Arc::new(client))
            }
            "deepgram" => {
                // It was tried at the start.
                let client = Deepgram::new(self.deepgram.clone()?).ok()?;
                Some(Arc::new(client))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use speech::{ApiKey, Recognised, Request};
    use tokio::sync::oneshot;

    use super::*;

    #[derive(Debug)]
    struct Played;

    impl Recogniser for Played {
        fn engine(&self) -> &str {
            "whisper:played"
        }

        fn submit(&self, _: Request) -> oneshot::Receiver<Recognised> {
            oneshot::channel().1
        }

        fn load(&self) -> RecogniserLoad {
            RecogniserLoad {
                waiting_finals: 3,
                at_once: 2,
            }
        }
    }

    fn chosen(engines: &Engines, wanted: &[&str]) -> (String, Vec<String>) {
        let wanted: Vec<String> = wanted.iter().map(|&name| name.to_owned()).collect();
        let chosen = engines.choose(&wanted, |_| {});
        (chosen.recogniser.engine().to_owned(), chosen.missing)
    }

    #[tokio::test]
    async fn a_room_gets_what_it_asks_for_in_its_order() {
        let openai = OpenAiOptions::new(ApiKey::new("k"));
        let deepgram = DeepgramOptions::new(ApiKey::new("k"));
        let realtime = RealtimeOptions::new(ApiKey::new("k"));
        let engines = Engines::new(Arc::new(Played), Some(openai), Some(realtime), Some(deepgram)).unwrap();
        let all = "deepgram:nova-3, whisper:played, openai:whisper-1";
        assert_eq!(
            chosen(&engines, &["deepgram", "whisper", "openai"]),
            (all.to_owned(), vec![])
        );
        assert_eq!(chosen(&engines, &["openai"]).0, "openai:whisper-1");
        assert_eq!(
            chosen(&engines, &["openai_realtime"]).0,
            "openai-realtime:gpt-live-transcribe"
        );
        assert_eq!(engines.load().waiting_finals, 3);
    }

    #[tokio::test]
    async fn what_is_not_configured_is_passed_over_and_said() {
        let engines = Engines::new(Arc::new(Played), None, None, None).unwrap();
        let (engine, missing) = chosen(&engines, &["openai", "whisper", "deepgram"]);
        assert_eq!(engine, "whisper:played");
        assert_eq!(missing, ["openai", "deepgram"]);
        let nothing_left = chosen(&engines, &["openai"]);
        assert_eq!(
            nothing_left,
            ("whisper:played".to_owned(), vec!["openai".to_owned()])
        );
    }

    #[tokio::test]
    async fn a_service_that_cannot_work_is_refused_at_the_start() {
        let mut openai = OpenAiOptions::new(ApiKey::new("k"));
        openai.base_url = "ftp://x".to_owned();
        let error = Engines::new(Arc::new(Played), Some(openai), None, None).unwrap_err();
        assert!(error.to_string().contains("RAPPORTEUR_TRANSCRIPTION_URL"));
        let deepgram = DeepgramOptions::new(ApiKey::new("a b"));
        let error = Engines::new(Arc::new(Played), None, None, Some(deepgram)).unwrap_err();
        assert!(error.to_string().contains("DEEPGRAM_API_KEY"));
    }
}
