//! The units, the Debian package, the manifest of Kubernetes and the files of a release, as far as a machine can try them.

#![expect(clippy::unwrap_used, reason = "these are tests; clippy knows only functions marked as such")]

mod container;
mod debian;
#[path = "../support/packages.rs"]
#[expect(dead_code, reason = "other tests install packages of npm")]
mod packages;
mod release;

use std::{fs, path::Path, process::Command};

use packages::{directory, python_packages, run};

const UNITS: [&str; 3] = ["daymark.service", "daymark-collect.service", "daymark-collect.timer"];

/// Installs Debian's package where the program is missing.
fn require(program: &str, package: &str) {
    if Command::new(program).arg("--version").output().is_err() {
        run(Command::new(directory("scripts/apt-install")).arg(package));
    }
}

fn verify(unit: &Path) -> Result<(), String> {
    let output = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(unit).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    // It warns of what it does not know, and exits with 0 all the same.
    let name = unit.file_name().unwrap().to_str().unwrap();
    let is_found = said.lines().any(|line| line.contains(name));
    if output.status.success() && !is_found { Ok(()) } else { Err(said) }
}

#[test]
fn systemd_finds_nothing_wrong_with_the_units() {
    require("systemd-analyze", "systemd");
    let home = tempfile::tempdir().unwrap();
    for name in UNITS {
        let text = fs::read_to_string(directory("packaging/systemd").join(name)).unwrap();
        // systemd looks for the program.
        let text = text.replace("/usr/bin/daymark", env!("CARGO_BIN_EXE_daymark"));
        fs::write(home.path().join(name), text).unwrap();
    }
    for name in UNITS {
        verify(&home.path().join(name)).unwrap_or_else(|said| panic!("{name}: {said}"));
    }
    let unit = home.path().join("daymark.service");
    let text = fs::read_to_string(&unit).unwrap();
    fs::write(&unit, text.replace("ProtectClock", "ProtectClocks")).unwrap();
    assert!(verify(&unit).is_err(), "a directive that does not exist is noticed");
}

#[test]
fn kubernetes_accepts_the_cron_job() {
    let validate = python_packages("tests/packaging").join("kubernetes-validate");
    let manifest = directory("packaging/kubernetes/cronjob.yaml");
    run(Command::new(&validate).arg("--strict").arg(&manifest));
    let home = tempfile::tempdir().unwrap();
    let wrong = home.path().join("cronjob.yaml");
    let text = fs::read_to_string(manifest).unwrap();
    fs::write(&wrong, text.replace("concurrencyPolicy", "concurencyPolicy")).unwrap();
    let found = Command::new(&validate).arg("--strict").arg(&wrong).output().unwrap();
    assert!(!found.status.success(), "a field that does not exist is noticed");
}
