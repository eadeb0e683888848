//! The dashboard as it is built, for tests that need it.

use std::process::Command;

use crate::packages::{directory, run};

/// Builds the dashboard unless it is up to date. A debug build of Daymark reads its files when it is asked for them.
pub fn build() {
    run(&mut Command::new(directory("scripts/build-dashboard")));
}
