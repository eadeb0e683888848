//! A SQLite store whose file is changed, removed or replaced while a process has it open.

use std::fs;

use daymark::{database::DatabaseUrl, store::StoreError};

use crate::fixture::{Fixture, day, new_run};

fn path(fixture: &Fixture) -> std::path::PathBuf {
    let DatabaseUrl::Sqlite(path) = &fixture.url else { panic!("not SQLite") };
    path.clone()
}

#[tokio::test]
async fn the_store_version_changes_with_each_commit_and_not_with_reads() {
    let fixture = Fixture::sqlite();
    fixture.ready().await;
    let watch = fixture.store.watch();
    let before = watch.store_version().expect("the store is open");
    assert_eq!(watch.store_version(), Some(before));
    fixture.store.records(day(1), day(2), None).await.unwrap();
    assert_eq!(watch.store_version(), Some(before), "a read does not change the version");

    fixture.store.start_run(&new_run(day(1))).await.unwrap();
    let after = watch.store_version().expect("a commit is noticed at once");
    assert_ne!(after, before);
    // Another connection commits, as another process would.
    fixture.sql("UPDATE metric_definitions SET is_active = is_active").await.unwrap();
    assert!(watch.store_version().is_some_and(|store_version| store_version != after));
}

#[tokio::test]
async fn the_next_call_after_the_file_was_removed_or_replaced_is_refused() {
    for replaced in [false, true] {
        let fixture = Fixture::sqlite();
        fixture.ready().await;
        let watch = fixture.store.watch();
        let before = watch.store_version();
        let (path, copy) = (path(&fixture), path(&fixture).with_extension("copy"));
        fs::copy(&path, &copy).unwrap();
        fs::remove_file(&path).unwrap();
        if replaced {
            fs::rename(&copy, &path).unwrap();
        }
        assert_ne!(
            watch.store_version(),
            before,
            "answers from the old file must not be served from the cache"
        );
        let expected = if replaced { "replaced by another one" } else { "removed" };
        let refused = |error: StoreError| {
            assert!(error.to_string().contains(expected), "{error}");
            assert!(!error.is_transient());
        };
        refused(fixture.store.start_run(&new_run(day(2))).await.unwrap_err());
        refused(fixture.store.commit(&[], None).await.map(drop).unwrap_err());
        refused(fixture.store.ping().await.unwrap_err());
    }
}
