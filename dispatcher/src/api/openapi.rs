//! The API's description, made from the code. It is served and also committed as `docs/openapi.json`, so that a change
//! of the API shows in review.

use axum::Router;
use axum::http::header;
use axum::routing::get;
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};

use crate::App;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Rapporteur",
        description = "Schedules meetings, brings the agent in, and gives back what was said, asked and used.",
    ),
    security(("api_key" = [])),
    tags(
        (name = "organisations", description = "Tenants"),
        (name = "rooms", description = "Scheduled meetings and their record"),
        (name = "participants", description = "The people of a room and their way in"),
        (name = "documents", description = "The organisation's knowledge base"),
        (name = "pages", description = "For people with a link; no API key"),
        (name = "operation", description = "For operators; no API key"),
    ),
    modifiers(&ApiKey),
)]
struct Head;

struct ApiKey;

impl utoipa::Modify for ApiKey {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        openapi
            .components
            .get_or_insert_default()
            .add_security_scheme("api_key", SecurityScheme::Http(scheme));
    }
}

/// The part that belongs to no route.
pub fn head() -> utoipa::openapi::OpenApi {
    Head::openapi()
}

/// The description as it is served and committed: pretty, with a newline at the end.
pub fn text(openapi: &utoipa::openapi::OpenApi) -> String {
    let mut text = openapi.to_pretty_json().expect("the description is plain data");
    text.push('\n');
    text
}

/// `/openapi.json`.
pub fn routes(openapi: utoipa::openapi::OpenApi) -> Router<App> {
    let text = bytes::Bytes::from(text(&openapi));
    Router::new().route(
        "/openapi.json",
        get(move || std::future::ready(([(header::CONTENT_TYPE, "application/json")], text))),
    )
}
