//! What every route shares: errors as problem+json, extractors that name the wrong field, and the frame around a request
//! (id, time-out, load limit, figures).

pub mod extract;
pub mod frame;
pub mod problem;

pub use extract::{Json, Path, Query};
pub use problem::{FieldError, Problem, ProblemKind};
