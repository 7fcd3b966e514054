//! What the servers have in common: they behave as they were told, note what the protocol does not allow, and say what
//! happens. Nothing is waited for longer than twenty seconds.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::handshake::server::ErrorResponse;
use tokio_tungstenite::tungstenite::http::StatusCode;

const PATIENCE: Duration = Duration::from_secs(20);

/// A server's script and its record.
pub(crate) struct Booth<Behaviour, Event> {
    behaviours: Mutex<VecDeque<Behaviour>>,
    violations: Mutex<Vec<String>>,
    events: mpsc::UnboundedSender<Event>,
}

impl<Behaviour: Copy, Event> Booth<Behaviour, Event> {
    pub(crate) fn new(behaviours: &[Behaviour]) -> (Self, Events<Event>) {
        let (sender, events) = mpsc::unbounded_channel();
        let booth = Self {
            behaviours: Mutex::new(behaviours.iter().copied().collect()),
            violations: Mutex::default(),
            events: sender,
        };
        (booth, Events(events))
    }

    /// How the next connection or request goes; without instructions, well.
    pub(crate) fn behaviour(&self, well: Behaviour) -> Behaviour {
        self.behaviours.lock().unwrap().pop_front().unwrap_or(well)
    }

    /// The client does what the documentation does not allow.
    pub(crate) fn violation(&self, what: impl Into<String>) {
        self.violations.lock().unwrap().push(what.into());
    }

    pub(crate) fn assert_no_violations(&self) {
        let violations = self.violations.lock().unwrap();
        assert!(violations.is_empty(), "{violations:?}");
    }

    pub(crate) fn tell(&self, event: Event) {
        // The test may be over.
        let _ = self.events.send(event);
    }
}

/// What a test may wait for.
pub(crate) struct Events<Event>(mpsc::UnboundedReceiver<Event>);

impl<Event> Events<Event> {
    /// The next event for which `is_it` holds; those before it are passed over.
    pub(crate) async fn wait_for(&mut self, is_it: impl Fn(&Event) -> bool) -> Event {
        let waiting = async {
            loop {
                let event = self.0.recv().await.unwrap();
                if is_it(&event) {
                    return event;
                }
            }
        };
        timeout(PATIENCE, waiting).await.expect("it does not happen")
    }

    /// What happened and was not waited for.
    pub(crate) fn past(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.0.try_recv().ok()).collect()
    }
}

/// A server that runs until it is dropped.
pub(crate) struct Serving {
    /// Host and port.
    pub(crate) address: String,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Serving {
    /// Runs what serves a listener.
    pub(crate) async fn start<Run>(serve: impl FnOnce(TcpListener) -> Run) -> Self
    where
        Run: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        Self {
            address,
            task: tokio::spawn(serve(listener)),
        }
    }

    /// Gives every connection a task of its own.
    pub(crate) async fn connections<Run>(connection: impl Fn(TcpStream) -> Run + Send + 'static) -> Self
    where
        Run: Future<Output = ()> + Send + 'static,
    {
        Self::start(|listener| async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(connection(socket));
            }
        })
        .await
    }
}

/// How a websocket's handshake is refused.
pub(crate) fn refused(status: u16) -> ErrorResponse {
    let mut refused = ErrorResponse::new(Some(r#"{"err_code":"REFUSED"}"#.to_owned()));
    *refused.status_mut() = StatusCode::from_u16(status).unwrap();
    refused
}
