//! Redactions: a label is replaced wherever the store has it, nothing else changes, and the label does not come back.

use std::collections::BTreeMap;

use daymark::{
    metric::{MetricType, Record},
    store::{
        AlertState, AlertStatus, AnnotationText, AskedMetric, EventKind, Finish, JobEnd, JobKind, JobStatus,
        NewJob, NewRedaction, NewRevision, Pause, Redaction, RevisionBasis, RevisionBatch, RevisionEffect,
        RevisionFilter, RunStatus, SeriesQuestion, Silence, Store, Trigger, ValuesAsked,
    },
};
use jiff::ToSpan;
use serde_json::{Map, Value, json};
use sqlx::{AssertSqlSafe, Connection, Executor, Row};
use uuid::Uuid;

use crate::fixture::{Fixture, day, decimal, finish, key, new_run, noon, record};

crate::on_both_stores!(
    a_label_is_replaced_wherever_the_store_has_it,
    texts_that_are_left_are_counted_and_the_first_are_named,
    a_redacted_label_does_not_come_back,
    the_same_label_keeps_its_placeholder,
    commits_during_a_redaction_leave_no_label,
    a_killed_redaction_changes_nothing,
    the_numbers_of_a_row_named_like_the_placeholder_are_added_up,
);

pub const NAME: &str = "Ada Lovelace";

/// Metadata with the name, a part of the name as another label, and numbers with digits that a float would lose.
fn labels(count: &str) -> Map<String, Value> {
    let text = format!(
        r#"{{"breakdown":{{"Zoe":1.50,"{NAME}":{count},"Ada Lovelace Jr":3}},"sums":{{"{NAME}":9007199254740993.250}},"sample_sizes":{{"{NAME}":2}},"other":{{"labels":0,"value":0}},"total":7.00,"unlabelled":0,"top_items":[{{"key":"{NAME}","value":2}},{{"key":"Zoe","value":1}}]}}"#
    );
    serde_json::from_str(&text).unwrap()
}

/// A record of `top_genres` with a label that is a name.
pub fn named(run: Uuid, number: i8) -> Record {
    Record {
        key: key(MetricType::Aggregate, "top_genres"),
        metadata: labels("2"),
        ..record(run, day(number), "3.10")
    }
}

pub fn redaction(label: &str) -> NewRedaction {
    NewRedaction {
        id: Uuid::new_v4(),
        label: label.to_owned(),
        placeholder: daymark::metric::placeholder(Uuid::new_v4().as_u64_pair().0),
        reason: "the person asked for it".to_owned(),
        author: "cli:anna".to_owned(),
        made_at: noon() + 1.hour(),
    }
}

fn corrected(number: i8, count: &str) -> NewRevision {
    NewRevision {
        date: day(number),
        key: key(MetricType::Aggregate, "top_genres"),
        effect: RevisionEffect::Value { value: decimal("3.5"), metadata: labels(count) },
        basis: RevisionBasis::MANUAL,
        number: None,
    }
}

async fn correct(store: &dyn Store, reason: &str, revisions: Vec<NewRevision>) {
    let batch = RevisionBatch {
        id: Uuid::new_v4(),
        reason: reason.to_owned(),
        author: "cli:anna".to_owned(),
        made_at: noon(),
        revisions,
    };
    store.write_revisions(&batch).await.unwrap();
}

/// Three days with the name, one of which was corrected twice and one withdrawn; a day without it; and texts that name it.
pub async fn recorded(fixture: &Fixture) -> Uuid {
    let run = fixture.ready().await;
    let other = Record { metadata: Map::new(), ..named(run, 4) };
    let records = [named(run, 1), named(run, 2), named(run, 3), other, record(run, day(1), "5")];
    let failed = Finish {
        status: RunStatus::Partial,
        error_message: Some(format!("invalid number: \"{NAME}\"")),
        error_details: json!({"failures": [{"message": format!("{NAME} is no number")}]})
            .as_object()
            .cloned(),
        ..finish(run)
    };
    fixture.store.commit(&records, Some(&failed)).await.unwrap();
    let store = fixture.store.as_ref();
    correct(store, &format!("{NAME}'s posts were counted twice"), vec![corrected(2, "4")]).await;
    correct(store, "once more", vec![corrected(2, "5")]).await;
    let withdrawn = NewRevision { effect: RevisionEffect::Withdrawal, ..corrected(3, "0") };
    correct(store, "not known", vec![withdrawn]).await;
    texts(fixture).await;
    run
}

async fn texts(fixture: &Fixture) {
    let store = &fixture.store;
    let annotation = AnnotationText {
        first_day: day(1),
        last_day: day(2),
        category: None,
        text: format!("{NAME} joined; \"{NAME}\" and Ada Lovelacey"),
    };
    store.add_annotation(Uuid::new_v4(), &annotation, "cli:anna").await.unwrap();
    let job = NewJob {
        id: Uuid::new_v4(),
        kind: JobKind::Collect,
        spec: Map::new(),
        trigger: Trigger::Api,
        actor: "key:1".to_owned(),
        created_at: noon(),
        host: "here".to_owned(),
        process_id: 7,
    };
    store.add_job(&job).await.unwrap();
    store.start_job(job.id, noon()).await.unwrap();
    let end = JobEnd {
        id: job.id,
        status: JobStatus::Failed,
        finished_at: noon(),
        run_id: None,
        result: json!({"error": format!("\"{NAME}\"")}).as_object().cloned(),
    };
    store.finish_job(&end).await.unwrap();
    let reason = format!("until {NAME} is back");
    let pause = Pause {
        id: Uuid::new_v4(),
        paused_at: noon(),
        paused_by: "cli:anna".to_owned(),
        reason: reason.clone(),
        until: None,
        resumed_at: None,
        resumed_by: None,
    };
    store.add_pause(&pause).await.unwrap();
    let silence = Silence {
        id: Uuid::new_v4(),
        rule: None,
        reason,
        created_at: noon(),
        created_by: "cli:anna".to_owned(),
        ends_at: noon() + 1.hour(),
        ended_at: None,
        ended_by: None,
    };
    store.add_silence(&silence).await.unwrap();
    let firing = AlertState {
        rule: "posts".to_owned(),
        status: AlertStatus::Firing,
        since: noon(),
        started_at: Some(noon()),
        summary: format!("{NAME} has no posts"),
        fired_as: None,
        told: BTreeMap::new(),
        is_silenced: false,
        revision: 1,
    };
    assert!(store.commit_alerts(&[firing], &[]).await.unwrap());
}

/// Every row of every table as text.
pub async fn everything(fixture: &Fixture) -> String {
    let mut rows = Vec::new();
    if fixture.is_postgres() {
        let mut session = fixture.postgres_session().await;
        let tables: Vec<String> = sqlx::query_scalar("SELECT own_tables::TEXT FROM own_tables() ORDER BY 1")
            .fetch_all(&mut session)
            .await
            .unwrap();
        for table in tables {
            let select = AssertSqlSafe(format!("SELECT row::TEXT FROM {table} AS row ORDER BY 1"));
            let of_table: Vec<String> = sqlx::query_scalar(select).fetch_all(&mut session).await.unwrap();
            rows.extend(of_table);
        }
        return rows.join("\n");
    }
    let mut connection = fixture.sqlite_connection().await;
    let tables = "SELECT name, (SELECT group_concat('quote(' || name || ')', ' || '','' || ') FROM pragma_table_info(t.name)) AS columns
                  FROM sqlite_schema AS t WHERE type = 'table'";
    for table in sqlx::query(tables).fetch_all(&mut connection).await.unwrap() {
        let (name, columns): (String, String) = (table.get("name"), table.get("columns"));
        let select = AssertSqlSafe(format!("SELECT {columns} FROM {name}"));
        let of_table: Vec<String> = sqlx::query_scalar(select).fetch_all(&mut connection).await.unwrap();
        rows.extend(of_table);
    }
    rows.join("\n")
}

async fn redact(fixture: &Fixture) -> Redaction {
    fixture.store.redact(&redaction(NAME)).await.unwrap().unwrap()
}

async fn texts_that_are_left_are_counted_and_the_first_are_named(fixture: Fixture) {
    let run = fixture.ready().await;
    let days = || 1..=5_i8;
    let totals: Vec<_> = days().map(|number| record(run, day(number), "7")).collect();
    fixture.store.commit(&totals, None).await.unwrap();
    let note = |number: i8| NewRevision {
        date: day(number),
        key: key(MetricType::Count, "posts_total"),
        effect: RevisionEffect::Value {
            value: decimal("3"),
            metadata: serde_json::from_str(&format!(
                r#"{{"note":{{"why":"of {NAME}"}},"other":{{"labels":0}}}}"#
            ))
            .unwrap(),
        },
        basis: RevisionBasis::MANUAL,
        number: None,
    };
    correct(fixture.store.as_ref(), "counted by hand", days().map(note).collect()).await;
    let found = fixture.store.find_label(NAME).await.unwrap();
    let [left] = found.left.as_slice() else { panic!("{found:?}") };
    assert_eq!((left.count, left.first.len()), (5, 3));
    assert!(
        left.first[0].starts_with("the metadata of revision 1 of `posts_total` of 2025-01-0"),
        "{left:?}"
    );
    assert!(fixture.store.find_label("other").await.unwrap().left.is_empty(), "a member is no text");
    assert_eq!(fixture.store.find_label("why").await.unwrap().left[0].count, 5, "the name of another is");
}

async fn a_label_is_replaced_wherever_the_store_has_it(fixture: Fixture) {
    recorded(&fixture).await;
    let before = fixture.store.records(day(1), day(31), None).await.unwrap();
    let dump = everything(&fixture).await;
    let mentions = dump.matches(NAME).count();
    assert!(mentions > 30, "{dump}");
    let found = fixture.store.find_label(NAME).await.unwrap();
    assert_eq!(everything(&fixture).await, dump, "finding it changes nothing");
    let made = redact(&fixture).await;
    assert_eq!(found.places, made.places);
    assert_eq!((found.left.len(), found.placeholder), (0, None));
    let metric = &made.places.metrics[0];
    assert_eq!((metric.records, metric.revisions, metric.from, metric.to), (3, 2, day(1), day(3)));
    let texts: Vec<_> = made.places.texts.iter().map(|texts| (texts.place.as_str(), texts.texts)).collect();
    assert_eq!(
        texts,
        [
            ("metric_revisions.reason", 1),
            ("annotations.text", 1),
            ("metric_collection_log.error_message", 1),
            ("metric_collection_log.error_details", 1),
            ("jobs.result", 1),
            ("schedule_pauses.reason", 1),
            ("alert_silences.reason", 1),
            ("alert_states.summary", 1),
        ]
    );

    // What is left are a longer label and a longer word.
    let after = everything(&fixture).await;
    let left = after.replace("Ada Lovelace Jr", "").replace("Ada Lovelacey", "");
    assert!(!left.contains(NAME), "{left}");
    assert!(!left.contains("Ada"), "no part of it either: {left}");
    // Nothing but the label differs in the records, their order included on SQLite, whose JSON has one.
    let expected: Vec<_> = before.into_iter().map(|record| without(record, &made.placeholder)).collect();
    let records = fixture.store.records(day(1), day(31), None).await.unwrap();
    assert_eq!(records, expected);
    if !fixture.is_postgres() {
        let text = |record: &Record| serde_json::to_string(&record.metadata).unwrap();
        assert_eq!(
            records.iter().map(text).collect::<Vec<_>>(),
            expected.iter().map(text).collect::<Vec<_>>()
        );
    }
    in_force_and_earlier_values_have_the_placeholder(&fixture, &made).await;
    assert_eq!(fixture.store.redactions().await.unwrap(), std::slice::from_ref(&made));
    assert_eq!((made.author.as_str(), made.reason.as_str()), ("cli:anna", "the person asked for it"));
    assert_eq!(fixture.store.integrity().await.unwrap(), []);
    let kinds: Vec<_> = fixture.store.events(0, 100).await.unwrap().iter().map(|event| event.kind).collect();
    assert_eq!(kinds.last(), Some(&EventKind::ValuesCorrected));
    fixture.store.rewrite_after_redaction().await.unwrap();
    assert_no_file_has_the_label(&fixture);
}

/// The record as it is to be after the redaction, made by replacing text.
fn without(mut record: Record, placeholder: &str) -> Record {
    let text = serde_json::to_string(&record.metadata).unwrap();
    let text = text.replace(&format!("\"{NAME}\""), &format!("\"{placeholder}\""));
    record.metadata = serde_json::from_str(&text).unwrap();
    record
}

async fn in_force_and_earlier_values_have_the_placeholder(fixture: &Fixture, made: &Redaction) {
    let all = RevisionFilter { limit: 100, ..RevisionFilter::default() };
    let revisions = fixture.store.revisions(&all).await.unwrap();
    let new: Vec<_> = revisions.iter().filter(|revision| revision.reason == made.reason).collect();
    // The withdrawn day has no value in force, and gets none.
    let days: Vec<_> = new.iter().map(|revision| (revision.date, revision.basis)).collect();
    assert_eq!(days, [(day(2), RevisionBasis::MANUAL), (day(1), RevisionBasis::Redaction)]);
    let asked =
        AskedMetric { key: key(MetricType::Aggregate, "top_genres"), metadata: true, judgement: false };
    let views = [
        ValuesAsked::default(),
        ValuesAsked { as_recorded: true, as_of: None },
        ValuesAsked { as_recorded: false, as_of: Some(made.created_at) },
        // Before the redaction.
        ValuesAsked { as_recorded: false, as_of: Some(noon()) },
    ];
    for values in views {
        let question = SeriesQuestion { from: day(1), to: day(31), metrics: vec![asked.clone()], values };
        for day in &fixture.store.series_days(&question).await.unwrap()[0].recorded {
            let metadata = Value::Object(*day.metadata.clone().unwrap());
            let has = metadata["breakdown"].get(&made.placeholder).is_some();
            assert_eq!(has, !metadata["breakdown"].is_null(), "{values:?} {metadata}");
        }
    }
}

/// The file of an SQLite store, the write-ahead log and the index of that.
fn assert_no_file_has_the_label(fixture: &Fixture) {
    let daymark::database::DatabaseUrl::Sqlite(path) = &fixture.url else { return };
    for file in std::fs::read_dir(path.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path()) {
        if file.is_dir() {
            continue;
        }
        let bytes = std::fs::read(&file).unwrap();
        let text =
            String::from_utf8_lossy(&bytes).replace("Ada Lovelace Jr", "").replace("Ada Lovelacey", "");
        assert!(!text.contains(NAME), "{}", file.display());
    }
}

async fn a_redacted_label_does_not_come_back(fixture: Fixture) {
    recorded(&fixture).await;
    let made = redact(&fixture).await;
    assert_eq!(fixture.store.returned_labels(day(1)).await.unwrap(), []);
    let run = new_run(day(5));
    fixture.store.start_run(&run).await.unwrap();
    // With a simulated clock, a record was made when its platform was read.
    let later = Record { collection_timestamp: noon() + 2.hours(), ..named(run.id, 5) };
    fixture.store.commit(std::slice::from_ref(&later), Some(&finish(run.id))).await.unwrap();
    correct(fixture.store.as_ref(), "counted by hand", vec![corrected(1, "8")]).await;
    let dump = everything(&fixture).await.replace("Ada Lovelace Jr", "").replace("Ada Lovelacey", "");
    assert!(!dump.contains(NAME), "{dump}");
    let recorded = fixture.store.records(day(5), day(5), None).await.unwrap();
    assert_eq!(recorded[0], without(later, &made.placeholder));
    let returned = fixture.store.returned_labels(day(1)).await.unwrap();
    assert_eq!((returned.len(), returned[0].date, &returned[0].placeholder), (1, day(5), &made.placeholder));
    assert_eq!(fixture.store.returned_labels(day(6)).await.unwrap(), []);
    assert_eq!(fixture.store.redact(&redaction(NAME)).await.unwrap(), None, "nothing is left");
}

async fn the_same_label_keeps_its_placeholder(fixture: Fixture) {
    let run = recorded(&fixture).await;
    let other_tenant = fixture.of_tenant("other");
    let changes = crate::fixture::definitions().into_iter().map(daymark::store::DefinitionChange::Add);
    let changes: Vec<_> = changes.collect();
    other_tenant.change_definitions(&changes, daymark::store::Origin::File, noon()).await.unwrap();
    let own = daymark::store::NewRun { id: run, ..new_run(day(1)) };
    other_tenant.start_run(&own).await.unwrap();
    other_tenant.commit(&[named(run, 1)], Some(&finish(run))).await.unwrap();
    let first = redact(&fixture).await;
    let annotation =
        AnnotationText { first_day: day(1), last_day: day(1), category: None, text: format!("{NAME} again") };
    fixture.store.add_annotation(Uuid::new_v4(), &annotation, "cli:anna").await.unwrap();
    assert_eq!(fixture.store.find_label(NAME).await.unwrap().placeholder.as_ref(), Some(&first.placeholder));
    let second = redact(&fixture).await;
    assert_eq!(second.placeholder, first.placeholder);
    let zoe = fixture.store.redact(&redaction("Zoe")).await.unwrap().unwrap();
    assert_ne!(zoe.placeholder, first.placeholder);
    // The answer was lost, and the same redaction is asked for again.
    let again = NewRedaction { id: zoe.id, ..redaction("Zoe") };
    assert_eq!(fixture.store.redact(&again).await.unwrap(), Some(zoe));
    // Other tenants keep their labels.
    let records = other_tenant.records(day(1), day(1), None).await.unwrap();
    assert!(records[0].metadata["breakdown"].get(NAME).is_some());
    assert_eq!(other_tenant.redactions().await.unwrap(), []);
    let elsewhere = other_tenant.redact(&redaction(NAME)).await.unwrap().unwrap();
    assert_ne!(elsewhere.placeholder, first.placeholder);
}

/// Records are committed while the label is redacted: each either is there before and is changed, or gets the placeholder.
async fn commits_during_a_redaction_leave_no_label(fixture: Fixture) {
    recorded(&fixture).await;
    let run = daymark::store::NewRun { to: day(31), ..new_run(day(5)) };
    fixture.store.start_run(&run).await.unwrap();
    let recorder = fixture.again();
    let recording = async {
        for number in 5..=31 {
            recorder.commit(&[named(run.id, number)], None).await.unwrap();
        }
    };
    let ((), made) = tokio::join!(recording, redact(&fixture));
    for record in fixture.store.records(day(1), day(31), None).await.unwrap() {
        if let Some(labels) = record.metadata.get("breakdown") {
            assert!(labels.get(NAME).is_none() && labels.get(&made.placeholder).is_some(), "{record:?}");
        }
    }
}

/// A store whose process or session ends in the middle of the redaction has no trace of it, and the next redaction is whole.
async fn a_killed_redaction_changes_nothing(fixture: Fixture) {
    recorded(&fixture).await;
    let before = everything(&fixture).await;
    // The reasons are the last thing that a redaction changes.
    let (block, unblock) = match fixture.is_postgres() {
        true => (
            "CREATE FUNCTION block() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'blocked'; END $$;
             CREATE TRIGGER block AFTER UPDATE OF reason ON metric_revisions FOR EACH ROW EXECUTE FUNCTION block()",
            "DROP TRIGGER block ON metric_revisions; DROP FUNCTION block",
        ),
        false => (
            "CREATE TRIGGER block AFTER UPDATE OF reason ON metric_revisions BEGIN SELECT RAISE(ABORT, 'blocked'); END",
            "DROP TRIGGER block",
        ),
    };
    fixture.sql(block).await.unwrap();
    let error = fixture.again().redact(&redaction(NAME)).await.unwrap_err();
    assert!(error.to_string().contains(if fixture.is_postgres() { "P0001" } else { "blocked" }), "{error}");
    fixture.sql(unblock).await.unwrap();
    assert_eq!(everything(&fixture).await, before);
    assert_eq!(fixture.store.integrity().await.unwrap(), []);
    redact(&fixture).await;
    assert_eq!(fixture.store.integrity().await.unwrap(), []);
}

/// The change of an annotation ends while the redaction waits for it.
#[tokio::test]
async fn a_text_that_is_changed_during_a_redaction_keeps_the_change() {
    let fixture = Fixture::postgres().await;
    recorded(&fixture).await;
    let mut session = fixture.postgres_session().await;
    let mut changing = session.begin().await.unwrap();
    let change =
        format!("UPDATE annotations SET changed_by = 'cli:eve', text = '{NAME} joined, and {NAME} left'");
    changing.execute(AssertSqlSafe(change)).await.unwrap();
    let change = async {
        let mut watching = fixture.postgres_session().await;
        crate::settled::wait_for_a_waiter(&mut watching).await;
        changing.commit().await.unwrap();
    };
    let (made, ()) = tokio::join!(redact(&fixture), change);
    let texts = fixture.store.annotations(day(1), day(31), 10).await.unwrap();
    assert_eq!(texts[0].content.text, "@ joined, and @ left".replace('@', &made.placeholder));
}

/// A record with numbers under the name and under the placeholder.
fn with_a_row_named_like(placeholder: &str, run: Uuid, number: i8) -> Record {
    let text = format!(
        r#"{{"breakdown":{{"{NAME}":9007199254740993.50,"Zoe":1,"{placeholder}":2}},"sums":{{"{NAME}":1.0,"{placeholder}":1}},"sample_sizes":{{"{NAME}":2,"{placeholder}":1}},"other":{{"labels":0,"value":0}},"total":4,"unlabelled":0,"top_items":[{{"key":"{NAME}","value":3}},{{"key":"{placeholder}","value":2}}]}}"#
    );
    Record { metadata: serde_json::from_str(&text).unwrap(), ..named(run, number) }
}

/// A user of the platform may have chosen the placeholder as the name.
async fn the_numbers_of_a_row_named_like_the_placeholder_are_added_up(fixture: Fixture) {
    recorded(&fixture).await;
    let wanted = redaction(NAME);
    let placeholder = wanted.placeholder.clone();
    let run = new_run(day(5));
    fixture.store.start_run(&run).await.unwrap();
    let before = with_a_row_named_like(&placeholder, run.id, 5);
    fixture.store.commit(&[before], Some(&finish(run.id))).await.unwrap();
    fixture.store.redact(&wanted).await.unwrap().unwrap();
    let run = new_run(day(6));
    fixture.store.start_run(&run).await.unwrap();
    let later = with_a_row_named_like(&placeholder, run.id, 6);
    let later = Record { collection_timestamp: noon() + 2.hours(), ..later };
    fixture.store.commit(&[later], Some(&finish(run.id))).await.unwrap();
    for number in [5, 6] {
        let records = fixture.store.records(day(number), day(number), None).await.unwrap();
        let metadata = &records[0].metadata;
        let text = |part: &str| metadata[part][&placeholder].to_string();
        assert_eq!((text("sums"), text("sample_sizes")), ("2".to_owned(), "3".to_owned()), "{metadata:?}");
        assert_eq!(text("breakdown"), "0.666666666667", "a mean is computed again: {metadata:?}");
        assert_eq!(metadata["breakdown"].as_object().unwrap().len(), 2);
        assert_eq!(metadata["top_items"].as_array().unwrap().len(), 2);
    }
}
