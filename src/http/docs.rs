//! `/openapi.json`, the document that describes the API, and `/docs`, a page to read and to try it. Both are in the
//! binary: nothing is loaded from elsewhere.

use std::sync::{Arc, LazyLock};

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, HeaderValue, Uri, header},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::Config;

use super::{answer::Answer, api, fallback::not_found, problem::Problem, rest, service::Shared};

static DOCUMENT: LazyLock<Result<Answer, Problem>> = LazyLock::new(|| Answer::json(&openapi()));

/// Without the badge of a validator elsewhere, which would learn the address of the document.
static PAGE: LazyLock<Arc<Config<'static>>> =
    LazyLock::new(|| Arc::new(Config::from("/openapi.json").try_it_out_enabled(true).validator_url("none")));

/// The page loads from this server only, and no other page may frame it. Its one inline style is that of its logo, which has this hash.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'sha256-RL3ie0nH+Lzz2YNqQN83mnU0J1ot4QL7b99vMdIX99w='; \
     connect-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
);

/// The OpenAPI 3.1 document of the API, made from its handlers.
pub fn openapi() -> OpenApi {
    let mut document = api::document();
    rest::describe(&mut document);
    document
}

/// The document as it is checked in and served.
///
/// # Errors
/// When it cannot be written as JSON, which is a defect.
pub fn openapi_json() -> serde_json::Result<String> {
    Ok(serde_json::to_string_pretty(&openapi())? + "\n")
}

pub async fn document(headers: HeaderMap) -> Result<Response, Problem> {
    match &*DOCUMENT {
        Ok(answer) => Ok(answer.respond(&headers, "public, no-cache")),
        Err(problem) => Err(problem.clone()),
    }
}

/// The page and its files, below `/docs/`.
pub fn page() -> Router<Shared> {
    Router::new()
        .route("/docs", get(async || Redirect::to("/docs/")))
        .route("/docs/", get(file))
        .route("/docs/{*file}", get(file))
}

async fn file(uri: Uri) -> Result<Response, Problem> {
    let name = uri.path().strip_prefix("/docs/").unwrap_or_default();
    match utoipa_swagger_ui::serve(name, Arc::clone(&PAGE)).map_err(|error| error.to_string()) {
        Ok(Some(file)) => {
            let content_type = [(header::CONTENT_TYPE, file.content_type)];
            let content_encoding = file.gzpipped.then_some([(header::CONTENT_ENCODING, "gzip")]);
            let policy = [(header::CONTENT_SECURITY_POLICY, POLICY)];
            Ok((content_type, content_encoding, policy, Body::from(file.bytes.into_owned())).into_response())
        }
        Ok(None) => Err(not_found(uri).await),
        Err(error) => {
            tracing::error!(error, "the page of the API cannot be created");
            Err(Problem::internal())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_that_is_checked_in_is_up_to_date() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, openapi_json().unwrap()).unwrap();
        }
        assert!(
            std::fs::read_to_string(&path).unwrap_or_default() == openapi_json().unwrap(),
            "docs/openapi.json differs from the handlers; write it anew with `UPDATE_DOCS=1 cargo test --lib http::docs`"
        );
    }
}
