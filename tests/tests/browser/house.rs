//! What the browser's tests need of a meeting beside what every whole-system test does.

use anyhow::{Context as _, Result};
use livekit_api::services::room::RoomClient;
use serde_json::json;
use system_tests::browser::{Browser, Setup};
use system_tests::meeting::Meeting;

/// A browser whose microphone, if any, hears a recording of human speech.
pub(crate) async fn browser(meeting: &Meeting, recording: Option<&str>) -> Result<Browser> {
    let microphone = recording.map(|name| meeting.recording(name));
    Browser::start(meeting.folder(), &Setup { microphone }).await
}

/// Whether the media server takes somebody's microphone for muted.
pub(crate) async fn is_muted(meeting: &Meeting, identity: &str) -> Result<bool> {
    let livekit = &meeting.house.livekit;
    let http = livekit.url.replacen("ws", "http", 1);
    let rooms = RoomClient::with_api_key(&http, &livekit.api_key, &livekit.api_secret);
    let room = meeting.api.get(&meeting.path("")).await?;
    let name = room["livekit_room"].as_str().context("no room name")?;
    let participant = rooms.get_participant(name, identity).await?;
    Ok(participant.tracks.iter().all(|track| track.muted))
}

/// The link of a professional to the captions page on which one corrects and names.
pub(crate) async fn review_link(meeting: &Meeting, name: &str) -> Result<String> {
    let person = json!({ "name": name, "kind": "professional" });
    let person = meeting.api.post(&meeting.path("participants"), &person).await?;
    let id = person["id"].as_str().context("no id")?;
    let path = meeting.path(&format!("participants/{id}/review-link"));
    let link = meeting.api.post(&path, &json!({})).await?;
    link["review_url"].as_str().map(str::to_owned).context("no link")
}
