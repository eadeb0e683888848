//! The documents are true where that is cheap to check (links, definitions, commands, exit codes, settings, layers), and
//! the source keeps the rules that they state.

#![expect(clippy::unwrap_used, reason = "these are tests; clippy knows only functions marked as such")]

mod layers;
mod modules;
mod names;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use daymark::config::{Environment, GivenFlags, load};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every document for readers, by its path.
fn documents() -> Vec<(PathBuf, String)> {
    let folders = ["", "docs", "bench"].map(|folder| root().join(folder));
    let files =
        folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap()).map(|file| file.unwrap().path());
    let markdown = files.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let documents: Vec<_> = markdown.map(|path| (path.clone(), read(path))).collect();
    assert!(documents.len() >= 10, "{documents:?}");
    documents
}

/// The fenced blocks of a document: language and text.
fn blocks(text: &str) -> Vec<(&str, &str)> {
    let fenced = text.split("\n```").skip(1).step_by(2);
    fenced.map(|block| block.split_once('\n').unwrap_or((block, ""))).collect()
}

/// The code in a document: its fenced blocks, and the spans between backticks.
fn code(text: &str) -> Vec<&str> {
    let prose = text.split("\n```").step_by(2);
    let spans = prose.flat_map(|part| part.split('`').skip(1).step_by(2));
    blocks(text).into_iter().map(|(_, block)| block).chain(spans).collect()
}

/// The names under which headings can be linked to.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings =
        text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    let anchor =
        |heading: &str| heading.to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-");
    headings.map(anchor).collect()
}

/// The text of the first two columns of each row of the table under `header`.
fn table(text: &str, header: &str) -> Vec<(String, String)> {
    let (_, rest) = text.split_once(header).unwrap_or_else(|| panic!("there is no table {header}"));
    let rows = rest.lines().skip(2).take_while(|line| line.starts_with('|'));
    let cells = |row: &str| {
        let cells: Vec<_> = row.split('|').map(|cell| cell.trim().to_owned()).collect();
        (cells[1].clone(), cells[2].clone())
    };
    rows.map(cells).collect()
}

/// The output of `daymark --help` with its lines joined, and the commands that it lists.
fn help() -> (String, BTreeSet<String>) {
    let output = Command::new(env!("CARGO_BIN_EXE_daymark")).arg("--help").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let commands =
        text.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names = commands.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = names.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect();
    (text.split_whitespace().collect::<Vec<_>>().join(" "), names)
}

#[test]
fn every_link_in_the_documents_has_a_target() {
    for (path, text) in documents() {
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if target.contains("://") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let linked = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            assert!(linked.exists(), "{}: there is no {target}", path.display());
            let known = anchor.is_empty() || anchors(&read(&linked)).contains(anchor);
            assert!(known, "{}: {target} is no heading", path.display());
        }
    }
}

/// A path is written from the root, from `src/`, or from the folder that the row of the code map is about.
#[test]
fn every_file_and_folder_in_architecture_md_exists() {
    fn walk(folder: &Path, found: &mut Vec<String>) {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            found.push(format!("/{}", path.strip_prefix(root()).unwrap().display()));
            if path.is_dir() && !path.ends_with("node_modules") {
                walk(&path, found);
            }
        }
    }
    let mut existing = Vec::new();
    for folder in ["src", "tests", "bench", "docs", "ops", "packaging", "clients"] {
        existing.push(format!("/{folder}"));
        walk(&root().join(folder), &mut existing);
    }
    let text = read("ARCHITECTURE.md");
    let is_path = |span: &&str| {
        let ends = [".rs", ".sql", ".txt", ".json", ".md", "/"].iter().any(|end| span.ends_with(end));
        ends && !span.contains(['*', ' ', ':'])
    };
    let prose = text.split("\n```").step_by(2);
    let paths: Vec<_> = prose.flat_map(|part| part.split('`').skip(1).step_by(2)).filter(is_path).collect();
    assert!(paths.len() > 200, "only {} paths", paths.len());
    for path in paths {
        let end = format!("/{}", path.trim_end_matches('/'));
        let exists = existing.iter().any(|existing| existing.ends_with(&end)) || root().join(path).exists();
        assert!(exists, "ARCHITECTURE.md names {path}, which does not exist");
    }
}

#[test]
fn every_toml_example_of_the_definitions_document_is_valid() {
    let text = read("docs/definitions.md");
    let shown: Vec<_> = blocks(&text).into_iter().filter(|(language, _)| *language == "toml").collect();
    assert!(shown.len() >= 10, "{shown:?}");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("daymark.toml");
    for (_, block) in shown {
        fs::write(&file, block).unwrap();
        let read = load(Some(&file), &GivenFlags::new(), &Environment::new());
        read.unwrap_or_else(|problems| panic!("{problems}\n{block}"));
    }
}

#[test]
fn every_command_in_the_documents_exists_and_is_in_the_readme() {
    let (_, commands) = help();
    for (path, text) in documents() {
        for words in code(&text).iter().flat_map(|code| code.split("daymark ").skip(1)) {
            let word = words.split(|c: char| !c.is_ascii_lowercase()).next().unwrap_or_default();
            assert!(word.is_empty() || commands.contains(word), "{}: daymark {word}", path.display());
        }
    }
    let listed = table(&read("README.md"), "| Command | Does |").into_iter();
    let listed: BTreeSet<_> =
        listed.map(|(name, _)| name.replace("daymark", "").replace(['`', ' '], "")).collect();
    let commands: BTreeSet<_> = commands.into_iter().filter(|name| name != "help").collect();
    assert_eq!(listed, commands);
}

#[test]
fn the_exit_codes_in_the_readme_are_those_of_the_program() {
    let listed = table(&read("README.md"), "| Exit code | Means |");
    let sentence: Vec<_> = listed.iter().map(|(code, meaning)| format!("{code} {meaning}")).collect();
    let sentence = format!("Exit codes: {}.", sentence.join("; "));
    let (help, _) = help();
    assert!(help.contains(&sentence), "{sentence} is not what `daymark --help` says");
    let written = read("src/cli/exit.rs");
    let (_, variants) = written.split_once("pub enum Exit {").unwrap();
    let variants = variants.split('}').next().unwrap().lines().filter_map(|line| line.split_once(" = "));
    let codes: Vec<_> = variants.map(|(_, code)| code.trim_end_matches(',').to_owned()).collect();
    assert_eq!(listed.into_iter().map(|(code, _)| code).collect::<Vec<_>>(), codes);
}

#[test]
fn every_environment_variable_in_the_documents_is_a_setting() {
    let settings = read("docs/settings.md");
    for (path, text) in documents() {
        for rest in text.split("DAYMARK_").skip(1) {
            let end = rest.find(|c: char| !c.is_ascii_uppercase() && c != '_').unwrap_or(rest.len());
            let name = format!("DAYMARK_{}", &rest[..end]);
            // A file may name further variables, of secrets.
            let named = text.contains(&format!("_env = \"{name}\""));
            let known = named || settings.contains(&format!("`{name}`")) || name.starts_with("DAYMARK_TEST_");
            assert!(known, "{}: {name} is no setting", path.display());
        }
    }
}

#[test]
fn every_command_of_the_makefile_is_in_contributing() {
    let makefile = read("Makefile");
    let targets =
        makefile.lines().filter(|line| line.contains(" ## ")).filter_map(|line| line.split_once(':'));
    let targets: Vec<_> = targets.map(|(target, _)| target).collect();
    assert!(targets.len() >= 5, "{targets:?}");
    let listed = read("CONTRIBUTING.md");
    for target in targets {
        assert!(listed.contains(&format!("`make {target}`")), "CONTRIBUTING.md does not list make {target}");
    }
}
