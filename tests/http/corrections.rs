//! Corrections over HTTP: who may correct, what every reader shows afterwards, and what was known before.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use daymark::{
    access::Role,
    clock::Clock,
    collect::{CancellationToken, backfill},
    corrections::{self, CorrectionRequest, RequestedChange, RequestedCorrection},
    query::{Catalogue, View, ViewRequest},
    store::{NewRun, RunKind, Trigger},
};
use jiff::ToSpan;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    on_both_stores,
    site::{Reply, Site, new_key},
    world::{Heard, definition, definitions, instant, january, range},
};

on_both_stores!(
    only_principals_with_the_scope_correct,
    every_reader_shows_the_value_in_force,
    a_withdrawn_day_is_a_gap_of_its_own_cause,
    what_was_known_is_found_again,
    a_correction_replaces_cached_answers_and_entity_tags,
    a_correction_by_another_process_replaces_cached_answers,
    corrections_are_listed_in_pages,
    wrong_corrections_are_refused_by_their_places,
    a_correction_of_what_was_corrected_since_is_refused,
    questions_as_of_have_the_definitions_of_that_time,
    gaps_as_of_have_the_runs_of_that_time,
    the_clock_of_the_store_may_be_a_little_ahead,
);

const PATH: &str = "/api/v1/corrections";
const SERIES: &str = "/api/v1/metrics?category=posts_created&from=2025-01-01&to=2025-01-10";

/// A site with ten recorded days: on the nth of them n posts were created.
async fn recorded(site: &Site) {
    backfill(&site.world.context, &range(1, 10), &Heard::default(), &CancellationToken::new()).await.unwrap();
}

fn body(change: &Value) -> Value {
    let mut correction = json!({"metric_category": "posts_created", "date": "2025-01-05"});
    correction.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    json!({"reason": "removed posts were counted", "corrections": [correction]})
}

async fn correct(site: &Site, change: &Value) -> Value {
    let reply = site.post(PATH, &body(change)).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    reply.json()
}

async fn only_principals_with_the_scope_correct(site: Site) {
    recorded(&site).await;
    let service = new_key(&site.world.context, "program", Role::Service).await;
    let asked = body(&json!({"value": 4}));
    for (key, status) in [(&site.reader, 403), (&service, 403), (&String::new(), 401)] {
        let bearer = format!("Bearer {key}");
        let mut headers = vec![("content-type", "application/json")];
        if !key.is_empty() {
            headers.push(("authorization", bearer.as_str()));
        }
        let reply = site.send("POST", PATH, &headers, Some(asked.to_string())).await;
        assert_eq!(reply.status, status, "{}", reply.text());
    }
    assert_eq!(site.get(PATH).await.json()["corrections"], json!([]));
    let dry = {
        let mut dry = asked.clone();
        dry["dry_run"] = true.into();
        site.post(PATH, &dry).await
    };
    assert_eq!((dry.status, &dry.json()["changes"][0]["after"]), (200, &json!(4)), "{}", dry.text());
    assert_eq!(site.get(PATH).await.json()["corrections"], json!([]), "nothing was written");
    let answer = correct(&site, &json!({"value": 4})).await;
    assert_eq!(
        answer["changes"],
        json!([{"metric_type": "count", "metric_category": "posts_created", "metric_date": "2025-01-05",
                "recorded_value": 5, "before": 5, "after": 4, "last_revision": 0}])
    );
    // Readers see who corrected and why.
    let listed = site.get(PATH).await.json();
    assert_eq!(listed["corrections"], answer["corrections"]);
    let entry = &listed["corrections"][0];
    assert_eq!((&entry["reason"], &entry["revision"]), (&json!("removed posts were counted"), &json!(1)));
    assert!(entry["author"].as_str().unwrap().starts_with("key:"), "{entry}");
    // The same again changes nothing.
    let again = site.post(PATH, &asked).await;
    assert_eq!((again.status, &again.json()["unchanged"]), (200, &json!(1)), "{}", again.text());
}

fn point(reply: &Reply, place: usize) -> Value {
    reply.json()["series"][0]["points"][place].clone()
}

async fn every_reader_shows_the_value_in_force(site: Site) {
    recorded(&site).await;
    let records = site.world.records().await;
    correct(&site, &json!({"value": "4"})).await;
    let series = site.get(SERIES).await;
    let expected = json!({"from": "2025-01-05", "value": 4, "recorded_value": 5, "revision": 1});
    assert_eq!(point(&series, 4), expected);
    let recorded: Vec<_> = series.json()["series"][0]["recorded"].as_array().unwrap().clone();
    assert_eq!(
        recorded.iter().map(|run| run["provenance"].as_str().unwrap()).collect::<Vec<_>>(),
        ["reconstructed", "corrected", "reconstructed"]
    );
    // Weeks and months are made of the values in force: 1 + … + 10 is 55.
    let month = site.get(&format!("{SERIES}&interval=month")).await;
    let month = point(&month, 0);
    assert_eq!((&month["value"], &month["provenance"]), (&json!(54), &json!("mixed")));
    let activity = site.get("/api/v1/activity?days=6&category=posts_created").await;
    assert_eq!(point(&activity, 0)["value"], 4);
    let text = site.get("/api/v1/export?category=posts_created&from=2025-01-05&to=2025-01-05").await.text();
    let row = text.lines().nth(1).unwrap();
    assert!(row.contains(",4,recorded,corrected,") && row.ends_with(",5,1"), "{row}");
    let as_recorded = site.get(&format!("{SERIES}&values=recorded")).await;
    assert_eq!(point(&as_recorded, 4), json!({"from": "2025-01-05", "value": 5}));

    let last = json!({"date": "2025-01-10", "value": 11});
    correct(&site, &last).await;
    let latest = site.get("/api/v1/latest?category=posts_created").await.json()["metrics"][0].clone();
    assert_eq!(
        (&latest["value"], &latest["provenance"], &latest["recorded_value"], &latest["revision"]),
        (&json!(11), &json!("corrected"), &json!(10), &json!(1))
    );
    let latest = site.get("/api/v1/latest?category=posts_created&values=recorded").await.json();
    assert_eq!(latest["metrics"][0]["value"], 10);
    let rows = "/rest/v1/daily_metrics?select=value,recorded_value,provenance,revision&metric_category=eq.posts_created&order=metric_date";
    let rows = site.get(rows).await.json();
    assert_eq!(rows[4], json!({"value": 4, "recorded_value": 5, "provenance": "corrected", "revision": 1}));
    assert_eq!(
        rows[3],
        json!({"value": 4, "recorded_value": 4, "provenance": "reconstructed", "revision": null})
    );
    let status = site.get_as_admin("/api/v1/status").await.json();
    assert_eq!((&status["corrected"], &status["records"]), (&json!(2), &json!(40)));
    assert_eq!(site.world.records().await, records, "no record is changed");
}

async fn a_withdrawn_day_is_a_gap_of_its_own_cause(site: Site) {
    recorded(&site).await;
    correct(&site, &json!({"withdraw": true})).await;
    correct(&site, &json!({"date": "2025-01-10", "withdraw": true})).await;
    let series = site.get(SERIES).await;
    assert_eq!(point(&series, 4), json!({"from": "2025-01-05", "value": null}));
    let gaps = series.json()["series"][0]["gaps"].clone();
    assert_eq!(
        (&gaps[0]["cause"], &gaps[0]["from"], &gaps[0]["fill"]),
        (&json!("withdrawn"), &json!("2025-01-05"), &Value::Null)
    );
    let month = point(&site.get(&format!("{SERIES}&interval=month")).await, 0);
    assert_eq!((&month["value"], &month["days_recorded"]), (&json!(40), &json!(8)));
    let latest = site.get("/api/v1/latest?category=posts_created").await.json()["metrics"][0].clone();
    assert_eq!((&latest["value"], &latest["metric_date"]), (&json!(9), &json!("2025-01-09")));
    let rows = site.get("/rest/v1/daily_metrics?select=metric_date&metric_category=eq.posts_created").await;
    assert_eq!(rows.json().as_array().unwrap().len(), 8);
    let export = site.get("/api/v1/export?category=posts_created&from=2025-01-05&to=2025-01-05").await.text();
    assert!(export.lines().nth(1).unwrap().contains(",,withdrawn,"), "{export}");
    let health = site.get_as_admin("/api/v1/health/collection").await.json();
    let causes = health["gaps"]["by_cause"].as_array().unwrap();
    assert!(causes.contains(&json!({"cause": "withdrawn", "missing_records": 2})), "{health}");
    // A withdrawal that is taken back leaves the record.
    correct(&site, &json!({"take_back": 1})).await;
    assert_eq!(point(&site.get(SERIES).await, 4), json!({"from": "2025-01-05", "value": 5}));
}

async fn what_was_known_is_found_again(site: Site) {
    // The days were recorded at noon of 11 January.
    recorded(&site).await;
    for (instant, change) in [
        ("2025-01-20T10:00:00Z", json!({"value": 4})),
        ("2025-01-21T10:00:00Z", json!({"withdraw": true})),
        ("2025-01-22T10:00:00Z", json!({"take_back": 2})),
        ("2025-01-23T10:00:00Z", json!({"value": 3})),
    ] {
        site.world.set_clock(instant);
        correct(&site, &change).await;
    }
    let at = async |instant: &str| {
        let reply = site.get(&format!("{SERIES}&as_of={instant}")).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        point(&reply, 4)["value"].clone()
    };
    assert_eq!(at("2025-01-11T11:59:59Z").await, Value::Null, "nothing was recorded yet");
    for (instant, value) in [
        ("2025-01-11T12:00:00Z", json!(5)),
        ("2025-01-20T09:59:59.999999Z", json!(5)),
        ("2025-01-20T10:00:00Z", json!(4)),
        ("2025-01-20", json!(4)),
        ("2025-01-21T10:00:00Z", Value::Null),
        ("2025-01-22", json!(4)),
        ("2025-01-23T10:00:00Z", json!(3)),
    ] {
        assert_eq!(at(instant).await, value, "{instant}");
    }
    // Every other question, too.
    let monthly = format!("{SERIES}&interval=month&as_of=2025-01-20");
    assert_eq!(point(&site.get(&monthly).await, 0)["value"], 54);
    let recorded = format!("{SERIES}&values=recorded&as_of=2025-01-20");
    assert_eq!(point(&site.get(&recorded).await, 4)["value"], 5);
    let latest = site.get("/api/v1/latest?category=posts_created&as_of=2025-01-11T12:00:00Z").await.json();
    assert_eq!(
        (&latest["last_finished"], &latest["metrics"][0]["value"]),
        (&json!("2025-01-10"), &json!(10))
    );
    let activity =
        site.get("/api/v1/activity?days=6&category=posts_created&as_of=2025-01-11T12:00:00Z").await;
    assert_eq!((&activity.json()["to"], &point(&activity, 0)["value"]), (&json!("2025-01-10"), &json!(5)));
    let export = site
        .get("/api/v1/export?category=posts_created&from=2025-01-05&to=2025-01-05&as_of=2025-01-21")
        .await;
    assert!(export.text().lines().nth(1).unwrap().contains(",,withdrawn,"), "{}", export.text());
    let corrections = site.get(&format!("{PATH}?as_of=2025-01-21&state=in_force")).await.json();
    assert_eq!(corrections["corrections"][0]["kind"], "withdrawal");
    // A metric that is defined later is not known before.
    for (wrong, problem) in [
        ("2025-01-24T00:00:00Z", "in the future"),
        ("2025-01-23", "the day 2025-01-23 has not ended; the last finished day is 2025-01-22"),
        ("2025-02-01", "has not ended"),
        ("1850-01-01", "before 1900-01-01"),
        ("yesterday", "must be an instant"),
    ] {
        let reply = site.get(&format!("{SERIES}&as_of={wrong}")).await;
        assert_eq!((reply.status, &reply.json()["errors"][0]["parameter"]), (400, &json!("as_of")));
        assert!(reply.text().contains(problem), "{wrong}: {}", reply.text());
    }
    let reply = site.get(&format!("{SERIES}&judgement=true&as_of=2025-01-20")).await;
    assert_eq!((reply.status, &reply.json()["errors"][0]["parameter"]), (400, &json!("judgement")));
}

async fn a_correction_replaces_cached_answers_and_entity_tags(site: Site) {
    recorded(&site).await;
    let paths = [
        SERIES,
        "/api/v1/latest",
        "/api/v1/activity?days=7",
        "/rest/v1/daily_metrics?select=value&order=metric_date,metric_category",
    ];
    let mut tags = Vec::new();
    for path in paths {
        tags.push(site.get(path).await.header("etag").to_owned());
    }
    correct(&site, &json!({"date": "2025-01-10", "value": 1})).await;
    for (path, tag) in paths.iter().zip(tags) {
        assert!(!tag.is_empty(), "{path}");
        let reply = site.get_with(path, &[("if-none-match", &tag)]).await;
        assert_eq!(reply.status, 200, "{path} must not be the earlier answer");
    }
}

/// Such as `daymark correct` beside a server.
async fn a_correction_by_another_process_replaces_cached_answers(site: Site) {
    recorded(&site).await;
    let tag = site.get(SERIES).await.header("etag").to_owned();
    assert_eq!(site.get_with(SERIES, &[("if-none-match", &tag)]).await.status, 304);
    let other = site.world.another_process();
    let correction = RequestedCorrection {
        category: "posts_created".to_owned(),
        metric_type: None,
        date: january(5),
        change: RequestedChange::Value { value: 4.into(), metadata: None },
        after_revision: None,
    };
    let request = CorrectionRequest { reason: "known".to_owned(), corrections: vec![correction] };
    let planned = corrections::plan(&other, request).await.unwrap();
    corrections::write(&other, planned).await.unwrap();
    let started = Instant::now();
    loop {
        let reply = site.get_with(SERIES, &[("if-none-match", &tag)]).await;
        if reply.status == 200 {
            assert_eq!(point(&reply, 4)["value"], 4);
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(30), "the earlier answer is still given");
    }
}

async fn corrections_are_listed_in_pages(site: Site) {
    recorded(&site).await;
    for day in 1..=5 {
        correct(&site, &json!({"date": format!("2025-01-0{day}"), "value": 50 + day})).await;
    }
    let all = site.get(PATH).await.json()["corrections"].clone();
    let (mut paged, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = site.get(&format!("{PATH}?limit=2{cursor}")).await.json();
        paged.extend(page["corrections"].as_array().unwrap().clone());
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!((paged.len(), Value::Array(paged)), (5, all));
    let count = async |query: &str| {
        site.get(&format!("{PATH}?{query}")).await.json()["corrections"].as_array().unwrap().len()
    };
    assert_eq!(count("from=2025-01-02&to=2025-01-03").await, 2);
    assert_eq!(count("category=posts_created").await, 5);
    assert_eq!(count("category=posts_total").await, 0);
    let unknown = site.get(&format!("{PATH}?category=posts_totl&state=some")).await;
    assert_eq!(
        (unknown.status, unknown.json()["errors"].as_array().unwrap().len()),
        (400, 2),
        "{}",
        unknown.text()
    );
}

async fn wrong_corrections_are_refused_by_their_places(site: Site) {
    recorded(&site).await;
    let wrong = [
        (
            json!({"value": 4, "metric_category": "posts_creatd"}),
            "corrections.0",
            "did you mean `posts_created`",
        ),
        (json!({"value": 4, "date": "2025-01-11"}), "corrections.0", "has no record"),
        (json!({"value": -4}), "corrections.0", "never negative"),
        (json!({"value": 4.5}), "corrections.0", "is not a whole number"),
        (json!({"value": "1_000"}), "corrections.0.value", "must be a number"),
        (json!({"value": 4, "metric_type": "average"}), "corrections.0", "has the type count, not average"),
        (
            json!({"value": 4, "metadata": {"note": "of Ada"}}),
            "corrections.0",
            "is not a known member of its metadata",
        ),
        (json!({"value": "1e60"}), "corrections.0", "38 digits"),
        (json!({"take_back": 1}), "corrections.0", "no revision 1"),
        (json!({}), "corrections.0", "exactly one of"),
        (json!({"value": 4, "withdraw": true}), "corrections.0", "exactly one of"),
        (json!({"value": "four"}), "corrections.0.value", "must be a number"),
        (json!({"value": 4, "why": "x"}), "corrections.0.why", "no member"),
        (json!({"value": 4, "metric_type": "counts"}), "corrections.0", "must be one of"),
        (json!({"withdraw": true, "metadata": {}}), "corrections.0", "belong to a `value`"),
        (json!({"value": 4, "after_revision": -1}), "corrections.0", "the number of a revision, or 0"),
        (json!({"value": 4, "after_revision": "1"}), "corrections.0.after_revision", "whole number"),
    ];
    for (change, place, problem) in wrong {
        let reply = site.post(PATH, &body(&change)).await;
        let errors = reply.json()["errors"].clone();
        let names = |error: &Value| {
            error["parameter"] == place && error["detail"].as_str().unwrap().contains(problem)
        };
        assert!(
            reply.status == 400 && errors.as_array().unwrap().iter().any(names),
            "{change}: {}",
            reply.text()
        );
    }
    for (reason, corrections) in
        [("", body(&json!({"value": 4}))["corrections"].clone()), ("why", json!([])), ("why", json!("all"))]
    {
        let reply = site.post(PATH, &json!({"reason": reason, "corrections": corrections})).await;
        assert_eq!(reply.status, 400, "{}", reply.text());
    }
    let twice = body(&json!({"value": 4}))["corrections"][0].clone();
    let reply = site.post(PATH, &json!({"reason": "why", "corrections": [twice.clone(), twice]})).await;
    assert_eq!((reply.status, &reply.json()["errors"][0]["parameter"]), (400, &json!("corrections.1")));
    assert_eq!(site.get(PATH).await.json()["corrections"], json!([]));
}

/// Two admins have looked at the same day.
async fn a_correction_of_what_was_corrected_since_is_refused(site: Site) {
    recorded(&site).await;
    let post = async |change: &Value, dry_run: bool| {
        let mut body = body(change);
        body["dry_run"] = dry_run.into();
        site.post(PATH, &body).await
    };
    let seen = post(&json!({"value": 7}), true).await.json()["changes"][0]["last_revision"].clone();
    assert_eq!(seen, 0);
    correct(&site, &json!({"value": 6})).await;
    // Also where it asks for what the other one has written.
    for (value, dry_run) in [(7, false), (7, true), (6, false)] {
        let reply = post(&json!({"value": value, "after_revision": seen}), dry_run).await;
        assert_eq!((reply.status, reply.problem()), (409, "conflict".to_owned()), "{}", reply.text());
        let detail = reply.json()["detail"].as_str().unwrap().to_owned();
        assert!(
            detail.contains("`posts_created` of 2025-01-05") && detail.contains("revision is 1"),
            "{detail}"
        );
    }
    assert_eq!(point(&site.get(SERIES).await, 4)["value"], 6, "the first one stays");
    let again = post(&json!({"value": 7, "after_revision": 1}), false).await;
    assert_eq!((again.status, &again.json()["corrections"][0]["revision"]), (201, &json!(2)));
    let back = post(&json!({"take_back": 1, "after_revision": 1}), false).await;
    assert_eq!(back.status, 409, "{}", back.text());
    // All of a request are written, or none.
    let mut both = body(&json!({"value": 8, "after_revision": 2}));
    let other =
        json!({"metric_category": "posts_created", "date": "2025-01-06", "value": 8, "after_revision": 1});
    both["corrections"].as_array_mut().unwrap().push(other);
    assert_eq!(site.post(PATH, &both).await.status, 409);
    assert_eq!(site.get(PATH).await.json()["corrections"].as_array().unwrap().len(), 2);
}

async fn questions_as_of_have_the_definitions_of_that_time(site: Site) {
    recorded(&site).await;
    site.world.set_clock("2025-01-20T10:00:00Z");
    let format = site.world.time_format();
    let mut changed = definitions(format);
    // As many posts as there are now, of which the last day of a month counts.
    changed[1] = definition(format, "posts_created", json!({"measure": "existing", "source": "posts"}));
    changed[1].display_name = "Posts there are".to_owned();
    site.world.apply(&changed).await;
    site.service.cache.changed_here();
    let month = async |view: &str| {
        let reply = site.get(&format!("{SERIES}&interval=month{view}")).await;
        let series = reply.json()["series"][0].clone();
        (series["display_name"].clone(), series["roll_up"].clone(), series["points"][0]["value"].clone())
    };
    let (name, roll_up, _) = month("").await;
    assert_eq!((name, roll_up), (json!("Posts there are"), json!("last")));
    for instant in ["2025-01-15", "2025-01-20T09:59:59.999999Z"] {
        let then = month(&format!("&as_of={instant}")).await;
        assert_eq!(then, (json!("posts_created"), json!("sum"), json!(55)), "{instant}");
    }
    let (name, roll_up, _) = month("&as_of=2025-01-20T10:00:00Z").await;
    assert_eq!((name, roll_up), (json!("Posts there are"), json!("last")));
}

/// However many runs there were since.
async fn gaps_as_of_have_the_runs_of_that_time(site: Site) {
    let store = &site.world.context.tenant.store;
    let start = async |at: jiff::Timestamp| {
        let run = NewRun {
            id: Uuid::new_v4(),
            kind: RunKind::Collect,
            from: january(3),
            to: january(3),
            started_at: at,
            trigger: Trigger::Cli,
            actor: "cli:test".to_owned(),
            host: "elsewhere".to_owned(),
            process_id: 4711,
        };
        store.start_run(&run).await.unwrap();
        run.id
    };
    let failed = start(instant("2025-01-11T12:00:00Z")).await;
    let finish = daymark::store::Finish {
        id: failed,
        status: daymark::store::RunStatus::Failed,
        completed_at: instant("2025-01-11T12:00:01Z"),
        error_message: Some("out of luck".to_owned()),
        error_details: None,
    };
    store.commit(&[], Some(&finish)).await.unwrap();
    for later in 0..2001_i64 {
        start(instant("2025-01-12T12:00:00Z") + later.seconds()).await;
    }
    site.world.set_clock("2025-01-20T12:00:00Z");
    let path = "/api/v1/metrics?category=posts_created&from=2025-01-03&to=2025-01-03";
    let cause = async |instant: &str| {
        let reply = site.get(&format!("{path}&as_of={instant}")).await;
        reply.json()["series"][0]["gaps"][0]["cause"].clone()
    };
    assert_eq!(cause("2025-01-11T12:00:01Z").await, "failed");
    assert_eq!(cause("2025-01-11T12:00:00Z").await, "running");
}

/// The clock of a machine that is four minutes behind that of the store's database.
struct ClockBehind(jiff::Timestamp);

impl Clock for ClockBehind {
    fn now(&self) -> jiff::Timestamp {
        self.0 - 4.minutes()
    }
}

/// What the database has just written may have a time that the clock of this machine has not reached.
async fn the_clock_of_the_store_may_be_a_little_ahead(site: Site) {
    let now = site.world.context.tenant.store.now().await.unwrap();
    let mut context = site.world.context.clone();
    Arc::make_mut(&mut context.installation).clock = Arc::new(ClockBehind(now));
    let catalogue = Arc::new(Catalogue::load(context.tenant.store.as_ref()).await.unwrap());
    let ask = async |as_of: jiff::Timestamp| {
        let text = as_of.to_string();
        let request = ViewRequest { values: None, as_of: Some(&text) };
        View::new(&context, &catalogue, request).await.map(|view| view.values.as_of)
    };
    assert_eq!(ask(now).await.unwrap(), Some(now));
    let refused = ask(now + 1.hour()).await.err().unwrap().to_string();
    assert!(refused.contains("is in the future; by the clock of the store's database it is"), "{refused}");
}
