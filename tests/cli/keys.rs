//! `daymark keys`: a key is shown once, listed without its secret, and revoked.

use insta::assert_snapshot;

use crate::site::{Site, filtered};

async fn keys_are_created_listed_and_revoked(site: Site) {
    let site = site.ready().await;
    let mut story = site.transcript(&[
        &["keys", "list"],
        &["keys", "create", "--name", "dashboard", "--role", "reader", "--expires-in", "90d"],
        &["keys", "create", "--name", "dashboard", "--role", "admin"],
        &["keys", "create", "--name", "night", "--role", "service", "--scope", "collect", "--scope", "log"],
        &[
            "keys",
            "create",
            "--name",
            "reports",
            "--role",
            "reader",
            "--expires",
            "2999-01-01",
            "--format",
            "json",
        ],
        &["keys", "create", "--name", "ann", "--role", "admin", "--format", "csv"],
        &["keys", "list"],
        &["keys", "revoke", "dashboard"],
        &["keys", "revoke", "dashboard"],
        &["keys", "list", "--format", "csv"],
        &["keys", "list", "--format", "json"],
    ]);
    let created = take_keys(&mut story);
    let name = if site.is_postgres() { "keys_postgres" } else { "keys_sqlite" };
    filtered(|| assert_snapshot!(name, story));
    // Four keys were created. Each was shown when it was created, and is never shown again.
    assert_eq!(created.len(), 4);
    for key in &created {
        let listed = site.run(&["keys", "list", "--format", "json"]).expect_code(0).stdout;
        assert!(!listed.contains(&key[36..]), "{listed}");
    }
}

/// Takes the keys out of the text, and returns them.
fn take_keys(story: &mut String) -> Vec<String> {
    let mut keys = Vec::new();
    while let Some(start) = story.find("dm_") {
        let key = story[start..start + 79].to_owned();
        *story = story.replace(&key, "[key]");
        keys.push(key);
    }
    keys
}

crate::on_both!(keys_are_created_listed_and_revoked);
