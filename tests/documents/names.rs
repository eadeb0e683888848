//! Names have one meaning: no two types share a name, and replaced words do not come back in code, comments and names of
//! tests.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use crate::{modules::code_of, root};

/// Identifiers that were replaced by the field's word. The glossary in ARCHITECTURE.md has the words in use.
const REPLACED_IDENTIFIERS: &[&str] = &[
    "Seldom",
    "Fronts",
    "Door",
    "let_in",
    "obituary",
    "Asking",
    "Asked",
    "look_at",
    "Genuine",
    "Misfit",
    "Examiner",
    "dead_runs",
    "what_cannot_be_known",
    "is_passing",
    "known_names",
    "Absent",
    "Standing",
    "aside",
    "enclosed",
    "Rehearsal",
    "rehearse",
    "Unnoted",
    "obstacle",
    "Lead",
    "Surveyed",
    "Survey",
    "Turnover",
    "Fold",
    "Folded",
    "LabelFold",
];

/// Words and phrases that hide the mechanism. Comments, documents, messages and names say the mechanism instead.
const REPLACED_WORDS: &[&str] = &[
    "whoever",
    "somebody",
    "anybody",
    "everybody",
    "nobody",
    "so many",
    "for good",
    "at work",
    "told apart",
    "tell apart",
    "let go",
    "lets go",
    "goes on",
    "go on",
    "mend",
    "mended",
    "to be called",
    "is told",
    "are told",
    "tells of",
    "cannot be told",
    "but for",
    "what there is",
    "nor may",
];

fn rust_files(folder: &str) -> Vec<PathBuf> {
    files(folder, &["rs"])
}

/// The files below `folder` with one of these extensions, except installed packages and built files.
fn files(folder: &str, extensions: &[&str]) -> Vec<PathBuf> {
    fn walk(folder: &Path, extensions: &[&str], found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let name = entry.file_name().unwrap().to_string_lossy().into_owned();
            if entry.is_dir() {
                if !["node_modules", "build", ".svelte-kit"].contains(&name.as_str()) {
                    walk(&entry, extensions, found);
                }
            } else if entry
                .extension()
                .is_some_and(|extension| extensions.iter().any(|one| extension == *one))
            {
                found.push(entry);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join(folder), extensions, &mut found);
    found
}

/// The words of a line in lower case, with one space around each. A name such as `is_missing` has several.
fn words_of(line: &str) -> String {
    let text = line.to_lowercase();
    let words: Vec<_> = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    format!(" {} ", words.join(" "))
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The name of the type that a line at the top level of a file defines.
fn type_name(line: &str) -> Option<String> {
    let item = match line
        .strip_prefix("pub")
        .map(|rest| rest.strip_prefix('(').and_then(|rest| rest.split_once(") ")))
    {
        Some(Some((_, item))) => item,
        Some(None) => line.strip_prefix("pub ")?,
        None => line,
    };
    let (kind, name) = item.split_once(' ')?;
    let is_type = ["struct", "enum", "trait", "type"].contains(&kind);
    is_type.then(|| name.chars().take_while(|c| is_name(*c)).collect())
}

#[test]
fn no_two_types_share_a_name() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in rust_files("src").iter().filter(|file| !file.iter().any(|folder| folder == "tests")) {
        for name in code_of(file).lines().filter_map(type_name) {
            let shown = file.strip_prefix(root()).unwrap().display().to_string();
            places.entry(name).or_default().push(shown);
        }
    }
    assert!(places.len() > 500, "only {} types", places.len());
    places.retain(|_, places| places.len() > 1);
    assert!(places.is_empty(), "{} names of types are shared: {places:#?}", places.len());
}

#[test]
fn replaced_words_do_not_come_back() {
    let mut found = Vec::new();
    let folders = ["src", "bench", "tests", "docs", "dashboard", "clients"];
    let documents =
        ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|name| root().join(name));
    let files = folders
        .iter()
        .flat_map(|folder| files(folder, &["rs", "md", "sql", "svelte", "ts"]))
        .chain(documents);
    // This file has to name the words.
    for file in files.filter(|file| !file.ends_with("documents/names.rs")) {
        for (number, line) in (1..).zip(fs::read_to_string(&file).unwrap().lines()) {
            let identifiers = line.split(|c| !is_name(c)).filter(|name| REPLACED_IDENTIFIERS.contains(name));
            let is_identifier = file.extension().is_some_and(|extension| extension == "rs")
                && !line.trim_start().starts_with("//");
            let text = words_of(line);
            let words = REPLACED_WORDS.iter().copied().filter(|word| text.contains(&format!(" {word} ")));
            for word in identifiers.filter(|_| is_identifier).chain(words) {
                found.push(format!("{}:{number}: {word}", file.strip_prefix(root()).unwrap().display()));
            }
        }
    }
    assert!(found.is_empty(), "{} words:\n{}", found.len(), found.join("\n"));
}
