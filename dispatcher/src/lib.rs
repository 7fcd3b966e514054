//! The dispatcher: HTTP API, pages, LiveKit webhooks, the reconciler that brings agents into rooms, and the worker that
//! reads uploaded documents. LiveKit and Postgres are all it talks to; every process of it may be killed at any time.

pub mod api;
pub mod app;
pub mod caller;
pub mod captions;
pub mod config;
pub mod corrections;
pub mod export;
pub mod health;
pub mod http;
pub mod knowledge_base;
pub mod links;
pub mod livekit;
pub mod metrics;
pub mod pages;
pub mod reconciler;
pub mod voices;
pub mod wake;
pub mod webhooks;

pub use app::App;
