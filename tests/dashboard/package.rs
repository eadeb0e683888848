//! The package in `dashboard`: it compiles without warnings, and the tests of its logic pass.

use std::process::Command;

use crate::packages::{node_packages, run};

#[test]
fn the_package_compiles_and_keeps_its_rules() {
    run(npm("check").current_dir(node_packages("dashboard")));
}

#[test]
fn the_tests_of_its_logic_pass() {
    let said = run(npm("test").current_dir(node_packages("dashboard")));
    assert!(said.contains("days are compared with the same weekdays"), "{said}");
}

fn npm(script: &str) -> Command {
    let mut npm = Command::new("npm");
    npm.args(["run", script]).env("NODE_NO_WARNINGS", "1");
    npm
}
