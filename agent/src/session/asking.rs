//! The part of the session that is asked: who meant the assistant, what becomes of the question and its answer.

use std::collections::BTreeMap;

use serde_json::json;
use uuid::Uuid;

use super::address::{Address, Name, QUESTION_MAX_CHARS};
use super::core::Session;
use super::io::Output;
use super::outbox::Write;
use super::reply;
use super::track::Ear;
use super::types::{Answer, AnswerRow, Question, Segment, Via};
use super::usage::Kind;

/// After the name alone, the question may follow in the speaker's next utterance for so long.
const SUMMONS_MS: u64 = 8_000;
/// Between two notices that there are too many questions.
const NOTICE_INTERVAL_MS: u64 = 5_000;

/// Who called the assistant by name and has not asked yet; also when the last notice went out.
#[derive(Debug, Default)]
pub(super) struct Summons {
    until_ms: BTreeMap<String, u64>,
    notice_not_before_ms: u64,
}

impl<E: Ear> Session<E> {
    /// Stored words: are they for the assistant?
    pub(super) fn heard_words(&mut self, segment: &Segment, now_ms: u64) {
        self.summons
            .until_ms
            .retain(|_, until_ms| *until_ms > segment.start_ms);
        let called = self.summons.until_ms.remove(&segment.identity).is_some();
        match self.name.spoken_to(&segment.text) {
            Address::Asked(text) => {
                self.ask(&segment.identity, Via::Voice, text, segment.end_ms, None, now_ms)
            }
            Address::Called => {
                self.summons
                    .until_ms
                    .insert(segment.identity.clone(), segment.end_ms + SUMMONS_MS);
            }
            Address::None if called => {
                if let Some(text) = Name::follow_up(&segment.text) {
                    self.ask(&segment.identity, Via::Voice, text, segment.end_ms, None, now_ms);
                }
            }
            Address::None => {}
        }
    }

    pub(super) fn chat(&mut self, identity: String, text: &str, now_ms: u64) {
        if let Some(question) = self.name.written_to(text) {
            self.ask(&identity, Via::Chat, question, now_ms, None, now_ms);
        }
    }

    pub(super) fn private(&mut self, identity: String, text: &str, reply: u64, now_ms: u64) {
        let question: String = text.trim().chars().take(QUESTION_MAX_CHARS).collect();
        if question.is_empty() {
            self.out.push(Output::Reply {
                reply,
                answer: Err("The question is empty."),
            });
        } else {
            self.ask(&identity, Via::Private, question, now_ms, Some(reply), now_ms);
        }
    }

    fn ask(
        &mut self,
        asked_by: &str,
        via: Via,
        text: String,
        asked_ms: u64,
        reply: Option<u64>,
        now_ms: u64,
    ) {
        if !self.is_running() {
            if let Some(reply) = reply {
                self.out.push(Output::Reply {
                    reply,
                    answer: Err(reply::ENDING),
                });
            }
            return;
        }
        let id = self.ids.fresh();
        let question = Question {
            id,
            asked_by: asked_by.to_owned(),
            via,
            text: text.replace('\0', ""),
            asked_ms,
        };
        if self.questions.ask(question).is_err() {
            self.refuse(reply, reply::TOO_MANY, now_ms);
            return;
        }
        if let Some(reply) = reply {
            self.replies.insert(id, reply);
        }
        let via = match via {
            Via::Chat => "chat",
            Via::Voice => "voice",
            Via::Private => "private",
        };
        self.event(
            "question_asked",
            json!({ "id": id, "identity": asked_by, "via": via }),
        );
    }

    fn refuse(&mut self, reply: Option<u64>, notice: &'static str, now_ms: u64) {
        match reply {
            Some(reply) => self.out.push(Output::Reply {
                reply,
                answer: Err(notice),
            }),
            None if now_ms >= self.summons.notice_not_before_ms => {
                self.summons.notice_not_before_ms = now_ms + NOTICE_INTERVAL_MS;
                self.out.push(Output::Notice(notice));
            }
            None => {}
        }
    }

    pub(super) fn looked_up(&mut self, id: Uuid, answer: Option<Answer>, now_ms: u64) {
        let Some(question) = self.questions.looked_up(id) else {
            return;
        };
        match answer {
            Some(answer) => self.answer(question, answer, now_ms),
            None => self.give_up(&question, now_ms),
        }
    }

    fn answer(&mut self, question: Question, answer: Answer, now_ms: u64) {
        match self.replies.remove(&question.id) {
            Some(reply) => self.out.push(Output::Reply {
                reply,
                answer: Ok((question.id, answer.clone())),
            }),
            None => {
                self.questions.giving();
                self.out.push(Output::Give {
                    id: question.id,
                    answer: answer.clone(),
                });
            }
        }
        self.usage.add(Kind::Answer, &answer.engine, 1.0);
        self.usage.add(
            Kind::AnswerTokensPrompt,
            &answer.engine,
            answer.prompt_tokens as f64,
        );
        self.usage.add(
            Kind::AnswerTokensCompletion,
            &answer.engine,
            answer.completion_tokens as f64,
        );
        let latency_ms = now_ms.saturating_sub(question.asked_ms);
        self.outbox.push(Write::Answer(AnswerRow {
            question,
            answer,
            latency_ms,
        }));
    }

    fn give_up(&mut self, question: &Question, now_ms: u64) {
        self.event("question_failed", json!({ "id": question.id }));
        let reply = self.replies.remove(&question.id);
        self.refuse(reply, reply::FAILED, now_ms);
    }

    /// The meeting ends: what has not begun will not.
    pub(super) fn abandon_questions_not_begun(&mut self) {
        for question in self.questions.abandon_waiting() {
            if let Some(reply) = self.replies.remove(&question.id) {
                self.out.push(Output::Reply {
                    reply,
                    answer: Err(reply::ENDING),
                });
            }
        }
    }

    /// The meeting is over: nobody waits for these any more.
    pub(super) fn abandon_questions(&mut self) {
        self.abandon_questions_not_begun();
        for question in self.questions.expired(u64::MAX) {
            if let Some(reply) = self.replies.remove(&question.id) {
                self.out.push(Output::Reply {
                    reply,
                    answer: Err(reply::ENDING),
                });
            }
        }
        while !self.questions.is_idle() {
            self.questions.given();
        }
    }

    pub(super) fn go_on_asking(&mut self, now_ms: u64) {
        for question in self.questions.expired(now_ms) {
            self.give_up(&question, now_ms);
        }
        while let Some(question) = self.questions.next(now_ms) {
            let lines = self.lines.iter().cloned().collect();
            self.out.push(Output::LookUp { question, lines });
        }
    }
}
