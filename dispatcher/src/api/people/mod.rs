//! People whose voices an organisation keeps beyond a meeting.

pub mod forget;
pub mod list;
