//! Revisions: which value of a day is in force, and what the databases refuse.

use daymark::{
    judgement::JUDGE_VERSION,
    metric::{MetricType, Provenance, Record},
    store::{
        EventKind, JudgedDay, NewRevision, Revision, RevisionBasis, RevisionBatch, RevisionEffect,
        RevisionFilter, Store, StoreError,
    },
};
use jiff::{ToSpan, civil::Date};
use serde_json::json;
use uuid::Uuid;

use crate::fixture::{Fixture, day, decimal, exact_metadata, finish, key, noon, record};

crate::on_both_stores!(
    revisions_are_numbered_by_day_and_listed_newest_first,
    the_last_revision_that_is_not_taken_back_is_in_force,
    a_batch_is_written_once_and_as_a_whole,
    revisions_that_make_no_sense_are_refused,
    a_revision_that_another_came_before_is_refused,
    a_revision_forgets_the_judgements_that_it_makes_wrong,
    a_judgement_of_values_that_were_corrected_meanwhile_is_not_written,
);

/// A revision of `posts_total` on a day of January.
fn revision(number: i8, effect: RevisionEffect) -> NewRevision {
    NewRevision {
        date: day(number),
        key: key(MetricType::Count, "posts_total"),
        effect,
        basis: RevisionBasis::MANUAL,
        number: None,
    }
}

pub fn correction(number: i8, value: &str) -> NewRevision {
    revision(number, RevisionEffect::Value { value: decimal(value), metadata: serde_json::Map::new() })
}

pub fn withdrawal(number: i8) -> NewRevision {
    revision(number, RevisionEffect::Withdrawal)
}

pub fn reversal(number: i8, takes_back: i32) -> NewRevision {
    revision(number, RevisionEffect::Reversal { takes_back })
}

fn batch(revisions: Vec<NewRevision>) -> RevisionBatch {
    RevisionBatch {
        id: Uuid::new_v4(),
        reason: "removed posts were counted — “über”".to_owned(),
        author: "cli:anna".to_owned(),
        made_at: noon(),
        revisions,
    }
}

pub async fn write(store: &dyn Store, revisions: Vec<NewRevision>) -> Result<Vec<Revision>, StoreError> {
    store.write_revisions(&batch(revisions)).await
}

/// A store with the first four days of January.
async fn recorded(fixture: &Fixture) {
    let run = fixture.ready().await;
    let records: Vec<_> = (1..=4).map(|number| record(run, day(number), &number.to_string())).collect();
    fixture.store.commit(&records, Some(&finish(run))).await.unwrap();
}

fn everything() -> RevisionFilter {
    RevisionFilter { limit: 100, ..RevisionFilter::default() }
}

/// The numbers of the revisions in force of a day.
async fn in_force(store: &dyn Store, number: i8) -> Vec<i32> {
    let filter = RevisionFilter {
        from: Some(day(number)),
        to: Some(day(number)),
        only_in_force: true,
        ..everything()
    };
    store.revisions(&filter).await.unwrap().iter().map(|revision| revision.revision).collect()
}

async fn revisions_are_numbered_by_day_and_listed_newest_first(fixture: Fixture) {
    recorded(&fixture).await;
    let store = fixture.store.as_ref();
    let version = RevisionBasis::Reconstruction { definition_version: 1 };
    let exact = RevisionEffect::Value { value: decimal("9007199254740993.10"), metadata: exact_metadata() };
    let first = batch(vec![NewRevision { basis: version, ..revision(1, exact.clone()) }, withdrawal(2)]);
    let written = store.write_revisions(&first).await.unwrap();
    let second = write(store, vec![correction(1, "7")]).await.unwrap();
    assert_eq!(second[0].revision, 2);
    let listed = fixture.again().revisions(&everything()).await.unwrap();
    let places = |revisions: &[Revision]| revisions.iter().map(Revision::position).collect::<Vec<_>>();
    // Of one instant, the last metric and day come first.
    assert_eq!(places(&written).iter().map(|place| place.date).max(), Some(day(2)));
    let mut both = [second.clone(), written.clone()].concat();
    both.sort_by(|one, other| other.created_at.cmp(&one.created_at).then(other.date.cmp(&one.date)));
    assert_eq!(places(&listed).len(), 3);
    assert!(both.iter().all(|revision| places(&listed).contains(&revision.position())));
    assert!(listed.is_sorted_by_key(|revision| std::cmp::Reverse(revision.created_at)));
    let of_first_day =
        listed.iter().find(|revision| revision.revision == 1 && revision.date == day(1)).unwrap();
    assert_eq!(
        (&of_first_day.effect, of_first_day.basis, of_first_day.batch_id, of_first_day.is_in_force),
        (&exact, version, first.id, false)
    );
    assert_eq!((of_first_day.reason.as_str(), of_first_day.author.as_str()), (&*first.reason, "cli:anna"));
    assert_eq!(of_first_day.recorded, decimal("1"));

    // Pages of one revision are the same list.
    let (mut paged, mut filter) = (Vec::new(), RevisionFilter { limit: 1, ..everything() });
    while let Some(next) = store.revisions(&filter).await.unwrap().pop() {
        filter.after = Some(next.position());
        paged.push(next);
    }
    assert_eq!(paged, listed);
    let only = async |filter: RevisionFilter| store.revisions(&filter).await.unwrap().len();
    assert_eq!(only(RevisionFilter { from: Some(day(2)), ..everything() }).await, 1);
    assert_eq!(only(RevisionFilter { to: Some(day(1)), ..everything() }).await, 2);
    assert_eq!(only(RevisionFilter { categories: vec!["mood".to_owned()], ..everything() }).await, 0);
    let named = vec!["mood".to_owned(), "posts_total".to_owned()];
    assert_eq!(only(RevisionFilter { categories: named, ..everything() }).await, 3);
    assert_eq!(only(RevisionFilter { batch: Some(first.id), ..everything() }).await, 2);
    assert_eq!(fixture.of_tenant("other").revisions(&everything()).await.unwrap(), []);
}

async fn the_last_revision_that_is_not_taken_back_is_in_force(fixture: Fixture) {
    recorded(&fixture).await;
    let store = fixture.store.as_ref();
    let steps = [
        (correction(1, "5"), vec![1]),
        (withdrawal(1), vec![2]),
        (correction(1, "6"), vec![3]),
        (reversal(1, 2), vec![3]),
        (reversal(1, 3), vec![1]),
        (reversal(1, 1), vec![]),
        (correction(1, "8"), vec![7]),
    ];
    let mut instants = Vec::new();
    for (step, expected) in steps {
        let written = write(store, vec![step]).await.unwrap();
        assert_eq!(in_force(store, 1).await, expected);
        instants.push((written[0].created_at, expected));
    }
    assert_eq!(in_force(store, 2).await, [0; 0]);
    // At an instant, the newest of the revisions of that instant counts: the clock of SQLite has milliseconds.
    for (instant, _) in &instants {
        let expected = &instants.iter().rfind(|(other, _)| other == instant).unwrap().1;
        let filter = RevisionFilter { only_in_force: true, as_of: Some(*instant), ..everything() };
        let then = store.revisions(&filter).await.unwrap();
        assert_eq!(&then.iter().map(|revision| revision.revision).collect::<Vec<_>>(), expected, "{instant}");
    }
}

async fn a_batch_is_written_once_and_as_a_whole(fixture: Fixture) {
    recorded(&fixture).await;
    let store = fixture.store.as_ref();
    let whole = batch(vec![correction(1, "5"), correction(2, "6")]);
    let written = store.write_revisions(&whole).await.unwrap();
    assert_eq!(store.write_revisions(&whole).await.unwrap(), written, "its answer may have been lost");
    write(store, vec![correction(3, "7"), reversal(1, 9)]).await.unwrap_err();
    assert_eq!(
        store.revisions(&everything()).await.unwrap(),
        written,
        "nothing of a refused batch is written"
    );
    assert!(write(store, Vec::new()).await.unwrap().is_empty());

    let events = store.events(0, 100).await.unwrap();
    let told: Vec<_> = events.iter().filter(|event| event.kind == EventKind::ValuesCorrected).collect();
    assert_eq!(told.len(), 1);
    let subject = json!({
        "batch_id": whole.id, "categories": ["posts_total"], "from": "2025-01-01", "to": "2025-01-02", "revisions": 2,
    });
    assert_eq!(serde_json::Value::Object(told[0].subject.clone()), subject);
}

async fn revisions_that_make_no_sense_are_refused(fixture: Fixture) {
    recorded(&fixture).await;
    let store = fixture.store.as_ref();
    write(store, vec![correction(1, "5")]).await.unwrap();
    write(store, vec![reversal(1, 1)]).await.unwrap();
    let wrong_basis = RevisionBasis::Reconstruction { definition_version: 7 };
    let refused = [
        (vec![correction(9, "5")], "the day has no record"),
        (vec![reversal(1, 3)], "no such revision to take back"),
        (vec![reversal(1, 2)], "no such revision to take back"),
        (vec![reversal(1, 1)], "taken back before"),
        (vec![correction(1, "-1")], "value_is_not_negative"),
        (vec![NewRevision { basis: wrong_basis, ..correction(1, "1") }], "FOREIGN KEY"),
        (vec![NewRevision { basis: wrong_basis, ..withdrawal(1) }], "FOREIGN KEY"),
        (vec![correction(1, "5"), correction(1, "6")], "is refused"),
    ];
    for (revisions, reason) in refused {
        let error = write(store, revisions).await.unwrap_err().to_string();
        // PostgreSQL's own constraints are named by their codes, as their messages have values.
        let codes = ["(23503)", "(23505)", "(23514)"];
        let is_said = error.to_lowercase().contains(&reason.to_lowercase())
            || fixture.is_postgres() && codes.iter().any(|code| error.contains(code));
        assert!(is_said, "{reason}: {error}");
    }
    for (reason, author) in
        [("", "cli:anna"), ("why", ""), (&"x".repeat(1001), "cli:anna"), ("why", &"x".repeat(201))]
    {
        let wrong = RevisionBatch {
            reason: reason.to_owned(),
            author: author.to_owned(),
            ..batch(vec![correction(1, "6")])
        };
        store.write_revisions(&wrong).await.unwrap_err();
    }
    assert_eq!(store.revisions(&everything()).await.unwrap().len(), 2);
}

/// Without the statistics, sessions keep the plans that they made while the table was empty.
#[tokio::test]
async fn many_revisions_renew_the_statistics_of_their_table() {
    let fixture = Fixture::postgres().await;
    let run = fixture.ready().await;
    let dates: Vec<_> = (0..50).map(|number| day(1).saturating_sub(number.days())).collect();
    let of_day = |date: &Date| Record { provenance: Provenance::Reconstructed, ..record(run, *date, "5") };
    let records: Vec<_> = dates.iter().map(of_day).collect();
    fixture.store.commit(&records, None).await.unwrap();
    let rows = async || {
        let select = "SELECT reltuples::INTEGER FROM pg_class WHERE oid = 'metric_revisions'::REGCLASS";
        let mut session = fixture.postgres_session().await;
        sqlx::query_scalar::<_, i32>(select).fetch_one(&mut session).await.unwrap()
    };
    let corrected = |dates: &[Date]| {
        let of_day = |date: &Date| NewRevision { date: *date, ..correction(1, "7") };
        dates.iter().map(of_day).collect::<Vec<_>>()
    };
    write(fixture.store.as_ref(), corrected(&dates[..1])).await.unwrap();
    assert!(rows().await < 1, "a few revisions are left to the server");
    write(fixture.store.as_ref(), corrected(&dates)).await.unwrap();
    assert_eq!(rows().await, 51);
}

/// A revision that was decided on before another one came was decided on without knowing that one.
async fn a_revision_that_another_came_before_is_refused(fixture: Fixture) {
    recorded(&fixture).await;
    let store = fixture.store.as_ref();
    let metric = key(MetricType::Count, "posts_total");
    let numbered = |number: i32, day: i8| NewRevision { number: Some(number), ..correction(day, "5") };
    write(store, vec![numbered(1, 1)]).await.unwrap();
    for wrong in [vec![numbered(1, 1)], vec![numbered(3, 1)], vec![numbered(1, 2), numbered(1, 1)]] {
        let refused = write(store, wrong.clone()).await.unwrap_err();
        assert!(refused.is_conflict(), "{wrong:?}: {refused}");
    }
    let second = batch(vec![numbered(2, 1), numbered(1, 3)]);
    let written = store.write_revisions(&second).await.unwrap();
    assert_eq!(store.write_revisions(&second).await.unwrap(), written, "its answer may have been lost");
    let last = store.last_revisions(&metric, day(1), day(4)).await.unwrap();
    let last = last.into_iter().map(|(date, last)| (date, last.number, last.takes_reconstruction_back));
    assert_eq!(last.collect::<Vec<_>>(), [(day(1), 2, false), (day(3), 1, false)]);
    let basis = RevisionBasis::Reconstruction { definition_version: 1 };
    write(store, vec![NewRevision { basis, ..correction(4, "9") }]).await.unwrap();
    for (step, takes_reconstruction_back) in
        [(reversal(4, 1), true), (correction(4, "8"), false), (reversal(4, 3), false)]
    {
        write(store, vec![step]).await.unwrap();
        let last = store.last_revisions(&metric, day(4), day(4)).await.unwrap();
        assert_eq!(last[&day(4)].takes_reconstruction_back, takes_reconstruction_back);
    }
    assert!(store.last_revisions(&metric, day(2), day(2)).await.unwrap().is_empty());
    assert!(fixture.of_tenant("other").last_revisions(&metric, day(1), day(4)).await.unwrap().is_empty());
}

/// Judgements of the first four days.
fn judgements() -> Vec<JudgedDay> {
    let judgement = daymark::judgement::Judgement {
        judge_version: JUDGE_VERSION,
        verdict: daymark::judgement::Verdict::Normal,
        reason: None,
        expected: None,
        score: None,
        baseline: None,
    };
    let judged = |number| JudgedDay {
        date: day(number),
        key: key(MetricType::Count, "posts_total"),
        judgement: judgement.clone(),
    };
    (1..=4).map(judged).collect()
}

async fn a_judgement_of_values_that_were_corrected_meanwhile_is_not_written(fixture: Fixture) {
    recorded(&fixture).await;
    let store = fixture.store.as_ref();
    let at =
        |minute: i64| RevisionBatch { made_at: noon() + minute.minutes(), ..batch(vec![correction(3, "5")]) };
    assert_eq!(store.newest_revision().await.unwrap(), None);
    store.write_revisions(&at(1)).await.unwrap();
    let known_until = store.newest_revision().await.unwrap();
    assert_eq!(known_until, Some(noon() + 1.minute()));
    // The values are read, and corrected before they are judged.
    store.write_revisions(&at(2)).await.unwrap();
    store.write_judgements(&judgements(), known_until).await.unwrap();
    let unjudged = async || {
        let unjudged = store.unjudged(JUDGE_VERSION, 10).await.unwrap();
        unjudged.into_iter().map(|(date, _)| date).collect::<Vec<_>>()
    };
    assert_eq!(unjudged().await, [day(3), day(4)]);
    store.write_judgements(&judgements(), store.newest_revision().await.unwrap()).await.unwrap();
    assert_eq!(unjudged().await, []);
}

async fn a_revision_forgets_the_judgements_that_it_makes_wrong(fixture: Fixture) {
    recorded(&fixture).await;
    let store = fixture.store.as_ref();
    let judged = judgements();
    store.write_judgements(&judged, None).await.unwrap();
    assert_eq!(store.unjudged(JUDGE_VERSION, 10).await.unwrap(), []);
    write(store, vec![correction(3, "5")]).await.unwrap();
    let left: Vec<_> =
        store.unjudged(JUDGE_VERSION, 10).await.unwrap().into_iter().map(|(date, _)| date).collect();
    assert_eq!(left, [day(3), day(4)], "the later value is judged by the corrected one");
}
