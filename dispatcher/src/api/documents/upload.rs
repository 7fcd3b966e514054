//! `POST /v1/organisations/{organisation}/documents`

use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{FromRequest as _, Multipart, Request, State};
use axum::http::StatusCode;
use knowledge::{Format, FormatError, MAX_FILE_BYTES};
use sha2::{Digest as _, Sha256};
use store::{DocumentFormat, NewDocument};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Document;
use crate::App;
use crate::api::ApiErrors;
use crate::caller::Caller;
use crate::http::extract::characters;
use crate::http::{Json, Path, Problem, ProblemKind};

/// Room for the other fields and the boundaries.
const FORM_BYTES: usize = 64 * 1024;
/// The largest request.
pub const UPLOAD_MAX_BYTES: usize = MAX_FILE_BYTES + FORM_BYTES;
/// Uploads in memory at the same time.
pub const UPLOADS_MAX: usize = 8;
/// A file's name is kept up to this length.
const FILE_NAME_MAX_CHARACTERS: usize = 255;

/// The form.
#[derive(ToSchema)]
#[allow(dead_code)]
pub struct Upload {
    /// A Markdown, text, PDF or DOCX file of at most 20 MiB; the name's extension says which.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
    /// 1 to 300 characters; the file's name without its extension unless given.
    #[schema(min_length = 1, max_length = 300)]
    title: Option<String>,
}

/// Puts a document in the queue to be read. The same content again is the document that is there already.
#[utoipa::path(post, path = "/v1/organisations/{organisation}/documents", tag = "documents",
    params(("organisation" = Uuid, Path)),
    request_body(content = Upload, content_type = "multipart/form-data"),
    responses((status = 202, description = "It waits to be read", body = Document), ApiErrors),
)]
pub async fn upload(
    State(app): State<App>,
    caller: Caller,
    Path(organisation): Path<Uuid>,
    request: Request,
) -> Result<(StatusCode, Json<Document>), Problem> {
    let organisation = caller.within(organisation)?;
    let Ok(_permit) = app.uploads.clone().try_acquire_owned() else {
        return Err(Problem::new(
            ProblemKind::Overloaded,
            format!("{UPLOADS_MAX} uploads are under way"),
        ));
    };
    let form = Multipart::from_request(request, &app).await.map_err(|error| {
        Problem::new(
            ProblemKind::UnsupportedMedia,
            format!("the body must be multipart/form-data: {}", error.body_text()),
        )
    })?;
    let new = read_form(form).await?;
    let document = app.store.enqueue_document(organisation, &new).await?;
    tracing::info!(%organisation, document = %document.id, bytes = new.content.len(), "document queued");
    Ok((StatusCode::ACCEPTED, Json(document.into())))
}

async fn read_form(mut form: Multipart) -> Result<NewDocument, Problem> {
    let (mut file, mut title) = (None, None);
    while let Some(field) = form.next_field().await.map_err(broken)? {
        match field.name() {
            Some("file") => file = Some(read_file(field).await?),
            Some("title") => title = Some(field.text().await.map_err(broken)?),
            other => {
                let field = other.unwrap_or("").to_owned();
                return Err(
                    Problem::new(ProblemKind::Invalid, "the form has a field that is not known")
                        .with_field(&field, "only file and title are known"),
                );
            }
        }
    }
    let (file_name, content) = file.ok_or_else(|| Problem::field("file", "given"))?;
    let format = match Format::sniff(&file_name, &content).map_err(refused)? {
        Format::Markdown => DocumentFormat::Markdown,
        Format::Text => DocumentFormat::Text,
        Format::Pdf => DocumentFormat::Pdf,
        Format::Docx => DocumentFormat::Docx,
    };
    let title = match title {
        Some(title) => title.trim().to_owned(),
        None => title_of(&file_name),
    };
    characters("title", &title, 1..=300)?;
    Ok(NewDocument {
        title,
        file_name,
        format,
        sha256: Sha256::digest(&content).into(),
        content,
    })
}

async fn read_file(field: Field<'_>) -> Result<(String, Vec<u8>), Problem> {
    // Some clients send a path.
    let name = field
        .file_name()
        .unwrap_or_default()
        .rsplit(['/', '\\'])
        .next()
        .unwrap_or_default();
    let name: String = name.chars().filter(|c| !c.is_control()).collect();
    characters("file", &name, 1..=FILE_NAME_MAX_CHARACTERS).map_err(|_| {
        Problem::field(
            "file",
            format!("sent with its name, 1 to {FILE_NAME_MAX_CHARACTERS} characters"),
        )
    })?;
    Ok((name, field.bytes().await.map_err(broken)?.to_vec()))
}

fn title_of(file_name: &str) -> String {
    let stem = file_name.rsplit_once('.').map_or(file_name, |(stem, _)| stem);
    if stem.trim().is_empty() {
        file_name.to_owned()
    } else {
        stem.trim().to_owned()
    }
}

fn broken(error: MultipartError) -> Problem {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        let limit = MAX_FILE_BYTES / (1024 * 1024);
        return Problem::new(ProblemKind::TooLarge, format!("file must be at most {limit} MiB"))
            .with_field("file", format!("must be at most {limit} MiB"));
    }
    Problem::new(
        ProblemKind::Invalid,
        format!("the form could not be read: {}", error.body_text()),
    )
}

fn refused(error: FormatError) -> Problem {
    let kind = match &error {
        FormatError::Empty => ProblemKind::Invalid,
        FormatError::TooLarge { .. } => ProblemKind::TooLarge,
        _ => ProblemKind::UnsupportedMedia,
    };
    Problem::new(kind, error.to_string()).with_field("file", error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_made_of_the_name() {
        assert_eq!(title_of("Opening hours.md"), "Opening hours");
        assert_eq!(title_of("a.b.pdf"), "a.b");
        assert_eq!(title_of(".md"), ".md");
    }

    #[test]
    fn a_file_that_is_not_what_it_says_is_another_media_type() {
        let problem = refused(Format::sniff("a.pdf", b"plain words").unwrap_err());
        assert_eq!((problem.status, problem.errors[0].field.as_str()), (415, "file"));
        assert_eq!(refused(FormatError::Empty).status, 400);
    }
}
