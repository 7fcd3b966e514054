//! A track's sound, from LiveKit's frames to the session's queue.

use std::time::UNIX_EPOCH;

use futures_util::{FutureExt as _, StreamExt as _};
use livekit::prelude::*;
use livekit::webrtc::audio_stream::native::{NativeAudioStream, NativeAudioStreamOptions};
use livekit::webrtc::stats::RtcStats;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::FromTrack;
use super::silence::{Packets, Silence};
use crate::session::coverage::GapReason;

/// The rate at which we listen.
pub const SAMPLE_RATE_HZ: i32 = 16_000;
/// Sound is handed over in pieces of 20 ms at least,
const PIECE_MIN_SAMPLES: usize = 320;
/// and of 100 ms at most: so much silence comes at once.
const PIECE_MAX_SAMPLES: usize = 1_600;
/// Frames of 10 ms that may wait in a track's own queue.
const TRACK_QUEUE_FRAMES: usize = 100;

/// Listens to a track.
pub(super) fn listen(track: &RemoteAudioTrack) -> NativeAudioStream {
    let queue = NativeAudioStreamOptions {
        queue_size_frames: Some(TRACK_QUEUE_FRAMES),
    };
    NativeAudioStream::with_options(track.rtc_track(), SAMPLE_RATE_HZ, 1, queue)
}

/// How the packets of a track stand.
async fn packets(audio: &RemoteAudioTrack) -> Option<Packets> {
    let stats = audio.get_stats().await.ok()?;
    let inbound = stats.into_iter().find_map(|stats| match stats {
        RtcStats::InboundRtp(inbound) => Some(inbound),
        _ => None,
    })?;
    let now_ms = UNIX_EPOCH.elapsed().ok()?.as_secs_f64() * 1_000.0;
    Some(Packets {
        lost: inbound.received.packets_lost,
        idle_ms: (now_ms - inbound.inbound.last_packet_received_timestamp) as u64,
    })
}

/// Hands a track's sound over until it ends or is stopped, then says so.
pub(super) async fn pump(
    track: u64,
    audio: RemoteAudioTrack,
    mut stream: NativeAudioStream,
    stop: CancellationToken,
    sound: mpsc::Sender<FromTrack>,
) {
    let mut piece = Vec::new();
    let mut silence = Silence::default();
    let mut shed_pieces = 0_u64;
    // What was shed and is not reported yet.
    let mut shed_ms = 0;
    loop {
        let frame = tokio::select! {
            biased;
            frame = stream.next() => frame,
            // What has arrived is heard even when the track is already gone.
            () = stop.cancelled() => stream.next().now_or_never().flatten(),
        };
        let Some(frame) = frame else { break };
        piece.extend_from_slice(&frame.data);
        while piece.len() < PIECE_MAX_SAMPLES
            && let Some(Some(frame)) = stream.next().now_or_never()
        {
            piece.extend_from_slice(&frame.data);
        }
        if piece.len() >= PIECE_MIN_SAMPLES {
            let samples = std::mem::take(&mut piece);
            let piece_ms = samples.len() as u64 * 1_000 / SAMPLE_RATE_HZ as u64;
            let missing = |ago_ms, reason| FromTrack::Missing {
                track,
                ago_ms,
                reason,
            };
            if shed_ms > 0
                && sound
                    .try_send(missing((shed_ms + piece_ms, piece_ms), GapReason::Overload))
                    .is_ok()
            {
                shed_ms = 0;
            }
            if silence.asks(&samples)
                && let Some(ago_ms) = silence.lost(packets(&audio).await)
            {
                let lost_ms = ago_ms.0 - ago_ms.1;
                tracing::info!(track, lost_ms, "the sound of a track was lost on its way");
                // A queue that is full is told of below, and so of more than this.
                let _ = sound.try_send(missing(ago_ms, GapReason::ConnectionLost));
            }
            // A session that is ten seconds behind hears a gap; waiting here would only hide it.
            if sound.try_send(FromTrack::Samples { track, samples }).is_err() {
                shed_pieces += 1;
                shed_ms += piece_ms;
                if shed_pieces.is_power_of_two() {
                    tracing::warn!(track, shed_pieces, "the session does not keep up with its sound");
                }
            }
        }
    }
    if !piece.is_empty() {
        let _ = sound
            .send(FromTrack::Samples {
                track,
                samples: piece,
            })
            .await;
    }
    let _ = sound.send(FromTrack::Ended { track }).await;
}
