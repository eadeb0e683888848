//! The Dockerfile, as far as it can be tried without a builder of images.

use std::fs;

use crate::packages::directory;

fn text(path: &str) -> String {
    fs::read_to_string(directory(path)).unwrap()
}

/// What follows the instruction, of each that begins with `name`.
fn instructions(name: &str) -> Vec<String> {
    let file = text("packaging/container/Dockerfile").replace("\\\n", " ");
    file.lines().filter_map(|line| line.strip_prefix(name)).map(|rest| rest.trim().to_owned()).collect()
}

#[test]
fn the_images_have_the_versions_that_the_project_requires() {
    let images = instructions("FROM ");
    let has = |begin: String| images.iter().any(|image| image.starts_with(&begin));
    let cargo = text("Cargo.toml");
    let rust = cargo.lines().find_map(|line| line.strip_prefix("rust-version = ")).unwrap().trim_matches('"');
    assert!(has(format!("docker.io/library/rust:{rust}-")), "{rust}: {images:?}");
    let contributing = text("CONTRIBUTING.md");
    let node = contributing.split_once("Node.js ").unwrap().1.split(' ').next().unwrap();
    assert!(has(format!("docker.io/library/node:{node}-")), "{node}: {images:?}");
    // A program that was linked with a later C library than that of the last image does not start there.
    let debian = images.last().unwrap().split_once("debian:").unwrap().1.split('-').next().unwrap();
    assert!(images.iter().all(|image| image.contains(debian)), "{debian}: {images:?}");
}

#[test]
fn what_the_stages_take_from_each_other_is_what_they_make() {
    assert_eq!(
        instructions("COPY --from="),
        [
            "dashboard /source/dashboard/dist dashboard/dist",
            "build /source/target/release/daymark /usr/local/bin/daymark"
        ]
    );
    let stages = instructions("FROM ");
    for stage in ["dashboard", "build"] {
        assert!(stages.iter().any(|image| image.ends_with(&format!(" AS {stage}"))), "{stages:?}");
    }
    let run = instructions("RUN ");
    assert!(run.iter().any(|command| command == "scripts/build-dashboard"), "{run:?}");
    assert!(run.iter().any(|command| command == "cargo build --release --locked"), "{run:?}");
    assert!(directory("scripts/build-dashboard").exists() && directory("Cargo.lock").exists());
}
