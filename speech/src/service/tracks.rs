//! The tracks of a service that has a connection for each: one actor a track, begun by the track's first request and gone
//! when it has nothing left to do; and the answers that are waited for, each given exactly once.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use crate::{RecogniseError, Recognised, RecogniserLoad, Request, RequestKind, StreamId};

/// Tracks of a client at the same time. Services have a limit of their own that depends on the contract, and answer 429.
const TRACKS_MAX: usize = 256;
/// Requests that may lie before a track that is busy sending.
const COMMANDS_MAX: usize = 64;

enum Command {
    Ask(Request, oneshot::Sender<Recognised>),
    Forget,
}

/// What a track is told.
#[derive(Debug)]
pub(crate) enum Told {
    /// Answer under this number.
    Request(u64, Request),
    /// The track is over.
    Forget,
    /// Nobody can ask any more.
    Close,
}

/// The tracks of one client. When it is dropped, what waits is still answered.
pub(crate) struct Tracks {
    list: Mutex<HashMap<StreamId, mpsc::Sender<Command>>>,
    waiting_finals: AtomicUsize,
    begin: Box<dyn Fn(Inbox) + Send + Sync>,
}

impl Tracks {
    /// No track yet; `begin` starts the actor of a new one.
    pub(crate) fn new(begin: impl Fn(Inbox) + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            list: Mutex::default(),
            waiting_finals: AtomicUsize::new(0),
            begin: Box::new(begin),
        })
    }

    /// Asks the request's track, which is begun if there is none.
    pub(crate) fn submit(self: &Arc<Self>, request: Request) -> oneshot::Receiver<Recognised> {
        let (answer, receiver) = oneshot::channel();
        let id = request.stream;
        let one = usize::from(request.kind == RequestKind::Final);
        self.waiting_finals.fetch_add(one, Ordering::Relaxed);
        if let Err(Command::Ask(_, answer)) = self.pass(id, Command::Ask(request, answer)) {
            self.waiting_finals.fetch_sub(one, Ordering::Relaxed);
            let _ = answer.send(Err(RecogniseError::Overloaded));
        }
        receiver
    }

    /// The track is over.
    pub(crate) fn forget(&self, id: StreamId) {
        if let Some(track) = self.list.lock().get(&id) {
            // A track that is too busy for this ends when it is idle.
            let _ = track.try_send(Command::Forget);
        }
    }

    /// How busy they are.
    pub(crate) fn load(&self) -> RecogniserLoad {
        RecogniserLoad {
            waiting_finals: self.waiting_finals.load(Ordering::Relaxed),
            at_once: TRACKS_MAX,
        }
    }

    /// Gives a command to its track. What finds no place comes back.
    fn pass(self: &Arc<Self>, id: StreamId, command: Command) -> Result<(), Command> {
        // A track leaves the list under the same lock, and only when nothing lies before it.
        let mut list = self.list.lock();
        let is_full = list.len() >= TRACKS_MAX;
        let sent = match list.entry(id) {
            Entry::Occupied(track) => track.get().try_send(command),
            Entry::Vacant(_) if is_full => return Err(command),
            Entry::Vacant(place) => {
                let (sender, commands) = mpsc::channel(COMMANDS_MAX);
                (self.begin)(Inbox {
                    id,
                    commands,
                    is_closed: false,
                    tracks: Arc::downgrade(self),
                    waiting: HashMap::new(),
                    next_ticket: 0,
                });
                place.insert(sender).try_send(command)
            }
        };
        sent.map_err(mpsc::error::TrySendError::into_inner)
    }
}

struct Waiting {
    answer: oneshot::Sender<Recognised>,
    is_final: bool,
}

/// A track's end of it: what it is told, and whom it owes answers.
pub(crate) struct Inbox {
    id: StreamId,
    commands: mpsc::Receiver<Command>,
    is_closed: bool,
    tracks: Weak<Tracks>,
    waiting: HashMap<u64, Waiting>,
    next_ticket: u64,
}

impl Inbox {
    /// Whose it is.
    pub(crate) fn id(&self) -> StreamId {
        self.id
    }

    /// What comes next; nothing, for ever, behind [`Told::Close`]. Nothing is lost if it is not waited for to its end.
    pub(crate) async fn next(&mut self) -> Told {
        if self.is_closed {
            return std::future::pending().await;
        }
        match self.commands.recv().await {
            Some(Command::Ask(request, answer)) => {
                self.next_ticket += 1;
                let is_final = request.kind == RequestKind::Final;
                self.waiting
                    .insert(self.next_ticket, Waiting { answer, is_final });
                Told::Request(self.next_ticket, request)
            }
            Some(Command::Forget) => Told::Forget,
            None => {
                self.is_closed = true;
                Told::Close
            }
        }
    }

    /// Answers the request of this number, the first time.
    pub(crate) fn answer(&mut self, ticket: u64, result: Recognised) {
        let Some(waiting) = self.waiting.remove(&ticket) else {
            return;
        };
        if let Some(tracks) = self.tracks.upgrade() {
            let one = usize::from(waiting.is_final);
            tracks.waiting_finals.fetch_sub(one, Ordering::Relaxed);
        }
        // Whoever asked may be gone: their session ended.
        let _ = waiting.answer.send(result);
    }

    /// Takes the track off the list, unless something was asked of it in this moment.
    pub(crate) fn leave(&self) -> bool {
        let Some(tracks) = self.tracks.upgrade() else {
            return self.commands.is_empty();
        };
        let mut list = tracks.list.lock();
        let may_leave = self.commands.is_empty();
        if may_leave {
            list.remove(&self.id);
        }
        may_leave
    }
}

#[cfg(test)]
mod tests;
