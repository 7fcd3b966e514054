//! The actor's calls out: recogniser, database, documents, room. Each is a future beside the loop and comes back
//! as one [`Done`].

use std::sync::Arc;
use std::time::Duration;

use speech::{Diariser, Recogniser, StreamId};
use store::StoreError;
use uuid::Uuid;

use super::diarisers::KnownVoices;
use super::ear::{self, ListenerEar};
use super::hearing::{Recognise, RecogniseError};
use super::io::{Input, StoreFailure};
use super::lease::LEASE_MS;
use super::outbox::Write;
use super::outgoing::ToRoom;
use super::room::RoomLink;
use super::types::{AgentState, Caption, EndReason, Line, Question};
use super::voices::HearVoices;
use super::{answering, rows};
use crate::host::{Parts, with_causes};
use crate::metrics::Metrics;
use crate::speakers::Heard;

/// A final that the room does not take is offered so often, with this wait between.
const SEND_ATTEMPTS: u32 = 4;
const SEND_RETRY: Duration = Duration::from_millis(500);
/// A database that does not say who may be recognised, or whose voices are known, is asked again after so long.
const READ_RETRY: Duration = Duration::from_millis(500);

/// What a call comes back with.
pub(super) enum Done {
    /// Something for the core.
    Core(Box<Input<ListenerEar>>),
    /// The room took a message, or did not. `given`: it was an answer.
    Sent { given: bool },
    /// The live page took a partial, or did not.
    Shown,
    /// Participants see the assistant's state, or do not.
    StateSet,
    /// A settled caption that reads differently now.
    Corrected(Caption),
    /// What was looked for could not be read; what is known stays.
    NotRead,
    /// The agent is out of the room.
    Left,
    /// Who may be recognised; nothing when the database did not say.
    Consents(Option<store::Consents>),
    /// An utterance's voices; nothing when the networks broke off.
    VoicesHeard { identity: String, heard: Option<Heard> },
    /// What the database knows of the room's voices, and whether they are told apart; nothing when it did not say.
    VoicesKnown(Option<(KnownVoices, store::VoicePolicy)>),
}

impl Done {
    fn core(input: Input<ListenerEar>) -> Self {
        Self::Core(Box::new(input))
    }
}

/// Everything that a call needs to know of its session.
#[derive(Clone)]
pub(super) struct Caller {
    pub(super) parts: Arc<Parts>,
    pub(super) recogniser: Arc<dyn Recogniser>,
    pub(super) brief: Arc<answering::Brief>,
    pub(super) link: RoomLink,
    pub(super) organisation: Uuid,
    pub(super) room: Uuid,
    pub(super) epoch: i64,
}

impl Caller {
    pub(super) async fn recognise(self, request: Recognise<speech::Audio>) -> Done {
        let (ticket, stream) = (request.ticket, StreamId(request.track));
        let result = ear::recognise(&*self.recogniser, request).await;
        match result {
            Err(RecogniseError::Failed | RecogniseError::Overloaded) => {
                Metrics::count(&self.parts.metrics.recognition_failures);
            }
            Err(RecogniseError::Overtaken) => Metrics::count(&self.parts.metrics.looks_overtaken),
            Ok(_) => {}
        }
        let sent = self.recogniser.take_sent(stream);
        Done::core(Input::Recognised { ticket, result, sent })
    }

    pub(super) async fn hear_voices(
        self,
        diariser: Option<Diariser>,
        request: HearVoices<speech::Audio>,
    ) -> Done {
        let HearVoices {
            identity,
            utterance,
            audio,
            runs,
        } = request;
        let engines = &self.parts.engines;
        let finals_wait = || engines.load().waiting_finals > 0;
        let heard = match (&self.parts.speakers, diariser) {
            (Some(speakers), Some(diariser)) => {
                speakers.hear(diariser, utterance, audio, runs, finals_wait).await
            }
            _ => None,
        };
        Done::VoicesHeard { identity, heard }
    }

    /// Reads whom the room's voices may be, and whether they are told apart.
    pub(super) async fn read_voices(self) -> Done {
        let store = &self.parts.store;
        let read = tokio::try_join!(
            known_voices(store, self.organisation, self.room),
            store.room(self.organisation, self.room),
        );
        match read {
            Ok((known, room)) => Done::VoicesKnown(Some((known, room.voices))),
            Err(error) => {
                tracing::warn!(room = %self.room, %error, "the room's voices were not read");
                tokio::time::sleep(READ_RETRY).await;
                Done::VoicesKnown(None)
            }
        }
    }

    /// Reads the names and words that the meeting may need.
    pub(super) async fn learn(self) -> Done {
        match self.parts.store.vocabulary(self.organisation, self.room).await {
            Ok(vocabulary) => Done::core(Input::Learned(rows::known(vocabulary))),
            Err(error) => {
                tracing::warn!(room = %self.room, %error, "the meeting's names and words were not read");
                Done::NotRead
            }
        }
    }

    /// Reads a segment that was corrected, for those who see captions in the room.
    pub(super) async fn read_corrected(self, segment: Uuid) -> Done {
        match self
            .parts
            .store
            .segment(self.organisation, self.room, segment)
            .await
        {
            Ok(segment) => Done::Corrected(rows::caption(segment)),
            Err(error) => {
                tracing::warn!(room = %self.room, %segment, %error, "a correction was not shown in the room");
                Done::NotRead
            }
        }
    }

    pub(super) async fn store(self, ticket: u64, write: Write) -> Done {
        let (store, organisation, room, epoch) =
            (&self.parts.store, self.organisation, self.room, self.epoch);
        let result = match write {
            Write::Segment(segment) => {
                let segment = rows::segment(segment);
                store
                    .append_segment(organisation, room, epoch, &segment)
                    .await
                    .map(Some)
            }
            Write::Answer(answer) => {
                let delay_ms = answer.latency_ms;
                let written = store
                    .record_answer(organisation, room, epoch, &rows::answer(answer))
                    .await;
                if written.is_ok() {
                    self.parts.metrics.answer_delay.observe(delay_ms);
                }
                written.map(|()| None)
            }
            Write::Usage(usage) => store
                .record_usage(organisation, room, epoch, &rows::usage(usage))
                .await
                .map(|()| None),
            Write::Coverage(lines) => {
                let stretches: Vec<_> = lines.stretches.into_iter().map(rows::stretch).collect();
                let microphones: Vec<_> = lines.microphones.into_iter().map(rows::microphone).collect();
                store
                    .record_coverage(organisation, room, epoch, &stretches, &microphones)
                    .await
                    .map(|()| None)
            }
            Write::Voices(rows) => store
                .record_voices(organisation, room, epoch, &rows::voices(rows))
                .await
                .map(|()| None),
            Write::VoiceName(name) => store
                .name_heard_voice(
                    organisation,
                    room,
                    epoch,
                    &name.identity,
                    rows::label(name.label),
                    &name.name,
                )
                .await
                .map(|()| None),
            Write::Pressure(pressure) => store
                .record_pressure(organisation, room, epoch, rows::pressure(pressure))
                .await
                .map(|()| None),
            Write::Event(event) => store
                .record_event(organisation, room, Some(epoch), event.kind, event.data)
                .await
                .map(|()| None),
        };
        let result = result.map_err(|error| self.store_failure(&error));
        Done::core(Input::Stored { ticket, result })
    }

    fn store_failure(&self, error: &StoreError) -> StoreFailure {
        let failure = rows::failure(error);
        match failure {
            StoreFailure::Away => Metrics::count(&self.parts.metrics.store_retries),
            StoreFailure::Refused => {
                let error = with_causes(error);
                tracing::error!(room = %self.room, epoch = self.epoch, error, "the database refused a write");
                Metrics::count(&self.parts.metrics.store_refusals);
            }
            StoreFailure::Fenced => {}
        }
        failure
    }

    pub(super) async fn renew(self) -> Done {
        let length = Duration::from_millis(LEASE_MS);
        let renewed = self.parts.store.renew_lease(self.room, self.epoch, length).await;
        let result = renewed.map_err(|error| {
            Metrics::count(&self.parts.metrics.renewal_failures);
            tracing::warn!(room = %self.room, epoch = self.epoch, %error, "the lease was not renewed");
            rows::failure(&error)
        });
        Done::core(Input::Renewed(result))
    }

    pub(super) async fn release(self, reason: EndReason) -> Done {
        let (room, epoch) = (self.room, self.epoch);
        if let Err(error) = self
            .parts
            .store
            .release(self.organisation, room, epoch, reason.as_str())
            .await
        {
            tracing::warn!(%room, epoch, %error, "the lease was not given back; it will run out");
        }
        Done::core(Input::Released)
    }

    pub(super) async fn read_consents(self) -> Done {
        match self.parts.store.consents(self.organisation, self.room).await {
            Ok(consents) => Done::Consents(Some(consents)),
            Err(error) => {
                tracing::warn!(room = %self.room, %error, "who may be recognised is not known");
                tokio::time::sleep(READ_RETRY).await;
                Done::Consents(None)
            }
        }
    }

    /// The room is another agent's now.
    pub(super) async fn leave(self) -> Done {
        self.link.leave().await;
        Done::Left
    }

    pub(super) async fn look_up(self, question: Question, lines: Vec<Line>) -> Done {
        let answer = answering::look_up(&self.parts, self.organisation, &self.brief, &question, &lines).await;
        if let Err(error) = &answer {
            tracing::warn!(question = %question.id, error = with_causes(error), "a question was not answered");
        }
        Done::core(Input::LookedUp {
            id: question.id,
            answer: answer.ok(),
        })
    }

    pub(super) async fn show_partial(self, caption: Caption) -> Done {
        if let Err(error) = self
            .parts
            .store
            .publish_partial(self.room, &rows::partial(&caption))
            .await
        {
            tracing::debug!(room = %self.room, %error, "a partial did not reach the live page");
        }
        Done::Shown
    }

    pub(super) async fn show_state(self, state: AgentState) -> Done {
        // The token may have been made before the assistant's name was known.
        let shown = match self.link.take_name(self.brief.assistant_name()).await {
            Ok(()) => self.link.show(state).await,
            Err(error) => Err(error),
        };
        if let Err(error) = shown {
            tracing::debug!(room = %self.room, %error, "the assistant's state is not shown");
        }
        Done::StateSet
    }

    /// Sends one message; a final or an answer is offered a few times.
    pub(super) async fn send(self, message: ToRoom) -> Done {
        let given = matches!(message, ToRoom::Answer { .. });
        let is_partial = matches!(&message, ToRoom::Caption(caption) if !caption.is_final());
        let attempts = if is_partial { 1 } else { SEND_ATTEMPTS };
        for attempt in 1..=attempts {
            let sent = match &message {
                ToRoom::Caption(caption) => self.link.publish(caption).await,
                ToRoom::Answer { text, .. } | ToRoom::Notice { text } => self.link.say(text).await,
            };
            let Err(error) = sent else { break };
            Metrics::count(&self.parts.metrics.room_send_failures);
            tracing::debug!(room = %self.room, %error, attempt, "the room did not take a message");
            if attempt < attempts {
                tokio::time::sleep(SEND_RETRY).await;
            }
        }
        Done::Sent { given }
    }
}

/// What the database knows of a room's voices.
pub(super) async fn known_voices(
    store: &store::Store,
    organisation: Uuid,
    room: Uuid,
) -> Result<KnownVoices, StoreError> {
    let (voices, labels_given, people) = tokio::try_join!(
        store.voices(organisation, room),
        store.voice_labels_given(organisation, room),
        store.people(organisation),
    )?;
    Ok(KnownVoices {
        voices,
        labels_given,
        people,
    })
}
