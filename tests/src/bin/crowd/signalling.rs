//! LiveKit's signalling, as far as a participant needs it who only sends.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use livekit_api::access_token::{AccessToken, VideoGrants};
use livekit_protocol as proto;
use prost::Message as _;
use proto::signal_request::Message as Request;
use proto::signal_response::Message as Response;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// The newest version of the protocol that has one connection each way, of which only ours is needed.
const PROTOCOL: u32 = 15;
/// The server gives up on who has been silent for three times as long.
pub(crate) const PING_EVERY: Duration = Duration::from_secs(5);

/// A participant's connection to the server.
pub(crate) struct Signalling(WebSocketStream<MaybeTlsStream<TcpStream>>);

/// Where LiveKit is and who may enter.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) api_key: String,
    pub(crate) api_secret: String,
}

impl Server {
    /// A token for somebody who sends; whoever is first in the room calls the agent of this name into it.
    ///
    /// # Errors
    /// It cannot be signed.
    pub(crate) fn speaker(&self, room: &str, identity: &str, agent: Option<&str>) -> Result<String> {
        let grants = VideoGrants {
            can_publish: Some(true),
            // Then the connection that we send on is the one that counts.
            can_subscribe: Some(false),
            can_publish_data: Some(false),
            ..entry(room)
        };
        let agents = agent.map(|name| proto::RoomAgentDispatch {
            agent_name: name.to_owned(),
            ..Default::default()
        });
        let calling = proto::RoomConfiguration {
            agents: agents.into_iter().collect(),
            ..Default::default()
        };
        Ok(self.token(identity, grants).with_room_config(calling).to_jwt()?)
    }

    /// A token for somebody who hears.
    ///
    /// # Errors
    /// It cannot be signed.
    pub(crate) fn listener(&self, room: &str) -> Result<String> {
        Ok(self.token("listener", entry(room)).to_jwt()?)
    }

    fn token(&self, identity: &str, grants: VideoGrants) -> AccessToken {
        AccessToken::with_api_key(&self.api_key, &self.api_secret)
            .with_identity(identity)
            .with_grants(grants)
    }
}

fn entry(room: &str) -> VideoGrants {
    VideoGrants {
        room_join: true,
        room: room.to_owned(),
        ..VideoGrants::default()
    }
}

impl Signalling {
    /// Enters a room.
    ///
    /// # Errors
    /// The server does not let anybody in.
    pub(crate) async fn enter(server: &Server, token: &str) -> Result<Self> {
        let url = format!(
            "{}/rtc?access_token={token}&protocol={PROTOCOL}&auto_subscribe=0&sdk=rust",
            server.url
        );
        let (socket, _) = connect_async(url).await.context("connecting to LiveKit")?;
        Ok(Self(socket))
    }

    /// The next message.
    ///
    /// # Errors
    /// The connection is over.
    pub(crate) async fn next(&mut self) -> Result<Response> {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Binary(bytes))) => {
                    if let Some(message) = proto::SignalResponse::decode(bytes)?.message {
                        return Ok(message);
                    }
                }
                Some(Ok(Message::Close(_))) | None => bail!("LiveKit closed the connection"),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error).context("reading from LiveKit"),
            }
        }
    }

    /// Announces a microphone and offers it.
    ///
    /// # Errors
    /// The connection is over.
    pub(crate) async fn publish(&mut self, track: &str, offer: String) -> Result<()> {
        self.send(Request::AddTrack(proto::AddTrackRequest {
            cid: track.to_owned(),
            name: "microphone".to_owned(),
            r#type: proto::TrackType::Audio.into(),
            source: proto::TrackSource::Microphone.into(),
            disable_red: true,
            ..Default::default()
        }))
        .await?;
        self.send(Request::Offer(proto::SessionDescription {
            r#type: "offer".to_owned(),
            sdp: offer,
            ..Default::default()
        }))
        .await
    }

    /// Shows that we are there.
    ///
    /// # Errors
    /// The connection is over.
    pub(crate) async fn ping(&mut self) -> Result<()> {
        self.send(Request::PingReq(proto::Ping::default())).await
    }

    /// Leaves the room.
    ///
    /// # Errors
    /// The connection is over.
    pub(crate) async fn leave(&mut self) -> Result<()> {
        self.send(Request::Leave(proto::LeaveRequest::default())).await?;
        self.0.close(None).await.context("leaving")
    }

    async fn send(&mut self, message: Request) -> Result<()> {
        let request = proto::SignalRequest {
            message: Some(message),
        };
        let bytes = Message::Binary(request.encode_to_vec().into());
        self.0.send(bytes).await.context("writing to LiveKit")
    }
}
