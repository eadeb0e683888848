//! Restatements over HTTP: jobs of those who may correct.

use daymark::{
    access::Role,
    collect::{CancellationToken, backfill},
    store::{JobKind, LockName, NewJob, Trigger},
};
use serde_json::{Value, json};
use sqlx::{Connection, Executor, PgConnection, SqliteConnection};
use uuid::Uuid;

use crate::{
    jobs, on_both_stores,
    site::{Reply, Site, new_key},
    world::{Heard, definition, definitions, instant, range, right_now},
};

on_both_stores!(
    a_metric_is_restated_as_a_job,
    only_principals_with_the_scope_correct_restate,
    a_restatement_is_cancelled_and_continued,
    a_restatement_is_busy_beside_another_one,
    a_restatement_whose_process_ended_is_interrupted,
    wrong_restatements_are_refused,
    a_changed_definition_says_which_days_keep_the_earlier_meaning,
    restated_and_corrected_days_are_of_one_kind,
);

const PATH: &str = "/api/v1/restatements";

/// Ten recorded days, on the nth of which n posts were created, and a definition since that counts their authors: 1 on the first day,
/// and 2 on the others.
async fn redefined(site: &Site) {
    let world = &site.world;
    backfill(&world.context, &range(1, 10), &Heard::default(), &CancellationToken::new()).await.unwrap();
    let format = world.time_format();
    let mut wanted = definitions(format);
    let authors = json!({"measure": "distinct_actors", "rows": [{"source": "posts"}], "window_days": 1});
    wanted[1] = definition(format, "posts_created", authors);
    wanted.push(right_now(format));
    world.apply(&wanted).await;
    // Otherwise the catalogue of the server may be that of a moment ago.
    site.service.cache.changed_here();
}

fn body(more: &Value) -> Value {
    let mut body = json!({"metric": "posts_created", "reason": "authors count"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

async fn finished(site: &Site, accepted: &Reply) -> Value {
    assert_eq!(accepted.status, 202, "{}", accepted.text());
    jobs::finished(site, accepted.header("location")).await
}

async fn corrections(site: &Site) -> Vec<Value> {
    let listed = site.get("/api/v1/corrections?limit=200").await.json();
    listed["corrections"].as_array().unwrap().clone()
}

async fn a_metric_is_restated_as_a_job(site: Site) {
    redefined(&site).await;
    let series = async || {
        let path = "/api/v1/metrics?category=posts_created&from=2025-01-01&to=2025-01-10";
        let answer = site.get(path).await.json();
        let points = answer["series"][0]["points"].as_array().unwrap().clone();
        points.iter().map(|point| point["value"].as_i64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(series().await, (1..=10).collect::<Vec<_>>());
    let dry = site.post(PATH, &json!({"metric": "posts_created", "dry_run": true})).await;
    let job = finished(&site, &dry).await;
    let summary = &job["restatement"];
    assert_eq!((&job["status"], &job["kind"]), (&json!("completed"), &json!("restate")), "{job}");
    assert_eq!((&summary["days_changed"], &summary["unchanged"]), (&json!(8), &json!(2)), "{job}");
    assert_eq!((&summary["dry_run"], &summary["definition_version"]), (&json!(true), &json!(2)));
    assert_eq!(
        summary["largest"][0],
        json!({"metric_date": "2025-01-10", "recorded_value": 10, "before": 10, "after": 2, "difference": -8,
               "rows_lost": false})
    );
    assert!(summary["cannot_know"].is_array(), "{job}");
    assert!(corrections(&site).await.is_empty(), "a dry run writes nothing");

    let accepted = site.post(PATH, &body(&json!({}))).await;
    let queued = accepted.json();
    assert_eq!(queued["reason"], "authors count");
    let job = finished(&site, &accepted).await;
    assert_eq!((&job["status"], &job["error"]), (&json!("completed"), &Value::Null), "{job}");
    assert_eq!((&job["days_total"], &job["days_done"]), (&json!(10), &json!(10)), "{job}");
    assert_eq!(job["restatement"]["days_changed"], 8);
    assert_eq!(series().await, [1, 2, 2, 2, 2, 2, 2, 2, 2, 2], "readers see it at once");
    let written = corrections(&site).await;
    assert_eq!(written.len(), 8);
    for entry in &written {
        assert_eq!((&entry["basis"], &entry["reason"]), (&json!("reconstruction"), &job["reason"]));
        assert_eq!(entry["author"], job["actor"], "{entry}");
    }
    assert!(job["actor"].as_str().unwrap().starts_with("key:"), "{job}");
    // The job is durable: another process knows it.
    let other = daymark::jobs::JobRunner::new(site.world.another_process(), || {});
    let known = other.get(job["id"].as_str().unwrap().parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(known.job.kind, JobKind::Restate);
    assert_eq!(known.result.unwrap().restatement.unwrap().days_changed, 8);

    let job = finished(&site, &site.post(PATH, &body(&json!({}))).await).await;
    assert_eq!(job["restatement"]["days_changed"], 0);
    assert_eq!(corrections(&site).await.len(), 8);
    let part = body(&json!({"from": "2025-01-02", "to": "2025-01-04"}));
    let job = finished(&site, &site.post(PATH, &part).await).await;
    assert_eq!((&job["restatement"]["from"], &job["days_total"]), (&json!("2025-01-02"), &json!(3)), "{job}");
}

async fn only_principals_with_the_scope_correct_restate(site: Site) {
    redefined(&site).await;
    let service = new_key(&site.world.context, "program", Role::Service).await;
    for (key, status) in [(&site.reader, 403), (&service, 403), (&String::new(), 401)] {
        let bearer = format!("Bearer {key}");
        let mut headers = vec![("content-type", "application/json")];
        if !key.is_empty() {
            headers.push(("authorization", bearer.as_str()));
        }
        for more in [json!({}), json!({"dry_run": true})] {
            let reply = site.send("POST", PATH, &headers, Some(body(&more).to_string())).await;
            assert_eq!(reply.status, status, "{}", reply.text());
        }
    }
    assert!(corrections(&site).await.is_empty());
}

/// Holds a lock on the platform's tables until it is dropped, so that a job that reads them waits.
enum Blocked {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Blocked {
    async fn platform(site: &Site) -> Self {
        let url = &site.world.platform_url;
        match site.world.is_postgres_platform() {
            true => {
                let mut connection = PgConnection::connect(url).await.unwrap();
                connection.execute("BEGIN; LOCK TABLE posts IN ACCESS EXCLUSIVE MODE").await.unwrap();
                Self::Postgres(connection)
            }
            false => {
                let mut connection = SqliteConnection::connect(url).await.unwrap();
                connection.execute("BEGIN EXCLUSIVE").await.unwrap();
                Self::Sqlite(connection)
            }
        }
    }

    async fn release(self) {
        match self {
            Self::Sqlite(mut connection) => drop(connection.execute("ROLLBACK").await.unwrap()),
            Self::Postgres(mut connection) => drop(connection.execute("ROLLBACK").await.unwrap()),
        }
    }
}

async fn a_restatement_is_cancelled_and_continued(site: Site) {
    redefined(&site).await;
    let blocked = Blocked::platform(&site).await;
    let accepted = site.post(PATH, &body(&json!({}))).await;
    let same = site.post(PATH, &body(&json!({}))).await;
    assert_eq!(accepted.header("location"), same.header("location"), "an equal request is the same job");
    let location = accepted.header("location");
    let service = new_key(&site.world.context, "program", Role::Service).await;
    let of_service = [("authorization", format!("Bearer {service}"))];
    let of_service: Vec<_> = of_service.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let cancel = format!("{location}/cancel");
    let refused = site.send("POST", &cancel, &of_service, None).await;
    assert_eq!(refused.status, 403, "{}", refused.text());
    assert_eq!(site.send("GET", location, &of_service, None).await.status, 200);
    let asked = site.post(&cancel, &json!({})).await;
    assert_eq!(asked.status, 202, "{}", asked.text());
    let job = finished(&site, &accepted).await;
    assert_eq!(job["status"], "interrupted", "{job}");
    assert_eq!(site.post(&cancel, &json!({})).await.status, 200, "the job has ended");
    let unknown = format!("/api/v1/jobs/{}/cancel", Uuid::new_v4());
    assert_eq!(site.post(&unknown, &json!({})).await.status, 404);
    assert!(corrections(&site).await.is_empty());
    blocked.release().await;
    let job = finished(&site, &site.post(PATH, &body(&json!({}))).await).await;
    assert_eq!((&job["status"], corrections(&site).await.len()), (&json!("completed"), 8), "{job}");
}

async fn a_restatement_is_busy_beside_another_one(site: Site) {
    redefined(&site).await;
    let other = site.world.another_process();
    let lock = other.tenant.store.try_lock(&LockName::Restate).await.unwrap().unwrap();
    let job = finished(&site, &site.post(PATH, &body(&json!({}))).await).await;
    assert_eq!((&job["status"], &job["restatement"]), (&json!("busy"), &Value::Null), "{job}");
    drop(lock);
    let job = finished(&site, &site.post(PATH, &body(&json!({}))).await).await;
    assert_eq!(job["status"], "completed", "{job}");
}

/// A job of a process that was killed: its lock is free.
async fn a_restatement_whose_process_ended_is_interrupted(site: Site) {
    let spec = json!({"metric": "posts_created", "from": null, "to": null, "reason": "why", "accept_loss": false,
                      "dry_run": false});
    let job = NewJob {
        id: Uuid::new_v4(),
        kind: JobKind::Restate,
        spec: spec.as_object().unwrap().clone(),
        trigger: Trigger::Api,
        actor: "key:1".to_owned(),
        created_at: instant("2025-01-11T11:50:00Z"),
        host: "elsewhere".to_owned(),
        process_id: 4711,
    };
    let store = &site.world.context.tenant.store;
    store.add_job(&job).await.unwrap();
    store.start_job(job.id, job.created_at).await.unwrap();
    let location = format!("/api/v1/jobs/{}", job.id);
    let lock = site.world.another_process().tenant.store.try_lock(&LockName::Restate).await.unwrap().unwrap();
    let running = site.get_as_admin(&location).await.json();
    assert_eq!((&running["status"], &running["reason"]), (&json!("running"), &json!("why")), "{running}");
    let elsewhere = site.post(&format!("{location}/cancel"), &json!({})).await;
    assert_eq!(elsewhere.status, 409, "{}", elsewhere.text());
    assert!(elsewhere.text().contains("process 4711 on elsewhere"), "{}", elsewhere.text());
    drop(lock);
    assert_eq!(site.get_as_admin(&location).await.json()["status"], "interrupted");
}

async fn a_changed_definition_says_which_days_keep_the_earlier_meaning(site: Site) {
    let path = "/api/v1/definitions/published";
    let made = site.put(path, &json!({"measure": "created", "source": "posts"})).await;
    assert_eq!((made.status, &made.json()["earlier_days"]), (201, &Value::Null), "{}", made.text());
    let context = &site.world.context;
    backfill(context, &range(1, 10), &Heard::default(), &CancellationToken::new()).await.unwrap();
    let other = json!({"measure": "created", "source": "comments"});
    let changed = site.put(path, &other).await;
    let expected = json!({"from": "2025-01-01", "to": "2025-01-10", "days": 10, "can_be_restated": true});
    assert_eq!((changed.status, &changed.json()["earlier_days"]), (200, &expected), "{}", changed.text());
    let accepted = site.post(PATH, &json!({"metric": "published", "reason": "comments are meant"})).await;
    let job = finished(&site, &accepted).await;
    assert_eq!(job["restatement"]["days_changed"], 9, "{job}");
    // The first day had one post and one comment.
    let again = site.put(path, &other).await;
    assert_eq!(again.json()["earlier_days"]["days"], 1, "{}", again.text());
}

async fn wrong_restatements_are_refused(site: Site) {
    redefined(&site).await;
    let wrong = async |given: Value, part: &str| {
        let reply = site.post(PATH, &given).await;
        assert_eq!(reply.status, 400, "{given}: {}", reply.text());
        assert!(reply.text().contains(part), "{given}: {}", reply.text());
    };
    wrong(json!({}), "`metric` is missing").await;
    wrong(json!({"metric": "posts_created"}), "reason of 1 to").await;
    wrong(body(&json!({"reason": " "})), "reason of 1 to").await;
    wrong(body(&json!({"reason": "x".repeat(1001), "dry_run": true})), "reason of 1 to").await;
    wrong(body(&json!({"metric": "posts_creatd"})), "`posts_created`").await;
    wrong(body(&json!({"metric": "right_now"})), "cannot be read again").await;
    wrong(body(&json!({"from": "2025-01-05", "to": "2025-01-01"})), "2025-01-05 is after 2025-01-01").await;
    wrong(body(&json!({"from": "yesterday"})), "from").await;
    wrong(body(&json!({"dry_run": "yes"})), "dry_run").await;
    wrong(body(&json!({"until": "2025-01-01"})), "until").await;
    // What only the store knows is said by the job.
    let future = body(&json!({"from": "2026-01-01"}));
    let job = finished(&site, &site.post(PATH, &future).await).await;
    assert_eq!(job["status"], "failed");
    assert!(job["error"].as_str().unwrap().contains("has no record"), "{job}");
}

/// Where the newest definition makes values of another kind, no day keeps the earlier one, so that months can be made of all of them.
async fn restated_and_corrected_days_are_of_one_kind(site: Site) {
    let world = &site.world;
    backfill(&world.context, &range(1, 10), &Heard::default(), &CancellationToken::new()).await.unwrap();
    let mut wanted = definitions(world.time_format());
    // On the first day, as many posts exist as were created.
    let existing = json!({"measure": "existing", "source": "posts"});
    wanted[1] = definition(world.time_format(), "posts_created", existing);
    world.apply(&wanted).await;
    site.service.cache.changed_here();
    let month = async || {
        let path = "/api/v1/metrics?category=posts_created&from=2025-01-01&to=2025-01-10&interval=month";
        site.get(path).await.json()["series"][0]["points"][0].clone()
    };
    let job = finished(&site, &site.post(PATH, &body(&json!({"to": "2025-01-09"}))).await).await;
    assert_eq!(job["restatement"]["days_changed"], 9, "{job}");
    assert!(month().await["refused"].as_str().unwrap().contains("changed what the values are"));
    finished(&site, &site.post(PATH, &body(&json!({}))).await).await;
    assert_eq!(month().await["value"], 55);
    let correction = json!({"metric_category": "posts_created", "date": "2025-01-10", "value": 50});
    let reply =
        site.post("/api/v1/corrections", &json!({"reason": "known", "corrections": [correction]})).await;
    let made = reply.json()["corrections"][0].clone();
    assert_eq!((&made["basis"], &made["definition_version"]), (&json!("manual"), &json!(2)), "{made}");
    assert_eq!(month().await["value"], 50);
}
