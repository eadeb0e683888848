//! A redaction followed through every reader, export and cache of a server that runs meanwhile, and what comes after it.

use std::collections::BTreeMap;

use daymark::{
    collect::{CancellationToken, backfill, collect_day},
    corrections,
    metric::{Definition, MetricType},
    store::{
        AfterAttempt, AlertState, AlertStatus, Behind, DeliveryAttempt, DeliveryOutcome, Finish, JobEnd,
        JobKind, JobStatus, NewJob, NewNotification, NewRun, NotificationKind, Pause, RunKind, RunStatus,
        Store, Trigger,
    },
};
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    on_both_stores,
    site::{Reply, Site},
    world::{Heard, definitions, range},
};

on_both_stores!(
    every_reader_shows_the_placeholder_at_once,
    the_log_of_redactions_is_read_and_exported,
    the_label_does_not_come_back_from_the_platform,
    labels_that_cannot_be_redacted_are_refused,
);

const NAME: &str = "Ada Lovelace";
const REASON: &str = "erasure request 17";
const GENRES: &str = "category=genres&from=2025-01-01&to=2025-01-10";

/// How many posts have which genre, by day: a breakdown with the name among its labels.
fn genres(site: &Site) -> Definition {
    let source =
        json!({"table": "posts", "time_column": "created_at", "time_format": site.world.time_format()});
    let definition = json!({
        "metric_type": MetricType::Aggregate, "category": "genres", "display_name": "genres", "measure": "breakdown",
        "rows": {"source": "posts"}, "column": "genre", "phase": "created", "top": 5, "sources": {"posts": source},
    });
    serde_json::from_value(definition).unwrap()
}

/// Ten recorded days with the name on each, of which one was corrected by hand.
async fn recorded(site: &Site) {
    site.world.execute(&format!("UPDATE posts SET genre = '{NAME}' WHERE author_id = 1")).await;
    let mut all = definitions(site.world.time_format());
    all.push(genres(site));
    site.world.apply(&all).await;
    backfill(&site.world.context, &range(1, 10), &Heard::default(), &CancellationToken::new()).await.unwrap();
    let metadata =
        json!({"breakdown": {NAME: 7}, "other": {"labels": 0, "value": 0}, "total": 7, "unlabelled": 0});
    let correction =
        json!({"metric_category": "genres", "date": "2025-01-09", "value": 1, "metadata": metadata});
    let body = json!({"reason": "counted by hand", "corrections": [correction]});
    let reply = site.post("/api/v1/corrections", &body).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
}

async fn redact(site: &Site) -> String {
    let context = &site.world.context;
    let made = corrections::redact(context, NAME, REASON).await.unwrap().unwrap();
    let metric = &made.places.metrics[0];
    assert_eq!((metric.metric_category.as_str(), metric.records, metric.revisions), ("genres", 10, 1));
    corrections::rewrite(context).await.unwrap();
    made.placeholder
}

/// Sends a GET as the admin, who may read the logs.
async fn get(site: &Site, path: &str, tag: &str) -> Reply {
    let headers = [("authorization", &*format!("Bearer {}", site.admin)), ("if-none-match", tag)];
    site.send("GET", path, &headers, None).await
}

/// Texts that name the person: a failed run, a job, whose id it returns, a pause, an alert, and a notification with the answer of its
/// receiver.
async fn texts(store: &dyn Store, at: Timestamp) -> Uuid {
    let id = Uuid::new_v4();
    let day = jiff::civil::date(2025, 1, 12);
    let (trigger, actor, host) = (Trigger::Cli, "cli:test".to_owned(), "here".to_owned());
    let run = NewRun {
        id,
        kind: RunKind::Collect,
        from: day,
        to: day,
        started_at: at,
        trigger,
        actor: actor.clone(),
        host: host.clone(),
        process_id: 1,
    };
    store.start_run(&run).await.unwrap();
    let message = Some(format!("invalid number: \"{NAME}\""));
    let details =
        json!({"failures": [{"metric_type": "count", "metric_category": "posts_total", "message": message}]});
    let failed = Finish {
        id,
        status: RunStatus::Failed,
        completed_at: at,
        error_message: message.clone(),
        error_details: details.as_object().cloned(),
    };
    store.commit(&[], Some(&failed)).await.unwrap();
    let spec = serde_json::Map::new();
    let job =
        NewJob { id, kind: JobKind::Collect, spec, trigger, actor, created_at: at, host, process_id: 1 };
    store.add_job(&job).await.unwrap();
    store.start_job(id, at).await.unwrap();
    let result = json!({"error": message}).as_object().cloned();
    let end = JobEnd { id, status: JobStatus::Failed, finished_at: at, run_id: None, result };
    store.finish_job(&end).await.unwrap();
    let pause = Pause {
        id,
        paused_at: at,
        paused_by: "cli:test".to_owned(),
        reason: format!("until {NAME} is back"),
        until: None,
        resumed_at: None,
        resumed_by: None,
    };
    store.add_pause(&pause).await.unwrap();
    let state = AlertState {
        rule: "collection_failing".to_owned(),
        status: AlertStatus::Firing,
        since: at,
        started_at: Some(at),
        summary: format!("{NAME} has no posts"),
        fired_as: None,
        told: BTreeMap::from([("operators".to_owned(), at)]),
        is_silenced: false,
        revision: 1,
    };
    let notification = NewNotification {
        id,
        channel: "operators".to_owned(),
        kind: NotificationKind::Firing,
        content: json!({"alerts": [{"summary": format!("{NAME} has no posts")}]})
            .as_object()
            .cloned()
            .unwrap(),
        created_at: at,
    };
    assert!(store.commit_alerts(&[state], std::slice::from_ref(&notification)).await.unwrap());
    let attempt = DeliveryAttempt {
        notification_id: id,
        number: 1,
        attempted_at: at,
        duration_ms: 1,
        is_delivered: false,
        answer: format!("HTTP 500: {NAME} is unknown"),
    };
    let after = AfterAttempt::TryAgain(at + 1.hours());
    store.record_attempt(&DeliveryOutcome { attempt, after, behind: Behind::Channel }).await.unwrap();
    id
}

async fn every_reader_shows_the_placeholder_at_once(site: Site) {
    recorded(&site).await;
    let before_it = "2025-01-11T12:00:00Z";
    site.world.set_clock("2025-01-20T12:00:00Z");
    let annotation = json!({"from": "2025-01-02", "to": "2025-01-02", "text": format!("{NAME} joined")});
    let reply = site.post("/api/v1/annotations", &annotation).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    let job = texts(site.world.context.tenant.store.as_ref(), site.world.context.now()).await;
    let paths: Vec<String> = [
        "/api/v1/metrics?@&metadata=true",
        "/api/v1/metrics?@&metadata=true&interval=week",
        "/api/v1/metrics?@&metadata=true&interval=month",
        "/api/v1/metrics?@&metadata=true&values=recorded",
        "/api/v1/metrics?@&metadata=true&as_of=2025-01-11T12:00:00Z",
        "/api/v1/metrics?@&metadata=true&as_of=2025-01-20T12:00:00Z&interval=month",
        "/api/v1/metrics?@&metadata=true&values=recorded&as_of=2025-01-15",
        "/api/v1/latest?category=genres",
        "/api/v1/activity?days=15&category=genres",
        "/api/v1/corrections",
        "/api/v1/corrections?as_of=2025-01-15",
        "/api/v1/annotations?from=2025-01-01&to=2025-01-10",
        "/api/v1/export?@",
        "/api/v1/export?@&format=json",
        "/api/v1/export?@&format=ndjson",
        "/api/v1/export?@&values=recorded",
        "/api/v1/export?@&as_of=2025-01-15",
        "/api/v1/export/latest?category=genres",
        "/api/v1/export/activity?days=15&category=genres",
        "/api/v1/export/corrections",
        "/api/v1/export/corrections?as_of=2025-01-15",
        "/api/v1/export/corrections?format=json",
        "/api/v1/runs",
        "/api/v1/export/runs",
        "/api/v1/jobs/@job",
        "/api/v1/schedule",
        "/api/v1/alerts",
        "/api/v1/alerts/deliveries",
        "/api/v1/anomalies?days=15",
        "/api/v1/drift/recorded",
        "/api/v1/health/collection",
        "/api/v1/status",
        "/metrics",
        "/rest/v1/metric_collection_log?select=*",
        "/rest/v1/daily_metrics?select=*&metric_category=eq.genres&order=metric_date",
        "/rest/v1/rpc/daily_metrics_as_of?as_of=2025-01-15T00:00:00Z&metric_category=eq.genres",
    ]
    .map(|path| path.replace("@job", &job.to_string()).replace('@', GENRES))
    .into();
    let mut before = Vec::new();
    for path in &paths {
        let reply = get(&site, path, "").await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        before.push((path, reply.header("etag").to_owned(), reply.text().contains(NAME)));
    }
    let shown = before.iter().filter(|(.., is_shown)| *is_shown).count();
    assert!(shown >= 18, "the paths are chosen so that they show the label: {before:?}");

    let placeholder = redact(&site).await;
    // PostgreSQL notifies the server of the commit a moment later; from then on no answer is the earlier one.
    let series = format!("/api/v1/metrics?{GENRES}&metadata=true");
    crate::raw::until("the redaction is noticed", async || !site.get(&series).await.text().contains(NAME))
        .await;
    for (path, tag, was_shown) in before {
        let reply = get(&site, path, &tag).await;
        let text = reply.text();
        assert!(reply.status == 200 || !was_shown, "{path} must not be the earlier answer");
        assert!(!text.contains(NAME), "{path}: {text}");
        assert!(text.contains(&placeholder) || !was_shown, "{path}: {text}");
    }
    let page = site.get("/").await.text();
    assert!(!page.contains(NAME), "{page}");
    let parquet = site.get(&format!("/api/v1/export?{GENRES}&format=parquet")).await;
    let bytes = String::from_utf8_lossy(&parquet.body).into_owned();
    assert!(parquet.status == 200 && !bytes.contains(NAME));

    // What was known before has the placeholder and the numbers of that time.
    let then = site.get(&format!("/api/v1/metrics?{GENRES}&metadata=true&as_of={before_it}")).await.json();
    let point = &then["series"][0]["points"][9];
    assert_eq!(point["metadata"]["breakdown"][&placeholder], json!(5), "{point}");
    assert_eq!(point["revision"], Value::Null);
    let now = site.get(&format!("/api/v1/metrics?{GENRES}&metadata=true")).await.json();
    let points = &now["series"][0]["points"];
    assert_eq!(points[8]["metadata"]["breakdown"], json!({&placeholder: 7}));
    assert_eq!(points[8]["value"], json!(1));
    assert_eq!(points[9]["recorded_value"], points[9]["value"]);
    let listed = site.get("/api/v1/corrections").await.json();
    let bases: Vec<_> =
        listed["corrections"].as_array().unwrap().iter().map(|one| one["basis"].clone()).collect();
    assert_eq!(bases.iter().filter(|basis| **basis == "redaction").count(), 9, "{bases:?}");
    assert_eq!(listed["corrections"][0]["reason"], REASON);
    // The day that was corrected by hand keeps that basis when the label in its correction is redacted.
    for (basis, count) in [("redaction", 9), ("manual", 2), ("reconstruction", 0)] {
        let filtered = site.get(&format!("/api/v1/corrections?basis={basis}")).await.json();
        let bases: Vec<_> =
            filtered["corrections"].as_array().unwrap().iter().map(|one| &one["basis"]).collect();
        assert_eq!(bases, vec![basis; count]);
        let file = site.get(&format!("/api/v1/export/corrections?format=json&basis={basis}")).await.json();
        assert_eq!(file.as_array().unwrap().len(), count, "{file}");
    }
}

async fn the_log_of_redactions_is_read_and_exported(site: Site) {
    recorded(&site).await;
    site.world.set_clock("2025-01-20T12:00:00Z");
    let annotation = json!({"from": "2025-01-02", "to": "2025-01-02", "text": format!("{NAME} joined")});
    assert_eq!(site.post("/api/v1/annotations", &annotation).await.status, 201);
    assert_eq!(site.get_as_admin("/api/v1/redactions").await.json(), json!({"redactions": []}));
    let placeholder = redact(&site).await;

    let [logged] = site.world.context.tenant.store.redactions().await.unwrap().try_into().unwrap();
    let metric = json!({
        "metric_type": "aggregate", "metric_category": "genres", "records": 10, "revisions": 1,
        "from": "2025-01-01", "to": "2025-01-10",
    });
    let entry = json!({
        "placeholder": placeholder, "reason": REASON, "author": logged.author, "created_at": logged.created_at,
        "metrics": [metric], "texts": [{"place": "annotations.text", "texts": 1}],
    });
    assert_eq!(site.get_as_admin("/api/v1/redactions").await.json(), json!({"redactions": [entry]}));
    let file = site.get_as_admin("/api/v1/export/redactions").await.text();
    let made = format!("{placeholder},{},{},{REASON}", logged.created_at, logged.author);
    let rows = [
        "placeholder,created_at,author,reason,metric_type,metric_category,from,to,records,revisions,place,texts".to_owned(),
        format!("{made},aggregate,genres,2025-01-01,2025-01-10,10,1,,"),
        format!("{made},,,,,,,annotations.text,1"),
    ];
    assert_eq!(file.lines().collect::<Vec<_>>(), rows);

    for path in ["/api/v1/redactions", "/api/v1/export/redactions"] {
        let reply = site.get(path).await;
        assert_eq!(reply.status, 403, "{path}, for a reader: {}", reply.text());
    }
}

async fn the_label_does_not_come_back_from_the_platform(site: Site) {
    recorded(&site).await;
    let context = &site.world.context;
    let found = corrections::find_label(context, NAME).await.unwrap();
    let there = corrections::still_on_platform(context, NAME, &found.places.metrics).await.unwrap();
    assert_eq!(
        there.iter().map(|(key, date)| (key.category.as_str(), date.to_string())).collect::<Vec<_>>(),
        [("genres", "2025-01-10".to_owned())]
    );
    let placeholder = redact(&site).await;
    // The next day is collected, and all days are restated: the platform has the name on each.
    site.world.execute(&format!("INSERT INTO posts VALUES (1, '2025-01-11 08:00:00', '{NAME}')")).await;
    site.world.set_clock("2025-01-12T12:00:00Z");
    let collected = collect_day(context, None, &[], &CancellationToken::new()).await.unwrap();
    assert!(!format!("{collected:?}").contains(NAME), "{collected:?}");
    let request = corrections::RestateRequest {
        category: "genres".to_owned(),
        from: None,
        to: None,
        accept_loss: true,
    };
    let never = CancellationToken::new();
    let reading =
        corrections::RestateReading::read(context, &request, &Heard::default(), &never).await.unwrap();
    let restatement = reading.compare(context, &never).await.unwrap();
    assert_eq!(
        (restatement.changes.len(), restatement.by_hand, restatement.unchanged),
        (0, 1, 10),
        "{restatement:?}"
    );
    let answer =
        site.get("/api/v1/metrics?category=genres&from=2025-01-01&to=2025-01-11&metadata=true").await;
    assert!(!answer.text().contains(NAME), "{}", answer.text());
    assert_eq!(answer.json()["series"][0]["points"][10]["metadata"]["breakdown"], json!({&placeholder: 1}));
    let report = daymark::definitions::check(context, &[], daymark::definitions::CheckScope::ALL).await;
    let warning = report.findings.iter().find(|finding| finding.to_string().contains(&placeholder));
    assert!(
        warning.is_some_and(|finding| finding.to_string().contains("the platform still has the label")),
        "{report:?}"
    );
    // It is deleted there, too, and the warning ends a week later.
    site.world.set_clock("2025-01-25T12:00:00Z");
    let report = daymark::definitions::check(context, &[], daymark::definitions::CheckScope::ALL).await;
    assert!(!report.findings.iter().any(|finding| finding.to_string().contains(&placeholder)), "{report:?}");
}

async fn labels_that_cannot_be_redacted_are_refused(site: Site) {
    recorded(&site).await;
    let context = &site.world.context;
    for (label, message) in [
        ("", "1 to 10000 characters"),
        ("  ", "1 to 10000 characters"),
        ("redacted-0123456789abcdef", "form of a placeholder"),
        ("(other)", "the rest of a breakdown"),
        ("other labels", "the rest of a breakdown"),
        ("other", "no breakdown has this label"),
        ("total", "no breakdown has this label"),
        ("sample_size", "no breakdown has this label"),
    ] {
        let error = corrections::find_label(context, label).await.unwrap_err();
        assert!(error.to_string().contains(message), "{label}: {error}");
    }
    for (reason, message) in
        [("", "needs a reason"), ("ada lovelace asked for it", "the reason contains the label")]
    {
        let error = corrections::redact(context, NAME, reason).await.unwrap_err();
        assert!(error.to_string().contains(message), "{reason}: {error}");
    }
    assert!(corrections::redact(context, "Grace Hopper", REASON).await.unwrap().is_none());
    assert_eq!(context.tenant.store.redactions().await.unwrap(), []);
}
