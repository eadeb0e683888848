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

/// A key that was revoked after the backup is valid in the restored store.
async fn a_restored_store_names_its_valid_keys(site: Site) {
    let site = site.ready().await;
    site.run(&["keys", "create", "--name", "laptop", "--role", "reader"]).expect_code(0);
    site.run(&["keys", "create", "--name", "old", "--role", "reader"]).expect_code(0);
    site.run(&["keys", "revoke", "old"]).expect_code(0);
    let other = ["keys", "create", "--name", "sensor", "--role", "service", "--tenant", "other"];
    site.run(&other).expect_code(0);
    site.run(&["backup", "--into", "backups"]).expect_code(0);
    site.run(&["keys", "revoke", "laptop"]).expect_code(0);
    let directory =
        std::fs::read_dir(site.directory.path().join("backups")).unwrap().next().unwrap().unwrap();
    let path = directory.path().display().to_string();
    let place = match site.is_postgres() {
        true => crate::support::fresh_database().await,
        false => format!("sqlite:{}", site.directory.path().join("restored.db").display()),
    };
    let restored = site.run(&["restore", &path, "--store-url", &place]).expect_code(0).stdout;
    assert!(restored.contains("2 API keys are valid in the restored store: `laptop` (tenant "), "{restored}");
    assert!(restored.contains("`sensor` (tenant other)") && !restored.contains("`old`"), "{restored}");
    assert!(restored.contains("`daymark keys revoke NAME`"), "{restored}");
    assert!(restored.contains("change `access.session_secret`"), "{restored}");
}

/// The copy is what a restore needs; the manifest alone is no backup.
async fn a_backup_whose_copy_is_gone_or_cut_is_named(site: Site) {
    let site = site.ready().await;
    let check = || site.run(&["check", "--backup-directory", "backups"]).expect_code(0).stdout;
    assert!(check().contains("the directory does not exist"), "{}", check());
    std::fs::write(site.directory.path().join("backups"), "").unwrap();
    assert!(check().contains("this is not a directory"), "{}", check());
    let refused = site.run(&["backup", "--into", "backups"]).expect_code(1).stderr;
    assert!(refused.contains("not a directory"), "{refused}");
    std::fs::remove_file(site.directory.path().join("backups")).unwrap();
    site.run(&["backup", "--into", "backups"]).expect_code(0);
    assert!(check().contains("The last backup is of 20"), "{}", check());
    let directory =
        std::fs::read_dir(site.directory.path().join("backups")).unwrap().next().unwrap().unwrap().path();
    let cannot = |why: &str| {
        let said = check();
        assert!(said.contains("cannot be restored: ") && said.contains(why), "{why}: {said}");
        assert!(said.contains("there is no backup in ") && !said.contains("The last backup is of"), "{said}");
    };
    std::fs::write(directory.join("store"), "").unwrap();
    cannot("its copy has 0 bytes, and its manifest says ");
    std::fs::remove_file(directory.join("store")).unwrap();
    cannot("its copy cannot be read (No such file");
    std::fs::remove_file(directory.join("manifest.json")).unwrap();
    cannot("its manifest.json is missing");
}

crate::on_both!(
    a_store_is_backed_up_and_restored,
    a_restored_store_names_its_valid_keys,
    a_backup_whose_copy_is_gone_or_cut_is_named,
);
