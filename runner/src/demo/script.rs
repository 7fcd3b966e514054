//! What is said in the demo's meeting, by whom, and what is known about it.

/// Who speaks: an index into [`CAST`].
pub(super) type Who = usize;

/// The first participant.
pub(super) const ALICE: Who = 0;
/// The second participant.
pub(super) const BEN: Who = 1;

/// A participant.
#[derive(Clone, Copy, Debug)]
pub(super) struct Role {
    /// As captions show it.
    pub name: &'static str,
    /// `client` or `professional`.
    pub kind: &'static str,
    /// The flite voice.
    pub voice: &'static str,
}

/// Everybody but the assistant.
pub(super) const CAST: [Role; 2] = [
    Role {
        name: "Alice Moore",
        kind: "client",
        voice: "slt",
    },
    Role {
        name: "Ben Carter",
        kind: "professional",
        voice: "rms",
    },
];

/// The organisation.
pub(super) const ORGANISATION: &str = "Harbour Street Clinic";
/// What the assistant is called.
pub(super) const ASSISTANT: &str = "Robin";

/// What is spoken.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sound {
    /// By a synthesised voice.
    Voice(&'static str),
    /// A recording of a human voice, with its text where that is free to be written down here.
    Recording {
        /// In the folder of recordings.
        file: &'static str,
        /// What is said in it.
        text: Option<&'static str>,
    },
}

/// One turn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    /// Who.
    pub who: Who,
    /// What.
    pub sound: Sound,
}

const fn says(who: Who, text: &'static str) -> Turn {
    Turn {
        who,
        sound: Sound::Voice(text),
    }
}

/// The conversation, one after the other.
pub(super) const DIALOGUE: [Turn; 4] = [
    says(
        ALICE,
        "Good morning, Ben. Thank you for your time. I would like to talk about the plan for the new rooms before Friday.",
    ),
    says(
        BEN,
        "Good morning, Alice. The rooms on the second floor are ready, and the first patients arrive on Monday morning.",
    ),
    says(
        ALICE,
        "That is good news. We want to record the first meetings there, so that nobody has to take notes.",
    ),
    says(
        BEN,
        "Then we should tell the patients what happens to the recordings. Let us ask the assistant.",
    ),
];

/// The question asked aloud.
pub(super) const SPOKEN_QUESTION: Turn = says(ALICE, "Robin, how long do we keep the recordings?");

/// A question and what a right answer has to show.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expectation {
    /// `voice` or `chat`, as the record of answers says.
    pub via: &'static str,
    /// In lower case, part of the question as it was heard.
    pub about: &'static str,
    /// The title of a source; none when the documents do not say.
    pub source: Option<&'static str>,
    /// In lower case, one of these is part of the answer.
    pub facts: &'static [&'static str],
}

/// The questions asked in the chat, after the spoken one.
pub(super) const CHAT_QUESTIONS: [(Who, &str); 2] = [
    (BEN, "@Robin who may read the notes of a meeting?"),
    (ALICE, "@Robin what is the population of Mongolia?"),
];

/// What has to come of the questions.
pub(super) const EXPECTATIONS: [Expectation; 3] = [
    Expectation {
        via: "voice",
        about: "recordings",
        source: Some("Recordings and transcripts"),
        facts: &["thirty days", "30 days"],
    },
    Expectation {
        via: "chat",
        about: "notes of a meeting",
        source: Some("Staff handbook"),
        facts: &["head of the department"],
    },
    Expectation {
        via: "chat",
        about: "mongolia",
        source: None,
        facts: &["do not say"],
    },
];

/// The human recordings; the second begins while the first is playing.
pub(super) const RECORDINGS: [Turn; 2] = [
    Turn {
        who: ALICE,
        sound: Sound::Recording {
            file: "two_cities.wav",
            text: Some(include_str!("../../texts/two_cities.txt")),
        },
    },
    Turn {
        who: BEN,
        sound: Sound::Recording {
            file: "beckett.wav",
            text: None,
        },
    },
];
