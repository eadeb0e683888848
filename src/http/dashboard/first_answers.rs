//! The answers that every page of the dashboard asks for first, as a data block in the page, so that its script shows them without
//! another round trip.

use std::sync::Arc;

use axum::http::request::Parts;
use serde::Serialize;

use crate::{
    access::{Principal, Scope},
    http::{
        answer::Answer,
        api::{
            AnomaliesParameters, DefinitionsQuery, LatestParameters, StatusQuery, marker_text,
            session_of_request,
        },
        cache::Lifetime,
        cached_query::answer_to,
        problem::Problem,
        service::Shared,
    },
};

/// The size of a longer answer, in bytes before compression, from which the page asks for it by itself: the page would wait for it.
const MAX_ANSWER_BYTES: usize = 32 * 1024;

/// The data block, which is no script: the Content-Security-Policy does not concern it.
pub async fn first_answers(service: &Shared, parts: &Parts, reader: &Principal) -> String {
    // The marker is read before the answers: those that a commit overtakes are older than the page takes them for, and it asks again.
    let marker = service.cache.marker();
    let mut members = Vec::new();
    members.extend(marker.and_then(|marker| member("marker", &marker_text(marker))));
    members.extend(
        session_of_request(service, reader, &parts.headers)
            .await
            .ok()
            .and_then(|session| member("session", &session)),
    );
    let lifetime = Lifetime::FiveMinutes;
    members.extend(kept("latest", answer_to::<LatestParameters>(service, "/api/v1/latest", lifetime).await));
    members.extend(kept(
        "definitions",
        answer_to::<DefinitionsQuery>(service, "/api/v1/definitions", lifetime).await,
    ));
    members.extend(kept(
        "anomalies",
        answer_to::<AnomaliesParameters>(service, "/api/v1/anomalies", lifetime).await,
    ));
    if reader.may(Scope::Log) {
        members.extend(kept("status", answer_to::<StatusQuery>(service, "/api/v1/status", lifetime).await));
    }
    // No text of the data can end the element. In JSON, `<` occurs in texts only.
    let data = format!("{{{}}}", members.join(",")).replace('<', "\\u003c");
    format!("<script type=\"application/json\" id=\"first-answers\">{data}</script>")
}

fn member(name: &str, value: &impl Serialize) -> Option<String> {
    serde_json::to_string(value).ok().map(|value| format!("\"{name}\":{value}"))
}

/// An answer that is not too long. One that failed is asked for by the page, which shows why.
fn kept(name: &str, answer: Result<Arc<Answer>, Problem>) -> Option<String> {
    let answer = answer.ok().filter(|answer| answer.body().len() <= MAX_ANSWER_BYTES)?;
    Some(format!("\"{name}\":{}", String::from_utf8_lossy(answer.body())))
}
