//! The web dashboard: its page, which is the same file for all of its paths, and the script and style sheet that the page
//! loads. They are built by `make dashboard` and are part of the binary.

mod files;
mod first_answers;
mod page;
mod record;

use axum::{Router, routing::get};

pub use self::page::unknown_path;

use super::{compression::compression, service::Shared};

/// The paths that the dashboard shows something at, apart from `/`. `dashboard/src/routes` has a directory for each.
const PAGES: [&str; 9] = [
    "/explore",
    "/definitions",
    "/definitions/{category}",
    "/define",
    "/operations",
    "/operations/alerts",
    "/operations/corrections",
    "/operations/drift",
    "/operations/keys",
];

pub fn routes() -> Router<Shared> {
    let pages = PAGES.into_iter().fold(Router::new(), |router, path| router.route(path, get(page::page)));
    pages
        .route("/", get(page::home))
        .layer(compression())
        .route("/_app/{*file}", get(files::file))
        .route("/favicon.svg", get(files::file))
        .route("/theme.js", get(files::file))
}
