//! The files of a release, of a stand-in for the program: what they hold, and that the same sources give the same files.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use crate::{
    packages::{directory, run},
    require,
};

#[test]
fn a_release_has_a_tarball_a_package_and_their_checksums() {
    require("dpkg-deb", "dpkg");
    let home = tempfile::tempdir().unwrap();
    let program = home.path().join("program");
    let version = env!("CARGO_PKG_VERSION");
    fs::write(&program, format!("#!/bin/sh\necho daymark {version}\n")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let made = |name: &str| {
        let into = home.path().join(name);
        let mut release = Command::new(directory("scripts/release"));
        run(release.arg(&into).env("RELEASE_PROGRAM", &program).env("SOURCE_DATE_EPOCH", "1735689600"));
        into
    };
    let first = made("first");
    run(Command::new("sha256sum").args(["--check", "--strict", "SHA256SUMS"]).current_dir(&first));
    let sums = fs::read_to_string(first.join("SHA256SUMS")).unwrap();
    assert_eq!(sums, fs::read_to_string(made("second").join("SHA256SUMS")).unwrap());
    let names: Vec<_> = sums.lines().map(|line| line.split_whitespace().nth(1).unwrap()).collect();
    let [tarball, package] = names[..] else { panic!("{sums}") };
    assert!(tarball.starts_with(&format!("daymark-{version}-")) && tarball.ends_with(".tar.gz"), "{sums}");
    assert!(package.starts_with(&format!("daymark_{version}_")), "{sums}");

    let unpack = ["--extract", "--strip-components=1", "--file", tarball];
    run(Command::new("tar").args(unpack).current_dir(&first));
    for file in ["docs/operations.md", "packaging/systemd/daymark.service", "ops/prometheus/alerts.yml"] {
        assert!(first.join(file).is_file(), "{file} is missing");
    }
    assert_eq!(run(Command::new(first.join("daymark")).arg("--version")), format!("daymark {version}\n"));
}
