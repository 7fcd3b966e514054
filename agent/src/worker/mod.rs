//! The worker: one registration with a LiveKit server, many jobs in one process. [`protocol`] is the state
//! machine without I/O, [`io`] what goes in and out of it, [`link`] the websocket and the tasks around it, [`load`] what is said about our load.

pub mod backoff;
pub mod dispatch;
pub mod io;
mod jobs;
pub mod link;
pub mod load;
pub mod messages;
pub mod protocol;
