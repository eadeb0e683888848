//! Layers: which module of the crate uses which, and which modules run SQL.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use crate::{read, root, table};

/// The modules of the crate that each module uses. Uses in tests do not count.
fn uses() -> BTreeMap<String, BTreeSet<String>> {
    fn walk(path: &Path, module: &str, used: &mut BTreeSet<String>) {
        if path.is_dir() {
            for entry in fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()) {
                if !entry.ends_with("tests") {
                    walk(&entry, module, used);
                }
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            used.extend(code.split("crate::").skip(1).flat_map(first_segments));
            used.remove(module);
        }
    }
    let mut uses = BTreeMap::new();
    for path in fs::read_dir(root().join("src")).unwrap().map(|entry| entry.unwrap().path()) {
        let module = path.file_stem().unwrap().to_string_lossy().into_owned();
        if !["main", "lib"].contains(&module.as_str()) {
            walk(&path, &module, uses.entry(module.clone()).or_default());
        }
    }
    uses
}

/// The first segments of a path after `crate::`: `metric` for `metric::Decimal`, and `clock` and `metric` for
/// `{clock::Clock, metric::{Day, Decimal}}`.
fn first_segments(path: &str) -> Vec<String> {
    let segment = |text: &str| text.trim().chars().take_while(|c| c.is_ascii_lowercase()).collect::<String>();
    let Some(list) = path.strip_prefix('{') else { return vec![segment(path)] };
    let (mut depth, mut segments) = (0, vec![String::new()]);
    for c in list.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => segments.push(String::new()),
            c if depth == 0 => segments.last_mut().unwrap().push(c),
            _ => {}
        }
    }
    segments.iter().map(|text| segment(text)).filter(|text| !text.is_empty()).collect()
}

#[test]
fn the_modules_use_each_other_as_architecture_md_lists() {
    let written = table(&read("ARCHITECTURE.md"), "| Module | Uses |").into_iter();
    let names = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<BTreeSet<_>>();
    let written: BTreeMap<_, _> =
        written.map(|(module, used)| (module.replace('`', ""), names(&used))).collect();
    assert_eq!(written, uses());
}

/// A circle would pass the comparison with the code once its two rows are written.
#[test]
fn each_module_uses_only_modules_of_earlier_rows() {
    let text = read("ARCHITECTURE.md");
    let (_, rows) = text.split_once("| Module | Uses |").unwrap();
    let rows = rows.lines().skip(2).take_while(|line| line.starts_with("| `"));
    let mut before = BTreeSet::new();
    for row in rows {
        let mut names = row.split('`').skip(1).step_by(2);
        let module = names.next().unwrap();
        for used in names {
            assert!(before.contains(used), "`{module}` uses `{used}`, whose row comes later");
        }
        before.insert(module);
    }
    assert!(before.contains("cli"));
}

/// Memory is bounded in one place, and one place decides what counts as a value.
#[test]
fn one_file_of_the_queries_reads_recorded_values() {
    let reads = ["store.latest(", "store.series(", "store.series_days(", "store.records("];
    for entry in fs::read_dir(root().join("src/query")).unwrap().map(|entry| entry.unwrap().path()) {
        if !entry.ends_with("values.rs") {
            let found = reads.iter().find(|read| contains(&entry, read));
            assert_eq!(found, None, "{}", entry.display());
        }
    }
    assert!(reads[..3].iter().all(|read| contains(&root().join("src/query/values.rs"), read)));
}

#[test]
fn sql_is_run_in_three_folders_only() {
    for entry in fs::read_dir(root().join("src")).unwrap().map(|entry| entry.unwrap().path()) {
        let module = entry.file_stem().unwrap().to_string_lossy().into_owned();
        match module.as_str() {
            "platform" | "store" | "demo" => assert!(contains(&entry, "sqlx::query"), "{module} runs no SQL"),
            // `database` reads URLs and errors with sqlx, and runs no statement.
            "database" => assert!(!contains(&entry, "sqlx::query"), "{module} runs SQL"),
            _ => assert!(!contains(&entry, "sqlx"), "{module} uses sqlx"),
        }
    }
}

/// Whether the file, or any file in the folder, has the text.
fn contains(path: &Path, text: &str) -> bool {
    match path.is_dir() {
        true => fs::read_dir(path).unwrap().any(|entry| contains(&entry.unwrap().path(), text)),
        false => fs::read_to_string(path).is_ok_and(|content| content.contains(text)),
    }
}
