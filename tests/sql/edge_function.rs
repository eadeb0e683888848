//! The edge function of the documents compiles under `strict`.

use std::process::Command;

use crate::packages::{node_packages, run};

#[test]
fn the_edge_function_passes_the_strict_type_check() {
    let packages = node_packages("tests/supabase");
    let compiler = packages.join("node_modules/.bin/tsc");
    run(Command::new(compiler).args(["--noEmit", "-p", "tsconfig.edge.json"]).current_dir(packages));
}
