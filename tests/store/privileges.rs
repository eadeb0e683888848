//! The privileges that a role needs to record: the grants of `docs/quickstart-postgresql.md` are enough, and each that is missing is
//! named.

use uuid::Uuid;

use crate::{fixture::Fixture, grants::of_recording};

/// The privileges that a GRANT of the document gives on single tables, as `INSERT ON daymark.jobs`.
fn single(grant: &str) -> Vec<String> {
    let words = grant.split_whitespace().collect::<Vec<_>>().join(" ");
    let (privilege, rest) = words.strip_prefix("GRANT ").unwrap().split_once(" ON ").unwrap();
    if rest.starts_with("SCHEMA") || rest.starts_with("ALL") {
        return Vec::new();
    }
    let (objects, _) = rest.split_once(" TO ").unwrap();
    objects.split(", ").map(|object| format!("{privilege} ON {object}")).collect()
}

#[tokio::test]
async fn each_grant_of_the_document_is_needed_and_is_named_when_it_is_missing() {
    let fixture = Fixture::postgres().await;
    fixture.ready().await;
    assert_eq!(fixture.store.missing_privileges().await.unwrap(), Vec::<String>::new(), "the owner's");
    let role = format!("service_{}", Uuid::new_v4().simple());
    let grants = of_recording(&role);
    fixture.sql(&format!("CREATE ROLE {role}; {}", grants.join("; "))).await.unwrap();
    let service = Fixture::as_role(&fixture, &role);
    assert_eq!(service.store.missing_privileges().await.unwrap(), Vec::<String>::new());
    let mut granted: Vec<_> = grants.iter().flat_map(|grant| single(grant)).collect();
    granted.extend(["SELECT ON daymark.daily_metrics", "SELECT ON daymark.events"].map(str::to_owned));
    assert!(granted.len() > 15, "{granted:?}");
    for privilege in granted {
        fixture.sql(&format!("REVOKE {privilege} FROM {role}")).await.unwrap();
        let missing = service.store.missing_privileges().await.unwrap();
        assert_eq!(missing, std::slice::from_ref(&privilege));
        fixture.sql(&format!("GRANT {privilege} TO {role}")).await.unwrap();
    }
}
