//! One track on its way: what is open, asked and not yet settled.

use speech::{Agreement, Audio, Detector, Listener, ListenerOptions, Request, VoiceModel, Word};

const PROMPT_CHARS: usize = 200;

pub(crate) struct Utterance {
    pub(crate) number: u64,
    pub(crate) agreement: Agreement,
    pub(crate) recognised: Option<(Audio, Vec<Word>)>,
    pub(crate) shown_ms: u64,
}

pub(crate) struct Final {
    pub(crate) id: u64,
    pub(crate) request: Request,
    pub(crate) end_ms: u64,
    pub(crate) is_cut: bool,
    pub(crate) over_ms: u64,
    pub(crate) adopts: Option<u64>,
    pub(crate) ask_ms: Option<u64>,
    pub(crate) committed: Vec<Word>,
}

pub(crate) struct Ear {
    pub(crate) listener: Listener<Detector>,
    pub(crate) open: Option<Utterance>,
    /// With whether it looks at a pause that is over.
    pub(crate) asked: Vec<(u64, Request, bool)>,
    pub(crate) waiting: Option<(u64, Audio, u64, bool)>,
    pub(crate) finals: Vec<Final>,
    /// What was said last.
    said: String,
}

impl Ear {
    pub(crate) fn new(voice: &VoiceModel) -> Self {
        Self {
            listener: Listener::new(ListenerOptions::default(), voice.detector()),
            open: None,
            asked: Vec::new(),
            waiting: None,
            finals: Vec::new(),
            said: String::new(),
        }
    }

    pub(crate) fn open(&mut self, number: u64) {
        if self.open.as_ref().is_none_or(|open| open.number != number) {
            self.open = Some(Utterance {
                number,
                agreement: Agreement::default(),
                recognised: None,
                shown_ms: 0,
            });
        }
    }

    /// What Whisper is told before it listens.
    pub(crate) fn prompt(&self, vocabulary: &str) -> String {
        format!("{vocabulary} {}", self.said).trim().to_owned()
    }

    pub(crate) fn said(&mut self, text: &str) {
        let said: Vec<char> = format!("{} {text}", self.said).chars().collect();
        self.said = said[said.len().saturating_sub(PROMPT_CHARS)..].iter().collect();
    }
}
