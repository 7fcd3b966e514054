use super::*;
use livekit_protocol::worker_message::Message as Sent;
use proptest::prelude::*;
use uuid::Uuid;

fn no_name(_: &Dispatch) -> Option<String> {
    None
}

fn dispatch(epoch: i64) -> Dispatch {
    Dispatch {
        room_id: Uuid::from_u128(7),
        organisation_id: Uuid::from_u128(8),
        epoch,
    }
}

fn job(id: &str) -> proto::Job {
    proto::Job {
        id: id.to_owned(),
        room: Some(proto::Room {
            name: "rapporteur-x".to_owned(),
            ..Default::default()
        }),
        metadata: serde_json::to_string(&dispatch(1)).unwrap(),
        ..Default::default()
    }
}

fn from_server(message: Message) -> Input {
    Input::Received(Box::new(proto::ServerMessage {
        message: Some(message),
    }))
}

fn offer(id: &str) -> Input {
    from_server(Message::Availability(proto::AvailabilityRequest {
        job: Some(job(id)),
        resuming: false,
    }))
}

fn assign(id: &str) -> Input {
    from_server(Message::Assignment(proto::JobAssignment {
        job: Some(job(id)),
        url: Some(String::new()),
        token: "token".to_owned(),
    }))
}

fn terminate(id: &str) -> Input {
    from_server(Message::Termination(proto::JobTermination {
        job_id: id.to_owned(),
    }))
}

fn registered(slots: usize) -> Worker {
    let mut worker = Worker::new("1", "instance", slots, 1);
    assert_eq!(worker.handle(Input::Tick, 0, &no_name), vec![Output::Connect]);
    worker.handle(Input::LinkUp, 5, &no_name);
    let response = proto::RegisterWorkerResponse {
        worker_id: "AW_1".to_owned(),
        ..Default::default()
    };
    worker.handle(from_server(Message::Register(response)), 10, &no_name);
    assert_eq!(worker.worker_id(), Some("AW_1"));
    worker
}

fn sent(outputs: &[Output]) -> Vec<Sent> {
    outputs
        .iter()
        .filter_map(|output| match output {
            Output::Send(message) => message.message.clone(),
            _ => None,
        })
        .collect()
}

fn availability(outputs: &[Output]) -> proto::AvailabilityResponse {
    let mut answers = sent(outputs).into_iter().filter_map(|message| match message {
        Sent::Availability(answer) => Some(answer),
        _ => None,
    });
    let answer = answers.next().expect("an offer is answered at once");
    assert!(answers.next().is_none());
    answer
}

#[test]
fn the_first_message_registers_for_room_jobs_by_name() {
    let mut worker = Worker::new("1", "instance", 1, 1);
    worker.handle(Input::Tick, 0, &no_name);
    let messages = sent(&worker.handle(Input::LinkUp, 5, &no_name));
    let [Sent::Register(request)] = messages.as_slice() else {
        panic!("{messages:?}")
    };
    assert_eq!(
        (request.r#type, request.agent_name.as_str()),
        (proto::JobType::JtRoom as i32, "rapporteur")
    );
}

#[test]
fn a_job_is_taken_run_and_reported() {
    let mut worker = registered(2);
    let name = |_: &Dispatch| Some("Ada".to_owned());
    let answer = availability(&worker.handle(offer("J1"), 20, &name));
    assert!(answer.available);
    assert_eq!(answer.participant_name, "Ada");
    assert_eq!(answer.participant_identity, dispatch(1).identity());

    let outputs = worker.handle(assign("J1"), 21, &no_name);
    let Some(Output::Start(assignment)) = outputs.iter().find(|o| matches!(o, Output::Start(_))) else {
        panic!("{outputs:?}")
    };
    assert_eq!(
        (assignment.dispatch, assignment.url.as_deref()),
        (dispatch(1), None)
    );
    assert!(sent(&outputs).iter().any(
        |m| matches!(m, Sent::UpdateJob(u) if u.status == proto::JobStatus::JsRunning as i32 && u.job_id == "J1")
    ));

    let ended = Input::JobEnded {
        job_id: "J1".to_owned(),
        outcome: JobOutcome::Success,
    };
    assert!(sent(&worker.handle(ended, 900, &no_name)).iter().any(
        |m| matches!(m, Sent::UpdateJob(u) if u.status == proto::JobStatus::JsSuccess as i32 && u.job_id == "J1")
    ));
    assert_eq!(worker.running(), 0);
}

#[test]
fn a_promise_holds_a_slot_until_it_is_kept_or_too_old() {
    let mut worker = registered(1);
    assert!(availability(&worker.handle(offer("J1"), 20, &no_name)).available);
    assert!(!availability(&worker.handle(offer("J2"), 21, &no_name)).available);
    let later_ms = 20 + RESERVATION_MS;
    worker.handle(Input::Tick, later_ms, &no_name);
    assert!(availability(&worker.handle(offer("J3"), later_ms, &no_name)).available);
}

#[test]
fn foreign_jobs_are_refused_at_once() {
    let mut worker = registered(4);
    let mut foreign = job("J1");
    foreign.metadata = "{}".to_owned();
    let request = proto::AvailabilityRequest {
        job: Some(foreign),
        resuming: false,
    };
    assert!(
        !availability(&worker.handle(from_server(Message::Availability(request)), 20, &no_name)).available
    );
    let mut publisher = job("J2");
    publisher.r#type = proto::JobType::JtPublisher as i32;
    let request = proto::AvailabilityRequest {
        job: Some(publisher),
        resuming: false,
    };
    assert!(
        !availability(&worker.handle(from_server(Message::Availability(request)), 20, &no_name)).available
    );
}

#[test]
fn a_lost_link_leaves_jobs_alone_and_comes_back_with_bounded_waits() {
    let mut worker = registered(2);
    worker.handle(offer("J1"), 20, &no_name);
    worker.handle(assign("J1"), 21, &no_name);
    let mut now_ms = 1_000;
    let mut waits_ms = Vec::new();
    for _ in 0..12 {
        let outputs = worker.handle(Input::LinkDown, now_ms, &no_name);
        assert!(outputs.is_empty(), "{outputs:?}");
        waits_ms.push(worker.next_tick_ms() - now_ms);
        now_ms = worker.next_tick_ms();
        assert_eq!(
            worker.handle(Input::Tick, now_ms, &no_name),
            vec![Output::Connect]
        );
    }
    assert!(
        waits_ms[0] <= 250 && waits_ms.iter().all(|wait_ms| *wait_ms <= 10_000),
        "{waits_ms:?}"
    );
    assert!(waits_ms[11] >= 7_500, "{waits_ms:?}");
    assert_eq!(worker.running(), 1);

    // The job ends while nobody listens: nothing is sent, the slot is free.
    let ended = Input::JobEnded {
        job_id: "J1".to_owned(),
        outcome: JobOutcome::Success,
    };
    assert!(sent(&worker.handle(ended, now_ms, &no_name)).is_empty());
    assert_eq!(worker.running(), 0);
}

#[test]
fn silence_closes_the_link_and_so_does_a_handshake_without_answer() {
    let mut worker = registered(1);
    let mut closed_at_ms = None;
    for now_ms in (100..60_000).step_by(100) {
        if worker
            .handle(Input::Tick, now_ms, &no_name)
            .contains(&Output::Close)
        {
            closed_at_ms = Some(now_ms);
            break;
        }
    }
    assert_eq!(closed_at_ms, Some(SILENCE_LIMIT_MS + 100));

    let mut worker = Worker::new("1", "instance", 1, 1);
    worker.handle(Input::Tick, 0, &no_name);
    worker.handle(Input::LinkUp, 0, &no_name);
    assert!(
        !worker
            .handle(Input::Tick, REGISTER_TIMEOUT_MS - 1, &no_name)
            .contains(&Output::Close)
    );
    assert!(
        worker
            .handle(Input::Tick, REGISTER_TIMEOUT_MS, &no_name)
            .contains(&Output::Close)
    );
}

#[test]
fn termination_stops_a_job_once() {
    let mut worker = registered(1);
    worker.handle(offer("J1"), 20, &no_name);
    worker.handle(assign("J1"), 21, &no_name);
    let stop = Output::Stop {
        job_id: "J1".to_owned(),
        reason: StopReason::Terminated,
    };
    assert!(worker.handle(terminate("J1"), 30, &no_name).contains(&stop));
    assert!(!worker.handle(terminate("J1"), 31, &no_name).contains(&stop));
    assert!(
        !worker
            .handle(terminate("J9"), 32, &no_name)
            .iter()
            .any(|o| matches!(o, Output::Stop { .. }))
    );
}

#[test]
fn a_drain_takes_nothing_new_stops_everything_and_ends_in_bounded_time() {
    let mut worker = registered(4);
    for id in ["J1", "J2", "J3"] {
        worker.handle(offer(id), 20, &no_name);
    }
    worker.handle(assign("J1"), 21, &no_name);
    worker.handle(assign("J2"), 21, &no_name);
    let outputs = worker.handle(Input::Drain, 100, &no_name);
    assert_eq!(
        outputs
            .iter()
            .filter(|o| matches!(
                o,
                Output::Stop {
                    reason: StopReason::Drain,
                    ..
                }
            ))
            .count(),
        2
    );
    assert!(
        sent(&outputs)
            .iter()
            .any(|m| matches!(m, Sent::UpdateWorker(u) if u.draining))
    );
    // The one that was promised is refused when it comes after all.
    let late = worker.handle(assign("J3"), 101, &no_name);
    assert!(!late.iter().any(|o| matches!(o, Output::Start(_))));
    assert!(!availability(&worker.handle(offer("J4"), 102, &no_name)).available);

    let ended = Input::JobEnded {
        job_id: "J1".to_owned(),
        outcome: JobOutcome::Success,
    };
    assert!(
        !worker
            .handle(ended, 200, &no_name)
            .iter()
            .any(|o| matches!(o, Output::Drained { .. }))
    );
    let outputs = worker.handle(Input::Tick, 100 + DRAIN_LIMIT_MS, &no_name);
    assert!(outputs.contains(&Output::Drained { left: 1 }));
}

#[test]
fn load_is_reported_when_it_changes_and_not_more_often_than_once_a_second() {
    let mut worker = registered(4);
    let mut reports = Vec::new();
    for now_ms in (100..10_000).step_by(100) {
        let load = if now_ms < 5_000 { 0.1 } else { 0.3 };
        for message in sent(&worker.handle(Input::Load(load), now_ms, &no_name)) {
            if let Sent::UpdateWorker(update) = message {
                reports.push((update.load, update.seq));
            }
        }
    }
    assert_eq!(reports.len(), 2, "{reports:?}");
    assert!(reports[1].1 > reports[0].1);
}

#[derive(Clone, Debug)]
enum Step {
    Offer(u8),
    Assign(u8),
    Terminate(u8),
    End(u8),
    LinkDown,
    LinkUp,
    Wait(u16),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_u8..6).prop_map(Step::Offer),
        4 => (0_u8..6).prop_map(Step::Assign),
        1 => (0_u8..6).prop_map(Step::Terminate),
        2 => (0_u8..6).prop_map(Step::End),
        1 => Just(Step::LinkDown),
        1 => Just(Step::LinkUp),
        2 => (0_u16..20_000).prop_map(Step::Wait),
    ]
}

proptest! {
    #[test]
    fn never_more_jobs_than_slots_and_every_started_job_was_new(
        slots in 0_usize..4,
        steps in prop::collection::vec(step(), 0..80),
    ) {
        let mut worker = registered(slots);
        let mut now_ms = 10;
        let mut running = std::collections::BTreeSet::new();
        for step in steps {
            let input = match step {
                Step::Offer(id) => offer(&format!("J{id}")),
                Step::Assign(id) => assign(&format!("J{id}")),
                Step::Terminate(id) => terminate(&format!("J{id}")),
                Step::End(id) => {
                    let job_id = format!("J{id}");
                    running.remove(&job_id);
                    Input::JobEnded { job_id, outcome: JobOutcome::Success }
                }
                Step::LinkDown => Input::LinkDown,
                Step::LinkUp => Input::LinkUp,
                Step::Wait(ms) => {
                    now_ms += u64::from(ms);
                    Input::Tick
                }
            };
            let offered = matches!(&input, Input::Received(m) if matches!(m.message, Some(Message::Availability(_))));
            let outputs = worker.handle(input, now_ms, &no_name);
            if offered {
                availability(&outputs);
            }
            for output in outputs {
                if let Output::Start(assignment) = output {
                    prop_assert!(running.insert(assignment.job_id));
                }
            }
            prop_assert!(running.len() <= slots);
            prop_assert_eq!(running.len(), worker.running());
        }
    }
}
