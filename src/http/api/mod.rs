//! `/api/v1`: an endpoint a file, each with its path, its parameters, its answers and its documentation.

mod activity;
mod alert_deliveries;
mod alerts;
mod annotations;
mod anomalies;
mod body;
mod comma_list;
mod correct;
mod corrections;
mod define;
mod definition;
mod definition_sql;
mod definitions;
mod drift;
pub(super) mod enum_schemas;
mod error_responses;
mod events;
mod export;
mod health;
mod job_answer;
mod jobs;
mod keys;
mod latest;
mod members;
mod metric_schema;
mod metrics;
mod no_query;
mod path_text;
mod previews;
mod recounts;
mod redactions;
mod restatements;
mod runs;
mod schedule;
mod session;
mod sources;
mod status;

use utoipa::{
    Modify, OpenApi,
    openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
};
use utoipa_axum::{router::OpenApiRouter, routes};

pub use anomalies::AnomaliesParameters;
pub use body::{MAX_BODY, too_large as body_too_large};
pub use definitions::DefinitionsQuery;
pub use events::store_version_text;
pub use latest::LatestParameters;
pub use session::session_of_request;
pub use status::StatusQuery;

use super::service::Shared;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Daymark",
        description = "The recorded history of a platform: one value for each metric and finished day, never rewritten."
    ),
    security(("bearer" = []), ("apikey" = [])),
    tags(
        (name = "record", description = "Reading the recorded values"),
        (name = "runs", description = "Reading the collection log; for the roles admin and service"),
        (name = "jobs", description = "Starting runs and pausing the schedule; for the roles admin and service"),
        (name = "alerts", description = "Reading and silencing alerts; for the roles admin and service"),
        (name = "definitions", description = "Changing the definitions and annotating days; for the roles admin and service"),
        (name = "corrections", description = "Correcting recorded values; for the role admin"),
        (name = "keys", description = "API keys; for the role admin"),
    ),
    modifiers(&CredentialSchemes),
)]
struct Document;

struct CredentialSchemes;

impl Modify for CredentialSchemes {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("A JSON Web Token, or an API key (`daymark keys create`)"))
            .build();
        let key = ApiKeyValue::with_description("apikey", "An API key or a token, as supabase-js sends it");
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        components.add_security_scheme("apikey", SecurityScheme::ApiKey(ApiKey::Header(key)));
    }
}

/// The document of all endpoints.
pub fn document() -> utoipa::openapi::OpenApi {
    OpenApiRouter::with_openapi(Document::openapi())
        .merge(cached_routes())
        .merge(uncached_routes())
        .into_openapi()
}

/// Routes whose answers are cached.
pub fn cached_routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(metrics::metrics))
        .routes(routes!(latest::latest))
        .routes(routes!(activity::activity))
        .routes(routes!(definitions::definitions))
        .routes(routes!(anomalies::anomalies))
        .routes(routes!(status::status))
}

/// Routes whose answers are computed for each request.
pub fn uncached_routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(session::session, session::sign_in, session::sign_out))
        .routes(routes!(session::sign_out_everywhere))
        .routes(routes!(keys::list_keys, keys::create_api_key))
        .routes(routes!(keys::revoke_api_key))
        .routes(routes!(annotations::list_annotations, annotations::annotate))
        .routes(routes!(annotations::change_annotation, annotations::delete_annotation))
        .routes(routes!(corrections::list_corrections, correct::correct))
        .routes(routes!(redactions::list_redactions))
        .routes(routes!(events::events))
        .routes(routes!(previews::preview))
        .routes(routes!(sources::sources))
        .routes(routes!(definition::definition, define::define, define::switch_off))
        .routes(routes!(definition_sql::definition_sql))
        .routes(routes!(export::series::series))
        .routes(routes!(export::latest::latest))
        .routes(routes!(export::activity::activity))
        .routes(routes!(export::corrections::corrections))
        .routes(routes!(export::definitions::definitions))
        .routes(routes!(export::redactions::redactions))
        .routes(routes!(export::runs::runs))
        .routes(routes!(runs::runs))
        .routes(routes!(runs::run))
        .routes(routes!(jobs::collect))
        .routes(routes!(jobs::backfill))
        .routes(routes!(jobs::show))
        .routes(routes!(jobs::cancel_job))
        .routes(routes!(restatements::restate))
        .routes(routes!(health::collection_health))
        .routes(routes!(drift::drift))
        .routes(routes!(recounts::recorded_drift))
        .routes(routes!(schedule::schedule))
        .routes(routes!(schedule::pause_schedule))
        .routes(routes!(schedule::resume_schedule))
        .routes(routes!(alert_deliveries::alert_deliveries))
        .routes(routes!(alerts::list_alerts))
        .routes(routes!(alerts::silence_alerts))
        .routes(routes!(alerts::end_silence))
}
