//! The layer that a setting's value comes from, and the message about a wrong value.

use std::{ffi::OsString, path::Path};

use jiff::SignedDuration;

use crate::config::{
    Finding, GivenFlags,
    settings::layers::{Environment, FileSettings, GivenValue},
    settings::{self, Settings},
};

fn settings(
    flags: &GivenFlags,
    environment: &Environment,
    file: &FileSettings,
    directory: Option<&Path>,
) -> Result<Settings, Vec<Finding>> {
    let checked = settings::settings(flags, environment, file, &[], directory);
    checked.settings.filter(|_| checked.problems.is_empty()).ok_or(checked.problems)
}

fn file_value(text: &str) -> GivenValue {
    GivenValue {
        text: text.to_owned(),
        place: "etc/daymark.toml:3".to_owned(),
        directory: Some("etc".into()),
    }
}

fn environment(pairs: &[(&str, &str)]) -> Environment {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect()
}

#[test]
fn every_setting_has_a_valid_default() {
    let settings = settings(&GivenFlags::new(), &Environment::new(), &FileSettings::new(), None).unwrap();
    assert_eq!(settings.calendar.name(), "UTC");
    assert_eq!(settings.settle, SignedDuration::from_mins(15));
    assert_eq!(settings.store_url.to_string(), "sqlite:daymark.db");
    assert!(settings.platform.url.is_none());
    assert_eq!(settings.retry.retries, 3);
    assert_eq!(settings.log.level, None);
}

#[test]
fn flags_override_the_environment_then_the_file_then_the_default() {
    let tenant = |flags: &GivenFlags, variables: &[(&str, &str)], file: &FileSettings| {
        settings(flags, &environment(variables), file, None).unwrap().tenant
    };
    let flags = GivenFlags::from([("tenant", "flag".to_owned())]);
    let file = FileSettings::from([("tenant", file_value("file"))]);
    let set = [("DAYMARK_TENANT", "env")];
    assert_eq!(tenant(&flags, &set, &file), "flag");
    assert_eq!(tenant(&GivenFlags::new(), &set, &file), "env");
    assert_eq!(tenant(&GivenFlags::new(), &[("DAYMARK_TENANT", "")], &file), "file", "empty is not set");
    assert_eq!(tenant(&GivenFlags::new(), &[], &FileSettings::new()), "default");
}

#[test]
fn database_url_is_the_last_resort_for_the_platform() {
    let url = |variables: &[(&str, &str)], file: &FileSettings| {
        let settings = settings(&GivenFlags::new(), &environment(variables), file, None).unwrap();
        settings.platform.url.map(|url| url.to_string())
    };
    let plain = ("DATABASE_URL", "sqlite:plain.db");
    assert_eq!(url(&[plain], &FileSettings::new()).unwrap(), "sqlite:plain.db");
    assert_eq!(
        url(&[plain, ("DAYMARK_PLATFORM_URL", "sqlite:own.db")], &FileSettings::new()).unwrap(),
        "sqlite:own.db"
    );
    let file = FileSettings::from([("platform.url", file_value("sqlite:of-file.db"))]);
    assert_eq!(url(&[plain], &file).unwrap(), "sqlite:etc/of-file.db");
    let file = FileSettings::from([("platform.url", file_value("sqlite:/var/absolute.db"))]);
    assert_eq!(url(&[plain], &file).unwrap(), "sqlite:/var/absolute.db");
}

#[test]
fn the_default_store_is_in_the_directory_of_the_file() {
    let none = (&GivenFlags::new(), &Environment::new(), &FileSettings::new());
    let settings = settings(none.0, none.1, none.2, Some(Path::new("/srv/app"))).unwrap();
    assert_eq!(settings.store_url.to_string(), "sqlite:/srv/app/daymark.db");
}

#[test]
fn the_store_must_not_be_the_platforms_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    std::fs::write(path("app.db"), "").unwrap();
    std::fs::create_dir(path("other")).unwrap();
    let problems = |platform: &str, store: &str| {
        let flags = GivenFlags::from([
            ("platform.url", format!("sqlite:{}", path(platform).display())),
            ("store.url", format!("sqlite:{}", path(store).display())),
        ]);
        let refused = settings(&flags, &Environment::new(), &FileSettings::new(), None).err();
        refused.unwrap_or_default().iter().map(ToString::to_string).collect::<String>()
    };
    for same in ["app.db", "other/../app.db", "./app.db"] {
        assert!(
            problems("app.db", same).contains("store.url: the store cannot be the platform's own file"),
            "{same}"
        );
    }
    assert!(problems("not_there.db", "not_there.db").contains("the platform's own file"));
    assert_eq!(problems("app.db", "daymark.db"), "");
}

#[test]
fn all_problems_are_reported_at_once_with_their_places() {
    let flags = GivenFlags::from([("settle_minutes", "-5".to_owned()), ("tenant", String::new())]);
    let variables = environment(&[
        ("DAYMARK_TIME_ZONE", "Europe/Berln"),
        ("DAYMARK_LOG_LEVEL", "wran"),
        ("DAYMARK_STORE_ULR", "sqlite:x.db"),
        ("DAYMARK_SERVICE_HOST", "10.0.0.1"),
        ("DATABASE_URL", "mysql://root:s3cret@db/app"),
    ]);
    let file = FileSettings::from([("backfill.chunk_days", file_value("1e9"))]);
    let problems = settings(&flags, &variables, &file, None).unwrap_err();
    let text = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!(text, @r#"
    `DAYMARK_STORE_ULR`: there is no such setting
        did you mean `DAYMARK_STORE_URL`?
    DAYMARK_TIME_ZONE: unknown time zone `Europe/Berln`: give an IANA name such as `UTC`, `Europe/Berlin` or `America/Los_Angeles`
        did you mean `Europe/Berlin`?
    --tenant: tenant must be a name of lower-case letters, digits and underscores that starts with a letter (63 at most), not ``
    --settle-minutes: settle_minutes must be from 0 to 720 minutes, not `-5`
    DATABASE_URL: platform.url cannot be used: `mysql://` is not supported: a database URL begins with `postgres://` or `sqlite:`, as in `postgres://user@host:5432/database` or `sqlite:path/to/file.db`
    etc/daymark.toml:3: backfill.chunk_days must be from 1 to 366 days, not `1e9`
    DAYMARK_LOG_LEVEL: log.level must be one of `auto`, `off`, `error`, `warn`, `info`, `debug`, `trace`, not `wran`
        did you mean `warn`?
    "#);
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_utf8_is_reported() {
    use std::os::unix::ffi::OsStringExt;
    let variables = Environment::from([("DAYMARK_TENANT".to_owned(), OsString::from_vec(vec![0xff]))]);
    let problems = settings(&GivenFlags::new(), &variables, &FileSettings::new(), None).unwrap_err();
    assert_eq!(problems[0].to_string(), "DAYMARK_TENANT: the value is not valid UTF-8");
}
