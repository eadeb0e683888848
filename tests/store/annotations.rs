//! Annotations of days, and the ends of sessions.

use daymark::store::AnnotationText;
use jiff::ToSpan;
use uuid::Uuid;

use crate::fixture::{Fixture, day, noon};

crate::on_both_stores!(
    annotations_are_listed_by_day_changed_and_deleted,
    the_database_keeps_the_authors_of_annotations,
    invalid_annotations_are_refused,
    the_latest_end_of_sessions_is_kept_for_their_lifetime
);

fn content(first: i8, last: i8, text: &str) -> AnnotationText {
    AnnotationText { first_day: day(first), last_day: day(last), category: None, text: text.to_owned() }
}

async fn annotations_are_listed_by_day_changed_and_deleted(fixture: Fixture) {
    fixture.ready().await;
    let store = &fixture.store;
    let (release, outage) = (Uuid::new_v4(), Uuid::new_v4());
    let about_posts =
        AnnotationText { category: Some("posts_total".to_owned()), ..content(2, 2, "release 2.1 🎷") };
    let made = store.add_annotation(release, &about_posts, "user:anna").await.unwrap();
    assert_eq!((&made.content, made.created_by.as_str()), (&about_posts, "user:anna"));
    assert_eq!((made.changed_at, made.changed_by.as_deref()), (None, None));
    let again = store.add_annotation(release, &content(9, 9, "another"), "user:bob").await.unwrap();
    assert_eq!(again, made, "an answer was lost");
    store.add_annotation(outage, &content(4, 8, "outage"), "key:1").await.unwrap();

    let ids = async |from, to, limit| {
        let found = store.annotations(day(from), day(to), limit).await.unwrap();
        found.iter().map(|annotation| annotation.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(1, 9, 10).await, [outage, release]);
    assert_eq!(ids(1, 9, 1).await, [outage]);
    for (from, to) in [(8, 9), (3, 4), (5, 6)] {
        assert_eq!(ids(from, to, 10).await, [outage], "{from} to {to}");
    }
    assert!(ids(3, 3, 10).await.is_empty());

    let moved =
        store.change_annotation(release, &content(3, 3, "release 2.2"), "key:1").await.unwrap().unwrap();
    assert_eq!((&moved.content, moved.changed_by.as_deref()), (&content(3, 3, "release 2.2"), Some("key:1")));
    assert_eq!((moved.created_at, moved.created_by.as_str()), (made.created_at, "user:anna"));
    assert!(moved.changed_at.unwrap() >= made.created_at);
    assert_eq!(fixture.again().annotations(day(3), day(3), 10).await.unwrap(), [moved]);
    assert_eq!(store.change_annotation(Uuid::new_v4(), &content(1, 1, "x"), "key:1").await.unwrap(), None);

    let other = fixture.of_tenant("other");
    assert!(other.annotations(day(1), day(9), 10).await.unwrap().is_empty());
    assert!(!other.delete_annotation(release).await.unwrap());
    assert!(store.delete_annotation(release).await.unwrap());
    assert!(!store.delete_annotation(release).await.unwrap());
    assert_eq!(ids(1, 9, 10).await, [outage]);
}

async fn the_database_keeps_the_authors_of_annotations(fixture: Fixture) {
    fixture.ready().await;
    fixture.store.add_annotation(Uuid::new_v4(), &content(1, 1, "x"), "user:anna").await.unwrap();
    for change in ["created_by = 'user:bob'", "created_at = '2020-01-01T00:00:00.000000Z'"] {
        let statement = format!("UPDATE annotations SET {change}, changed_at = created_at, changed_by = 'x'");
        assert!(fixture.sql(&statement).await.unwrap_err().contains("refused"), "{change}");
    }
}

async fn invalid_annotations_are_refused(fixture: Fixture) {
    fixture.ready().await;
    for (wrong, constraint) in [
        (content(2, 1, "x"), "ends_later"),
        (content(1, 1, ""), "text_is_short"),
        (content(1, 1, &"x".repeat(1001)), "text_is_short"),
        (AnnotationText { category: Some("No Name".to_owned()), ..content(1, 1, "x") }, "category_is_a_name"),
    ] {
        let refused = fixture.store.add_annotation(Uuid::new_v4(), &wrong, "user:anna").await.unwrap_err();
        // PostgreSQL's message names no constraint, but its code is that of a violated one.
        let refused = refused.to_string();
        assert!(refused.contains(constraint) || refused.contains("23514"), "{wrong:?}: {refused}");
    }
}

async fn the_latest_end_of_sessions_is_kept_for_their_lifetime(fixture: Fixture) {
    fixture.ready().await;
    let store = &fixture.store;
    let week_ago = noon() - 168.hours();
    store.end_sessions("user:anna", noon(), week_ago).await.unwrap();
    store.end_sessions("user:anna", noon() - 1.hour(), week_ago).await.unwrap();
    store.end_sessions("key:1", noon() + 1.hour(), week_ago).await.unwrap();
    let mut ends = fixture.again().session_ends(week_ago).await.unwrap();
    ends.sort();
    assert_eq!(ends, [("key:1".to_owned(), noon() + 1.hour()), ("user:anna".to_owned(), noon())]);
    assert!(fixture.of_tenant("other").session_ends(week_ago).await.unwrap().is_empty());
    assert_eq!(store.session_ends(noon()).await.unwrap().len(), 1);
    store.end_sessions("key:2", noon() + 200.hours(), noon() + 30.minutes()).await.unwrap();
    let kept: Vec<_> =
        store.session_ends(week_ago).await.unwrap().into_iter().map(|(name, _)| name).collect();
    assert!(kept.contains(&"key:1".to_owned()) && !kept.contains(&"user:anna".to_owned()), "{kept:?}");
}
