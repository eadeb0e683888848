//! Backups: copies that are read back and restored.

use std::fs;

use daymark::{
    backup::{self, BackupError},
    metric::Record,
    store::Store,
};
use jiff::ToSpan;

use crate::fixture::{Fixture, day, exact_metadata, finish, new_run, noon, record};

crate::on_both_stores!(
    a_backup_is_restored_where_there_is_nothing,
    a_backup_is_one_state_of_a_store_that_is_written_to,
    a_store_that_exists_is_never_overwritten,
    a_damaged_backup_is_refused,
    a_backup_is_of_all_tenants,
);

impl Fixture {
    /// A place of the same kind in which there is no store yet.
    async fn elsewhere(&self) -> Self {
        if self.is_postgres() { Self::postgres().await } else { Self::sqlite() }
    }
}

async fn recorded(fixture: &Fixture) {
    let run = fixture.ready().await;
    let records =
        [record(run, day(1), "1"), Record { metadata: exact_metadata(), ..record(run, day(2), "2.50") }];
    fixture.store.commit(&records, Some(&finish(run))).await.unwrap();
}

async fn a_backup_is_restored_where_there_is_nothing(fixture: Fixture) {
    recorded(&fixture).await;
    let directory = tempfile::tempdir().unwrap();
    let into = directory.path().join("of/the/store");
    assert!(backup::find(&into).is_err(), "there is no directory yet");
    let made = backup::back_up(fixture.store.as_ref(), &into, noon()).await.unwrap();
    assert_eq!(made.path, into.join("daymark-20250201T120000Z"));
    assert_eq!((made.manifest.contents.records(), made.manifest.contents.runs), (2, 1));
    let names: Vec<_> = fs::read_dir(&into).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["daymark-20250201T120000Z"], "nothing is left of the work");
    let later = backup::back_up(fixture.store.as_ref(), &into, noon() + 1.hour()).await.unwrap();
    assert_eq!(backup::find(&into).unwrap().newest.unwrap().path, later.path);

    let restored = fixture.elsewhere().await;
    backup::restore(restored.store.as_ref(), &made.path).await.unwrap();
    assert!(restored.again().pending_migrations().await.unwrap().is_empty());
    assert_eq!(restored.again().integrity().await.unwrap(), Vec::new());
    let records =
        |store: std::sync::Arc<dyn Store>| async move { store.records(day(1), day(31), None).await.unwrap() };
    assert_eq!(records(restored.again()).await, records(fixture.again()).await);
    assert_eq!(restored.again().contents().await.unwrap(), made.manifest.contents);
    for statement in ["UPDATE daily_metrics SET value = '3'", "DELETE FROM daily_metrics"] {
        assert!(restored.sql(statement).await.is_err(), "{statement}");
    }
    // The restored store accepts further records.
    let run = new_run(day(3));
    restored.store.start_run(&run).await.unwrap();
    let written = restored.store.commit(&[record(run.id, day(3), "3")], Some(&finish(run.id))).await.unwrap();
    assert_eq!(written.len(), 1);
}

/// The migrations took the privileges that change records from the owner, and the copy names the owner of then.
#[tokio::test]
async fn another_role_that_restores_has_no_more_privileges_than_the_owner_had() {
    let fixture = Fixture::postgres().await;
    recorded(&fixture).await;
    let directory = tempfile::tempdir().unwrap();
    let made = backup::back_up(fixture.store.as_ref(), directory.path(), noon()).await.unwrap();
    let elsewhere = Fixture::postgres().await;
    let role = format!("restorer_{}", uuid::Uuid::new_v4().simple());
    let grant = format!(
        "CREATE ROLE {role} LOGIN; DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO {role}', current_database()); END $$"
    );
    elsewhere.sql(&grant).await.unwrap();
    let restored = elsewhere.logged_in_as(&role);
    backup::restore(restored.store.as_ref(), &made.path).await.unwrap();
    assert_eq!(restored.again().integrity().await.unwrap(), Vec::new());
    let owners =
        "SELECT DISTINCT pg_get_userbyid(grantee)::TEXT FROM pg_class CROSS JOIN LATERAL aclexplode(relacl)
        WHERE relnamespace = 'daymark'::REGNAMESPACE AND grantee <> 0";
    let grantees: Vec<String> =
        sqlx::query_scalar(owners).fetch_all(&mut elsewhere.postgres_session().await).await.unwrap();
    assert_eq!(grantees, [role]);
}

async fn a_backup_is_one_state_of_a_store_that_is_written_to(fixture: Fixture) {
    let run = fixture.ready().await;
    let writer = fixture.again();
    let (stop, mut stopped) = tokio::sync::watch::channel(false);
    let writing = tokio::spawn(async move {
        let mut written = 0;
        let mut date = day(1);
        while !*stopped.borrow_and_update() {
            writer.commit(&[record(run, date, "1")], None).await.unwrap();
            (date, written) = (date.yesterday().unwrap(), written + 1);
        }
        written
    });
    let directory = tempfile::tempdir().unwrap();
    let mut sizes = Vec::new();
    for second in 0..3 {
        let at = noon() + second.seconds();
        let made = backup::back_up(fixture.store.as_ref(), directory.path(), at).await.unwrap();
        let restored = fixture.elsewhere().await;
        backup::restore(restored.store.as_ref(), &made.path).await.unwrap();
        // The writer goes back day by day: what is there has no hole.
        let records =
            restored.store.records(day(1).saturating_sub(20_000.days()), day(1), None).await.unwrap();
        let expected = made.manifest.contents.records();
        assert_eq!(records.len() as u64, expected);
        if let (Some(first), Some(last)) = (records.first(), records.last()) {
            assert_eq!((last.metric_date - first.metric_date).get_days() + 1, records.len() as i32);
        }
        sizes.push(expected);
    }
    stop.send(true).unwrap();
    let written = writing.await.unwrap();
    assert!(sizes.is_sorted() && sizes[2] > 0 && sizes[2] <= written, "{sizes:?} of {written}");
}

async fn a_store_that_exists_is_never_overwritten(fixture: Fixture) {
    recorded(&fixture).await;
    let directory = tempfile::tempdir().unwrap();
    let made = backup::back_up(fixture.store.as_ref(), directory.path(), noon()).await.unwrap();
    let before = fixture.again().contents().await.unwrap();
    let refused = backup::restore(fixture.again().as_ref(), &made.path).await.unwrap_err();
    assert!(refused.to_string().contains("already"), "{refused}");
    assert_eq!(fixture.again().contents().await.unwrap(), before);
    let migrated = fixture.elsewhere().await;
    migrated.store.migrate().await.unwrap();
    let refused = backup::restore(migrated.again().as_ref(), &made.path).await.unwrap_err();
    assert!(refused.to_string().contains("already"), "an empty store is a store: {refused}");
}

fn make_pipe(path: &std::path::Path) {
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
}

async fn a_damaged_backup_is_refused(fixture: Fixture) {
    recorded(&fixture).await;
    let directory = tempfile::tempdir().unwrap();
    let made = backup::back_up(fixture.store.as_ref(), directory.path(), noon()).await.unwrap();
    let empty = fixture.elsewhere().await;
    let restoring = async || backup::restore(empty.again().as_ref(), &made.path).await.unwrap_err();

    let (copy, manifest) = (made.path.join("store"), made.path.join("manifest.json"));
    let whole = fs::read(&copy).unwrap();
    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 1;
    fs::write(&copy, &damaged).unwrap();
    assert!(matches!(restoring().await, BackupError::Damaged { .. }));
    fs::write(&copy, &whole[..whole.len() - 1]).unwrap();
    assert!(matches!(restoring().await, BackupError::Damaged { .. }));
    fs::write(&copy, &whole).unwrap();

    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text.replace("\"layout\": 1", "\"layout\": 2")).unwrap();
    assert!(matches!(restoring().await, BackupError::Newer { .. }));
    let made_by = format!("\"made_by\": \"{}\"", made.manifest.made_by);
    fs::write(&manifest, text.replace(&made_by, "\"made_by\": \"9999.0.0\"")).unwrap();
    assert!(matches!(restoring().await, BackupError::Newer { .. }));
    let other = if fixture.is_postgres() { "sqlite" } else { "postgresql:daymark" };
    let format = if fixture.is_postgres() { "postgresql:daymark" } else { "sqlite" };
    fs::write(&manifest, text.replace(&format!("\"{format}\""), &format!("\"{other}\""))).unwrap();
    assert!(matches!(restoring().await, BackupError::OtherFormat { .. }));
    fs::remove_file(&manifest).unwrap();
    assert!(matches!(restoring().await, BackupError::NoBackup { .. }));
    // No process writes to this pipe.
    make_pipe(&manifest);
    let refused = restoring().await.to_string();
    assert!(refused.contains("it is not a regular file"), "{refused}");
    fs::remove_file(&manifest).unwrap();
    fs::write(&manifest, &text).unwrap();
    fs::remove_file(&copy).unwrap();
    make_pipe(&copy);
    let refused = restoring().await.to_string();
    assert!(refused.contains("it is not a regular file"), "{refused}");
    fs::remove_file(&copy).unwrap();
    fs::write(&copy, &whole).unwrap();

    // Nothing was made of any of them.
    fs::write(&manifest, &text).unwrap();
    backup::restore(empty.again().as_ref(), &made.path).await.unwrap();
    // A manifest that names other records than the copy has.
    let wrong = text.replace(&made.manifest.contents.metrics[0].sha256, &"0".repeat(64));
    fs::write(&manifest, wrong).unwrap();
    let another = fixture.elsewhere().await;
    let differs = backup::restore(another.store.as_ref(), &made.path).await.unwrap_err();
    assert!(matches!(&differs, BackupError::Differs(what) if what.contains("posts_total")), "{differs}");
}

async fn a_backup_is_of_all_tenants(fixture: Fixture) {
    recorded(&fixture).await;
    let other = fixture.of_tenant("other");
    let changes: Vec<_> =
        crate::fixture::definitions().into_iter().map(daymark::store::DefinitionChange::Add).collect();
    other.change_definitions(&changes, daymark::store::Origin::File, noon()).await.unwrap();
    let run = new_run(day(5));
    other.start_run(&run).await.unwrap();
    other.commit(&[record(run.id, day(5), "7")], Some(&finish(run.id))).await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let made = backup::back_up(fixture.store.as_ref(), directory.path(), noon()).await.unwrap();
    let tenants: Vec<_> =
        made.manifest.contents.metrics.iter().map(|metric| metric.tenant.as_str()).collect();
    assert_eq!(tenants, ["default", "other"]);
    let restored = fixture.elsewhere().await;
    backup::restore(restored.store.as_ref(), &made.path).await.unwrap();
    assert_eq!(restored.of_tenant("other").records(day(1), day(31), None).await.unwrap().len(), 1);
}
