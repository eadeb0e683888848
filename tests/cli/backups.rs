//! `daymark backup`, `daymark restore`, and what `daymark check` says of backups.

use std::os::unix::fs::PermissionsExt;

use crate::site::Site;

async fn a_store_is_backed_up_and_restored(site: Site) {
    let site = site.ready().await;
    site.run(&["backfill", "--to", "2025-01-12"]).expect_code(0);
    let unknown = site.run(&["backup"]).expect_code(1);
    assert!(unknown.stderr.contains("`backup.directory`"), "{}", unknown.stderr);
    let configured = ["--backup-directory", "backups"];
    let check = || site.run(&[&["check"][..], &configured].concat()).expect_code(0).stdout;
    assert!(check().contains("warning: backup: there is no backup in "), "{}", check());

    let made = site.run(&[&["backup"][..], &configured].concat()).expect_code(0);
    assert!(made.stdout.contains("72 records of 6 metrics"), "{}", made.stdout);
    assert!(check().contains("The last backup is of 20"), "{}", check());
    let directory =
        std::fs::read_dir(site.directory.path().join("backups")).unwrap().next().unwrap().unwrap();
    let path = directory.path().display().to_string();
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&directory.path()), 0o700, "a backup has hashes of keys");
    for file in ["store", "manifest.json"] {
        assert_eq!(mode(&directory.path().join(file)), 0o600, "{file}");
    }

    let refused = site.run(&["restore", &path]).expect_code(1);
    assert!(refused.stderr.contains("already"), "{}", refused.stderr);
    let place = match site.is_postgres() {
        true => crate::support::fresh_database().await,
        false => format!("sqlite:{}", site.directory.path().join("restored.db").display()),
    };
    let restored = site.run(&["restore", &path, "--store-url", &place]).expect_code(0);
    assert!(restored.stdout.contains("72 records of 6 metrics"), "{}", restored.stdout);
    let values = |url: &str| {
        let query =
            ["query", "--from", "2025-01-01", "--to", "2025-01-12", "--format", "csv", "--store-url", url];
        site.run(&query).expect_code(0).stdout
    };
    assert_eq!(values(&place), values(&site.store_url));
}

crate::on_both!(a_store_is_backed_up_and_restored);
