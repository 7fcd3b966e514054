//! The HTTP API: one endpoint a file. Everything under `/v1` needs a [`Caller`]; the layer here asks for one before any
//! handler runs, so a new route cannot forget it.

pub mod documents;
pub mod openapi;
pub mod organisations;
pub mod participants;
pub mod people;
pub mod prices;
pub mod recognisers;
pub mod rooms;
pub mod search;

use axum::extract::DefaultBodyLimit;
use axum::http::{Method, Uri};
use utoipa::IntoResponses;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::caller::Caller;
use crate::http::{Problem, ProblemKind};
use crate::{health, pages, webhooks};

/// Bodies of the API beyond this are refused; uploads have their own limit.
pub const BODY_MAX_BYTES: usize = 64 * 1024;

/// The errors that any route of the API may answer with.
#[derive(IntoResponses)]
#[allow(dead_code)]
pub enum ApiErrors {
    /// A value is missing, malformed or outside its limit: `errors` names the fields.
    #[response(status = 400, content_type = "application/problem+json")]
    Invalid(Problem),
    /// No API key, or a wrong one.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthorised(Problem),
    /// There is no such thing in this organisation.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(Problem),
    /// The body is too large.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(Problem),
    /// The body is of another kind than the route takes.
    #[response(status = 415, content_type = "application/problem+json")]
    UnsupportedMedia(Problem),
    /// The database or LiveKit is away, or too much is under way; `Retry-After` says when to come back.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(Problem),
}

/// Every documented route.
pub fn routes(app: App) -> OpenApiRouter<App> {
    let guarded = OpenApiRouter::new()
        .routes(routes!(organisations::create::create))
        .routes(routes!(organisations::read::read, organisations::change::change))
        .routes(routes!(prices::set::set, prices::list::list))
        .routes(routes!(rooms::create::create, rooms::list::list))
        .routes(routes!(rooms::read::read, rooms::change::change))
        .routes(routes!(rooms::cancel::cancel))
        .routes(routes!(rooms::links::links))
        .routes(routes!(rooms::transcript::transcript))
        .routes(routes!(rooms::export::export))
        .routes(routes!(rooms::corrections::create, rooms::corrections::list))
        .routes(routes!(rooms::voices::list))
        .routes(routes!(rooms::voices::name, rooms::voices::unname))
        .routes(routes!(rooms::voices::name_from_segment))
        .routes(routes!(rooms::answers::answers))
        .routes(routes!(rooms::coverage::coverage))
        .routes(routes!(rooms::usage::usage))
        .routes(routes!(rooms::sessions::sessions))
        .routes(routes!(rooms::events::events))
        .routes(routes!(participants::create::create, participants::list::list))
        .routes(routes!(participants::token::token))
        .routes(routes!(participants::review_link::review_link))
        .routes(routes!(participants::consent::set, participants::consent::get))
        .routes(routes!(people::list::list))
        .routes(routes!(people::forget::forget))
        .routes(routes!(documents::list::list))
        .routes(routes!(documents::read::read, documents::delete::delete))
        .routes(routes!(search::search))
        .layer(DefaultBodyLimit::max(BODY_MAX_BYTES))
        .merge(
            OpenApiRouter::new()
                .routes(routes!(documents::upload::upload))
                .layer(DefaultBodyLimit::max(documents::upload::UPLOAD_MAX_BYTES)),
        )
        .layer(axum::middleware::from_extractor_with_state::<Caller, App>(app));
    let open = OpenApiRouter::new()
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(health::metrics))
        .routes(routes!(pages::landing::page))
        .routes(routes!(pages::captions::page))
        .routes(routes!(pages::captions::events))
        .routes(routes!(pages::corrections::create))
        .routes(routes!(pages::voices::name))
        .routes(routes!(pages::transcript::transcript))
        .routes(routes!(pages::join::page, pages::join::enter))
        .routes(routes!(pages::consent::consent))
        .routes(routes!(pages::whose::whose))
        .layer(DefaultBodyLimit::max(BODY_MAX_BYTES))
        .merge(
            OpenApiRouter::new()
                .routes(routes!(webhooks::livekit))
                .layer(DefaultBodyLimit::max(webhooks::BODY_MAX_BYTES)),
        );
    OpenApiRouter::with_openapi(openapi::head())
        .merge(guarded)
        .merge(open)
}

/// The answer where there is no route.
pub async fn not_found(uri: Uri) -> Problem {
    Problem::new(ProblemKind::NotFound, format!("there is no route {}", uri.path()))
}

/// The answer where the route has no such method.
pub async fn method_not_allowed(method: Method) -> Problem {
    Problem::new(
        ProblemKind::MethodNotAllowed,
        format!("{method} is not supported here"),
    )
}
