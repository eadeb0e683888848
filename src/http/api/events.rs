//! `GET /api/v1/events`: server-sent events (the HTML standard's `text/event-stream`) that something was recorded or changed,
//! and how far jobs are.

use std::{collections::HashMap, convert::Infallible, time::Duration};

use axum::{
    body::Body,
    extract::State,
    http::{HeaderName, header, request::Parts},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::stream;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use tokio::time::{Interval, MissedTickBehavior, interval};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{error_responses::ErrorResponses, job_answer::JobAnswer};
use crate::{
    access::{Principal, Scope},
    http::{
        event_streams::StreamPlace,
        middleware::{authenticate, scopes::MayRead},
        parameters::Parameters,
        problem::{InvalidParameter, Problem},
        service::Shared,
    },
};

/// How often changes are looked for. A look reads no database.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Looks between two verifications of the credentials: a stream ends within ten seconds after them.
const LOOKS_PER_VERIFICATION: u32 = 10;
/// Looks without an event after which a comment is sent, so that proxies do not take the stream for dead.
const LOOKS_PER_HEARTBEAT: u32 = 15;
/// How long a browser waits before it connects again, in milliseconds.
const RETRY_MS: u32 = 5000;
/// A proxy such as nginx passes events on at once where an answer has this header.
const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct EventsParameters {
    /// The `store_version` of a page of the dashboard: if something changed after that page was made, the stream begins with `changed`
    #[param(value_type = Option<String>, pattern = "^m[0-9]{1,20}$")]
    since: Option<String>,
}

impl EventsParameters {
    fn store_version(&self) -> Result<Option<u64>, Problem> {
        let digits =
            |text: &str| Some(text.strip_prefix('m')?.to_owned()).filter(|rest| !rest.starts_with('+'));
        let parse = |text: &String| digits(text)?.parse().ok();
        self.since.as_ref().map(|text| parse(text).ok_or_else(not_a_store_version)).transpose()
    }
}

/// A version of the store as pages and clients name it.
pub fn store_version_text(store_version: u64) -> String {
    format!("m{store_version}")
}

fn not_a_store_version() -> Problem {
    let detail = "must be the `store_version` of a page of the dashboard, such as m17".to_owned();
    Problem::invalid_parameters(vec![InvalidParameter { parameter: "since".to_owned(), detail }])
}

/// The data of the event `changed`.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChangedEvent {
    /// The last finished day.
    #[schema(value_type = String, format = Date)]
    last_finished: Date,
}

/// Events
///
/// A stream of server-sent events, which stays open. `changed`: something was recorded, defined or annotated, or a day has
/// ended; its data is a `ChangedEvent`. `job`, for those who may read the log: the progress of a job of this server; its data is
/// a `JobAnswer`. A comment is sent every 15 seconds. The stream ends when the credentials do, or the server. At most 128 streams
/// are open at once, and 8 of one user or key; a further request is answered with 503.
#[utoipa::path(
    get, path = "/api/v1/events", tag = "record", params(EventsParameters),
    responses((status = 200, description = "The events", body = ChangedEvent, content_type = "text/event-stream"), ErrorResponses),
)]
pub async fn events(
    State(service): State<Shared>,
    MayRead(principal): MayRead,
    Parameters(parameters): Parameters<EventsParameters>,
    parts: Parts,
) -> Result<Response, Problem> {
    let since = parameters.store_version()?;
    let place = service.event_streams.open(&principal.subject).ok_or_else(|| {
        Problem::unavailable("the limit of open event streams is reached; poll the answers instead")
    })?;
    let events = EventFeed::new(service, parts, principal, place, since);
    let body = Body::from_stream(stream::unfold(events, EventFeed::next));
    let headers =
        [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store"), (BUFFERING, "no")];
    Ok((headers, body).into_response())
}

/// The events of one stream.
struct EventFeed {
    service: Shared,
    /// Of the request, whose credentials are verified again.
    parts: Parts,
    principal: Principal,
    _place: StreamPlace,
    looks: Interval,
    looked: u32,
    looks_without_event: u32,
    is_new: bool,
    last_state: (Option<u64>, Date),
    /// The running jobs, with the progress of the last event about each.
    told: HashMap<Uuid, (usize, usize)>,
}

impl EventFeed {
    fn new(
        service: Shared,
        parts: Parts,
        principal: Principal,
        place: StreamPlace,
        since: Option<u64>,
    ) -> Self {
        let mut looks = interval(LOOK_INTERVAL);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let last_state = (since.or_else(|| service.cache.store_version()), service.context.last_finished());
        Self {
            service,
            parts,
            principal,
            _place: place,
            looks,
            looked: 0,
            looks_without_event: 0,
            is_new: true,
            last_state,
            told: HashMap::new(),
        }
    }

    /// The next text of the stream; `None` at its end.
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        if std::mem::take(&mut self.is_new) {
            return Some((Ok(Bytes::from(format!("retry: {RETRY_MS}\n: connected\n\n"))), self));
        }
        let stop = self.service.event_streams.stop();
        loop {
            tokio::select! {
                () = stop.cancelled() => return None,
                _ = self.looks.tick() => {}
            }
            self.looked += 1;
            if self.looked.is_multiple_of(LOOKS_PER_VERIFICATION) && !self.is_still_allowed().await {
                return None;
            }
            let text = self.look().await;
            if !text.is_empty() {
                self.looks_without_event = 0;
                return Some((Ok(Bytes::from(text)), self));
            }
            self.looks_without_event += 1;
            if self.looks_without_event >= LOOKS_PER_HEARTBEAT {
                self.looks_without_event = 0;
                return Some((Ok(Bytes::from_static(b": still here\n\n")), self));
            }
        }
    }

    /// Whether the credentials of the request still are those of the same principal.
    async fn is_still_allowed(&mut self) -> bool {
        match authenticate::principal(&self.service, &self.parts).await {
            Ok(principal) if principal.subject == self.principal.subject && principal.may(Scope::Read) => {
                self.principal = principal;
                true
            }
            _ => false,
        }
    }

    async fn look(&mut self) -> String {
        let mut text = String::new();
        if self.principal.may(Scope::Log) {
            self.look_at_jobs(&mut text).await;
        }
        let state = (self.service.cache.store_version(), self.service.context.last_finished());
        if state != self.last_state {
            self.last_state = state;
            write_event(&mut text, "changed", &ChangedEvent { last_finished: state.1 });
        }
        text
    }

    async fn look_at_jobs(&mut self, text: &mut String) {
        let running = self.service.jobs.running();
        for job in &running {
            let progress = (job.days_total, job.days_done);
            if self.told.insert(job.job.id, progress) != Some(progress) {
                write_event(text, "job", &JobAnswer::from(job.clone()));
            }
        }
        let is_running = |id: &Uuid| running.iter().any(|job| job.job.id == *id);
        let ended: Vec<_> = self.told.keys().filter(|id| !is_running(id)).copied().collect();
        for id in ended {
            self.told.remove(&id);
            // If the store cannot be reached, the page asks for the job itself.
            if let Ok(Some(job)) = self.service.jobs.get(id).await {
                write_event(text, "job", &JobAnswer::from(job));
            }
        }
    }
}

fn write_event(text: &mut String, name: &str, data: &impl Serialize) {
    // JSON has no line breaks outside of its texts, and those are escaped.
    if let Ok(data) = serde_json::to_string(data) {
        text.push_str(&format!("event: {name}\ndata: {data}\n\n"));
    }
}
