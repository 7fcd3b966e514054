//! One of the crowd: enters a room, publishes a microphone, and leaves when told.

use std::cell::RefCell;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use livekit_protocol::signal_response::Message as Response;
use serde::Deserialize;
use tokio::net::UdpSocket;
use tokio::sync::oneshot;
use tokio::time::{MissedTickBehavior, interval, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::offer::{Answer, Offer};
use crate::pacer::Voice;
use crate::signalling::{PING_EVERY, Server, Signalling};
use crate::transport::{Identity, Transport};

/// No datagram of WebRTC is longer.
const DATAGRAM_MAX_BYTES: usize = 2_048;
const JOIN_LIMIT: Duration = Duration::from_secs(30);
const LEAVE_LIMIT: Duration = Duration::from_secs(2);
/// The participant looks at its connection at least this often.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// An address as LiveKit sends it.
#[derive(Deserialize)]
struct Trickled {
    candidate: String,
}

/// Sends sound from when it can until it is told to stop; says through `ready` what is to be sent with.
///
/// # Errors
/// The server does not let it in or throws it out.
pub(crate) async fn take_part(
    server: &Server,
    identity: Arc<Identity>,
    token: &str,
    name: &str,
    ssrc: u32,
    ready: oneshot::Sender<Rc<Voice>>,
    stop: CancellationToken,
) -> Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let local = socket.local_addr()?;
    let mut signalling = timeout(JOIN_LIMIT, Signalling::enter(server, token))
        .await
        .context("LiveKit does not answer")??;
    let transport = Transport::new(identity.clone(), local, Instant::now())?;
    let (ufrag, password) = transport.credentials();
    let voice = Rc::new(Voice::new(socket, RefCell::new(transport)));
    let mut ready = Some(ready);
    let mut pings = interval(PING_EVERY);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut datagram = [0; DATAGRAM_MAX_BYTES];
    // Addresses may come before the answer that they belong to.
    let mut early = Vec::new();
    let mut answered = false;
    loop {
        let timeout = voice.transport.borrow_mut().timeout();
        let wake = timeout.unwrap_or_else(|| Instant::now() + LOOK_EVERY);
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            message = signalling.next() => match message? {
                Response::Join(_) => {
                    let offer = Offer {
                        ufrag: &ufrag,
                        password: &password,
                        fingerprint: &identity.fingerprint,
                        address: local,
                        ssrc,
                        track: name,
                    };
                    signalling.publish(name, offer.text()).await?;
                }
                Response::Answer(answer) => {
                    let answer = Answer::read(&answer.sdp)?;
                    let mut transport = voice.transport.borrow_mut();
                    transport.answered(&answer, Instant::now())?;
                    answered = true;
                    for candidate in early.drain(..) {
                        let candidate: String = candidate;
                        transport.candidate(&candidate)?;
                    }
                }
                Response::Trickle(trickle) => {
                    let Trickled { candidate } = serde_json::from_str(&trickle.candidate_init)?;
                    if answered {
                        voice.transport.borrow_mut().candidate(&candidate)?;
                    } else {
                        early.push(candidate);
                    }
                }
                Response::Leave(leave) => bail!("LiveKit sent us out: {leave:?}"),
                _ => {}
            },
            received = voice.socket.recv_from(&mut datagram) => {
                // An error here is that of an earlier datagram.
                if let Ok((bytes, from)) = received {
                    voice.transport.borrow_mut().received(from, &datagram[..bytes], Instant::now())?;
                }
            }
            _ = pings.tick() => signalling.ping().await?,
            () = sleep_until(wake.into()) => voice.transport.borrow_mut().timed_out(Instant::now())?,
        }
        voice.flush();
        if voice.transport.borrow().is_ready()
            && let Some(ready) = ready.take()
        {
            // Whoever asked may be gone.
            let _ = ready.send(voice.clone());
        }
    }
    // The room is closed anyway.
    let _ = timeout(LEAVE_LIMIT, signalling.leave()).await;
    Ok(())
}
