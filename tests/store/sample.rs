//! Rows for the tables that definitions, runs and records leave empty. A table that is added needs rows here, so that later
//! migrations are tried on them.

use daymark::{
    identity::{ApiKey, KeyHash, Role, Scope, Scopes},
    judgement::{JUDGE_VERSION, Judgement, Reason, Verdict},
    metric::MetricType,
    store::{
        AfterAttempt, AlertState, AlertStatus, AnnotationText, Behind, DeliveryAttempt, DeliveryOutcome,
        DriftSample, JobKind, JudgedDay, Leader, LockName, NewJob, NewNotification, NewRedaction,
        NewRevision, NotificationKind, Pause, RevisionBasis, RevisionBatch, RevisionEffect, Silence, Trigger,
    },
};
use jiff::ToSpan;
use serde_json::json;
use uuid::Uuid;

use crate::fixture::{Fixture, day, decimal, key, noon};

pub async fn fill(fixture: &Fixture) {
    key_and_job(fixture).await;
    schedule(fixture).await;
    alerts(fixture).await;
    // A revision deletes judgements, so it comes before them.
    revisions(fixture).await;
    redaction(fixture).await;
    derived(fixture).await;
}

/// A correction of the second day.
async fn revisions(fixture: &Fixture) {
    let corrected = NewRevision {
        date: day(2),
        key: key(MetricType::Count, "posts_total"),
        effect: RevisionEffect::Value { value: decimal("2.25"), metadata: serde_json::Map::new() },
        basis: RevisionBasis::MANUAL,
        number: None,
    };
    let batch = RevisionBatch {
        id: Uuid::new_v4(),
        reason: "removed posts were counted".to_owned(),
        author: "cli:anna".to_owned(),
        made_at: noon(),
        revisions: vec![corrected],
    };
    assert_eq!(fixture.store.write_revisions(&batch).await.unwrap().len(), 1);
}

/// A label that only the text of an annotation names.
async fn redaction(fixture: &Fixture) {
    let annotation = AnnotationText {
        first_day: day(1),
        last_day: day(1),
        category: None,
        text: "Ada Lovelace joined".to_owned(),
    };
    fixture.store.add_annotation(Uuid::new_v4(), &annotation, "cli:anna").await.unwrap();
    let redaction = NewRedaction {
        id: Uuid::new_v4(),
        label: "Ada Lovelace".to_owned(),
        placeholder: "redacted-0123456789abcdef".to_owned(),
        reason: "she asked for it".to_owned(),
        author: "cli:anna".to_owned(),
        made_at: noon(),
    };
    assert!(fixture.store.redact(&redaction).await.unwrap().is_some());
}

/// What is derived from the records.
async fn derived(fixture: &Fixture) {
    let key = key(MetricType::Count, "posts_total");
    let judgement = Judgement {
        judge_version: JUDGE_VERSION,
        verdict: Verdict::Anomaly,
        reason: Some(Reason::OutOfRange),
        expected: None,
        score: None,
        baseline: None,
    };
    let judged = JudgedDay { date: day(1), key: key.clone(), judgement };
    let known_until = fixture.store.newest_revision().await.unwrap();
    fixture.store.write_judgements(&[judged], known_until).await.unwrap();
    let recount = DriftSample {
        date: day(1),
        key,
        in_force: decimal("1"),
        recounted: decimal("0"),
        recounted_at: noon(),
    };
    fixture.store.write_drift_samples(&[recount]).await.unwrap();
    let annotation = AnnotationText {
        first_day: day(1),
        last_day: day(2),
        category: None,
        text: "the app was closed".to_owned(),
    };
    fixture.store.add_annotation(Uuid::new_v4(), &annotation, "cli:anna").await.unwrap();
    fixture.store.end_sessions("user:anna", noon(), noon() - 1.hour()).await.unwrap();
}

async fn key_and_job(fixture: &Fixture) {
    let key = ApiKey {
        id: Uuid::new_v4(),
        name: "nightly".to_owned(),
        role: Role::Service,
        scopes: Scopes::of(&[Scope::Collect]),
        hash: KeyHash([7; 32]),
        created_at: noon(),
        created_by: "cli:anna".to_owned(),
        expires_at: None,
        revoked_at: None,
        revoked_by: None,
        last_used_at: None,
    };
    assert!(fixture.store.add_api_key(&key).await.unwrap());
    let job = NewJob {
        id: Uuid::new_v4(),
        kind: JobKind::Backfill,
        spec: json!({"from": "2025-01-01"}).as_object().unwrap().clone(),
        trigger: Trigger::Api,
        actor: "key:1".to_owned(),
        created_at: noon(),
        host: "here".to_owned(),
        process_id: 7,
    };
    fixture.store.add_job(&job).await.unwrap();
}

async fn schedule(fixture: &Fixture) {
    let held = fixture.store.try_lock(&LockName::Leader).await.unwrap();
    let leader = Leader { host: "here".to_owned(), process_id: 7, since: noon(), seen_at: noon() };
    fixture.store.write_leader(&leader).await.unwrap();
    drop(held);
    let pause = Pause {
        id: Uuid::new_v4(),
        paused_at: noon(),
        paused_by: "cli:anna".to_owned(),
        reason: "moving the database".to_owned(),
        until: None,
        resumed_at: None,
        resumed_by: None,
    };
    fixture.store.add_pause(&pause).await.unwrap();
}

async fn alerts(fixture: &Fixture) {
    let firing = AlertState {
        rule: "collection_failing".to_owned(),
        status: AlertStatus::Firing,
        since: noon(),
        started_at: Some(noon()),
        summary: "three runs failed in a row".to_owned(),
        fired_as: None,
        told: [("ops".to_owned(), noon())].into(),
        is_silenced: false,
        revision: 1,
    };
    let notification = NewNotification {
        id: Uuid::new_v4(),
        channel: "ops".to_owned(),
        kind: NotificationKind::Firing,
        content: json!({"alerts": []}).as_object().unwrap().clone(),
        created_at: noon(),
    };
    assert!(fixture.store.commit_alerts(&[firing], std::slice::from_ref(&notification)).await.unwrap());
    let attempt = DeliveryAttempt {
        notification_id: notification.id,
        number: 1,
        attempted_at: noon(),
        duration_ms: 12,
        is_delivered: false,
        answer: "HTTP 500".to_owned(),
    };
    let after = AfterAttempt::TryAgain(noon() + 1.minute());
    let outcome = DeliveryOutcome { attempt, after, behind: Behind::These(Vec::new()) };
    fixture.store.record_attempt(&outcome).await.unwrap();
    let silence = Silence {
        id: Uuid::new_v4(),
        rule: None,
        reason: "moving the database".to_owned(),
        created_at: noon(),
        created_by: "cli:anna".to_owned(),
        ends_at: noon() + 1.hour(),
        ended_at: None,
        ended_by: None,
    };
    fixture.store.add_silence(&silence).await.unwrap();
}
