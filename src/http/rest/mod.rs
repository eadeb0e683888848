//! `/rest/v1`: the part of PostgREST's language that @supabase/supabase-js uses for Daymark's tables and functions, so
//! that a client written for them needs another URL and key and nothing else. Requests become a
//! [`TableQuery`](crate::store::TableQuery) or a job; errors have PostgREST's shape and codes.

mod caller;
mod describe;
mod error;
mod filter;
mod function;
mod negotiate;
mod operator;
mod order;
mod range;
mod rpc;
mod scanner;
mod select;
mod table;
mod table_parameters;
mod translate;
mod value;

use axum::{
    Router,
    http::{HeaderValue, StatusCode, header},
    middleware::map_response,
    response::Response,
    routing::get,
};

pub use describe::describe;
pub use error::RestError;
pub use range::MAX_ROWS;
pub use translate::translate;

use super::{compression::compression, service::Shared};

/// To be nested under `/rest/v1`. The caller's [`Principal`](crate::access::Principal) is in the extensions of requests;
/// a request without one is refused.
pub fn router() -> Router<Shared> {
    Router::new()
        .route("/rpc/{function}", get(rpc::read_only).post(rpc::call).fallback(rpc::method_not_allowed))
        .route(
            "/{table}",
            get(table::read).post(table::write).put(table::write).patch(table::write).delete(table::write),
        )
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(async || error::no_such_path())
        .layer(map_response(set_range_aside))
        .layer(compression())
        .layer(map_response(restore_range))
}

/// Holds `Content-Range` while the compression layer runs: the layer does not compress parts, and takes every answer with this header
/// for a part.
#[derive(Clone)]
struct ContentRange(HeaderValue);

async fn set_range_aside(mut response: Response) -> Response {
    if response.status() == StatusCode::OK
        && let Some(range) = response.headers_mut().remove(header::CONTENT_RANGE)
    {
        response.extensions_mut().insert(ContentRange(range));
    }
    response
}

async fn restore_range(mut response: Response) -> Response {
    if let Some(ContentRange(range)) = response.extensions_mut().remove() {
        response.headers_mut().insert(header::CONTENT_RANGE, range);
    }
    response
}

async fn method_not_allowed(method: axum::http::Method) -> RestError {
    let message = format!("Unsupported HTTP method: {}", error::cut(method.as_str()));
    RestError::new(StatusCode::METHOD_NOT_ALLOWED, "PGRST117", message)
}
