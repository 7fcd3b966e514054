//! Pictures are neither sent nor shown by our backend (see its README); sound goes on.

use anyhow::{Result, ensure};
use livekit::options::{TrackPublishOptions, VideoCodec};
use livekit::prelude::*;
use livekit::webrtc::video_source::native::NativeVideoSource;
use livekit::webrtc::video_source::{RtcVideoSource, VideoResolution};
use system_tests::peers::{Ground, Kind};

use crate::LIMIT;
use crate::meeting::Meeting;

pub(crate) async fn pictures_leave_sound_alone(ground: &Ground, kind: Kind) -> Result<()> {
    let mut meeting = Meeting::begin(ground, kind).await?;
    let before = meeting.ours.reception().await?;
    // In the codec that our answers take: the stream is there, and ends at once.
    meeting.theirs.show("vp8").await?;
    meeting
        .ours
        .wait_until_told("0 pictures of theirs", LIMIT)
        .await?;
    meeting.both_hear("while they show pictures").await?;
    meeting.theirs.hide().await?;
    meeting.ours.wait_until_told("hidden theirs", LIMIT).await?;
    // In one that they do not: a browser sends VP8 besides, Python nothing that is for us.
    meeting.theirs.show("av1").await?;
    meeting.both_hear("while they show pictures in AV1").await?;
    meeting.theirs.hide().await?;
    show(&mut meeting).await?;
    meeting.both_hear("after all pictures").await?;
    let lost = meeting.ours.reception().await?.lost - before.lost;
    ensure!(lost == 0, "{lost} packets of sound are lost");
    meeting.end().await
}

/// We do as if we had a camera.
async fn show(meeting: &mut Meeting<'_>) -> Result<()> {
    let resolution = VideoResolution {
        width: 320,
        height: 240,
    };
    let source = NativeVideoSource::new(resolution, false);
    let track = LocalVideoTrack::create_video_track("pictures", RtcVideoSource::Native(source));
    let options = TrackPublishOptions {
        video_codec: VideoCodec::VP8,
        ..TrackPublishOptions::default()
    };
    let participant = meeting.ours.room.local_participant();
    let published = participant
        .publish_track(LocalTrack::Video(track), options)
        .await?;
    meeting.both_hear("while we have a camera").await?;
    participant.unpublish_track(&published.sid()).await?;
    Ok(())
}
