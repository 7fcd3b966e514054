//! The messages of the worker protocol, written by name instead of by nested protobuf struct.

use std::collections::HashMap;

use livekit_protocol as proto;
use proto::worker_message::Message;

use super::dispatch::AGENT_NAME;

/// Wraps a message for the wire.
fn wrap(message: Message) -> proto::WorkerMessage {
    proto::WorkerMessage {
        message: Some(message),
    }
}

/// The first message on every link.
pub fn register(version: &str, instance: &str, ping_interval_s: u32) -> proto::WorkerMessage {
    wrap(Message::Register(proto::RegisterWorkerRequest {
        r#type: proto::JobType::JtRoom as i32,
        agent_name: AGENT_NAME.to_owned(),
        version: version.to_owned(),
        ping_interval: ping_interval_s,
        allowed_permissions: Some(proto::ParticipantPermission {
            can_subscribe: true,
            can_publish: true,
            can_publish_data: true,
            can_update_metadata: true,
            ..Default::default()
        }),
        instance_id: instance.to_owned(),
        ..Default::default()
    }))
}

/// Yes to a job, with the participant that the server should write into the token.
pub fn available(job_id: &str, identity: &str, name: &str) -> proto::WorkerMessage {
    wrap(Message::Availability(proto::AvailabilityResponse {
        job_id: job_id.to_owned(),
        available: true,
        participant_identity: identity.to_owned(),
        participant_name: name.to_owned(),
        participant_attributes: HashMap::new(),
        ..Default::default()
    }))
}

/// No to a job: the server asks the next worker.
pub fn unavailable(job_id: &str) -> proto::WorkerMessage {
    wrap(Message::Availability(proto::AvailabilityResponse {
        job_id: job_id.to_owned(),
        ..Default::default()
    }))
}

/// How a job is doing.
pub fn job_status(job_id: &str, status: proto::JobStatus, error: &str) -> proto::WorkerMessage {
    wrap(Message::UpdateJob(proto::UpdateJobStatus {
        job_id: job_id.to_owned(),
        status: status as i32,
        error: error.to_owned(),
    }))
}

/// How the worker is doing.
pub fn worker_status(
    full: bool,
    draining: bool,
    load: f32,
    jobs: usize,
    sequence: u64,
) -> proto::WorkerMessage {
    let status = if full {
        proto::WorkerStatus::WsFull
    } else {
        proto::WorkerStatus::WsAvailable
    };
    wrap(Message::UpdateWorker(proto::UpdateWorkerStatus {
        status: Some(status as i32),
        load,
        job_count: u32::try_from(jobs).unwrap_or(u32::MAX),
        draining,
        seq: sequence,
    }))
}

/// Asks for a pong.
pub fn ping(timestamp_ms: u64) -> proto::WorkerMessage {
    wrap(Message::Ping(proto::WorkerPing {
        timestamp: i64::try_from(timestamp_ms).unwrap_or(i64::MAX),
    }))
}
