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
            AnomaliesParameters, DefinitionsQuery, LatestParameters, StatusQuery, session_of_request,
            store_version_text,
        },
        cache::Lifetime,
        cached_query::answer_to,
        problem::Problem,
        service::Shared,
    },
    query,
};

/// The size of a longer answer, in bytes before compression, from which the page asks for it by itself: the page would wait for it.
const MAX_ANSWER_BYTES: usize = 32 * 1024;

/// The data block, which is no script: the Content-Security-Policy does not concern it.
pub async fn first_answers(service: &Shared, parts: &Parts, reader: &Principal) -> String {
    // The store version is read before the answers. If a commit comes in between, the page has the earlier version, and asks again.
    let store_version = service.cache.store_version();
    let mut members = Vec::new();
    members.extend(
        store_version.and_then(|store_version| member("store_version", &store_version_text(store_version))),
    );
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
        if parts.uri.path() == "/" {
            let recounts = query::recounts(&service.context).await.ok();
            let member = recounts.and_then(|recounts| member("recounts", &recounts));
            members.extend(member.filter(|member| member.len() <= MAX_ANSWER_BYTES));
        }
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
