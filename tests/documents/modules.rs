//! No two files import each other in a circle. Each path is resolved to the file that defines the item; re-exports are
//! followed, and a `mod.rs` that only declares and re-exports is no part of a circle.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use crate::root;

/// A module's path from the crate's root, such as `["store", "sqlite"]`.
type ModulePath = Vec<String>;

struct Module {
    /// Relative to `src/`.
    file: String,
    code: String,
    /// The paths of its `use` declarations, from the crate's root; external crates are left out.
    imports: Vec<Import>,
}

struct Import {
    /// The name in this module; `*` for a glob.
    name: String,
    path: ModulePath,
}

type Modules = BTreeMap<ModulePath, Module>;

/// The code of a file without its comments and without its unit tests. Strings keep their contents.
pub fn code_of(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let lines = text.lines().map(|line| line.split("// ").next().unwrap_or_default());
    lines.filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n")).collect()
}

/// Every Rust file under `src/` that is not a test, by its module's path.
fn files() -> Vec<(ModulePath, String, String)> {
    fn walk(folder: &Path, path: &ModulePath, found: &mut Vec<(ModulePath, String, String)>) {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let stem = entry.file_stem().unwrap().to_string_lossy().into_owned();
            if stem == "tests" {
                continue;
            }
            let mut inner = path.clone();
            if entry.is_dir() {
                inner.push(stem);
                walk(&entry, &inner, found);
            } else if entry.extension().is_some_and(|extension| extension == "rs") {
                if !["mod", "lib", "main"].contains(&stem.as_str()) {
                    inner.push(stem);
                }
                let file = entry.strip_prefix(root().join("src")).unwrap().display().to_string();
                if file != "main.rs" {
                    found.push((inner, file, code_of(&entry)));
                }
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join("src"), &Vec::new(), &mut found);
    found
}

fn modules() -> Modules {
    let files = files();
    let paths: BTreeSet<ModulePath> = files.iter().map(|(path, ..)| path.clone()).collect();
    let module = |(path, file, code): (ModulePath, String, String)| {
        let imports = imports(&path, &code, &paths);
        (path, Module { file, code, imports })
    };
    files.into_iter().map(module).collect()
}

fn imports(module: &ModulePath, code: &str, modules: &BTreeSet<ModulePath>) -> Vec<Import> {
    let mut imports = Vec::new();
    for statement in code.split("use ").skip(1) {
        let tree = statement.split(';').next().unwrap_or_default();
        for (path, name) in leaves(tree) {
            if let Some(path) = absolute(module, &path, modules) {
                imports.push(Import { name, path });
            }
        }
    }
    imports
}

/// The paths of a `use` tree and the name that each is given: `a::{b, c as d}` is `a::b` (`b`) and `a::c` (`d`).
fn leaves(tree: &str) -> Vec<(Vec<String>, String)> {
    let tree = tree.trim();
    let Some((before, list)) = tree.split_once('{') else {
        let (path, name) = tree.split_once(" as ").unwrap_or((tree, ""));
        let mut path: Vec<_> = path.split("::").map(|segment| segment.trim().to_owned()).collect();
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        let last = path.last().cloned().unwrap_or_default();
        return vec![(path, if name.is_empty() { last } else { name.trim().to_owned() })];
    };
    let list = list.trim_end().trim_end_matches('}');
    let (mut depth, mut items) = (0, vec![String::new()]);
    for c in list.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        match c {
            ',' if depth == 0 => items.push(String::new()),
            c => items.last_mut().unwrap().push(c),
        }
    }
    let items = items.into_iter().filter(|item| !item.trim().is_empty());
    items.flat_map(|item| leaves(&format!("{before}{}", item.trim()))).collect()
}

/// The path from the crate's root, or `None` if the path leads into another crate.
fn absolute(module: &ModulePath, path: &[String], modules: &BTreeSet<ModulePath>) -> Option<ModulePath> {
    let mut base = module.clone();
    let mut rest = path;
    match path.first()?.as_str() {
        "crate" => {
            base.clear();
            rest = &path[1..];
        }
        "self" => rest = &path[1..],
        "super" => {
            while rest.first().is_some_and(|segment| segment == "super") {
                base.pop();
                rest = &rest[1..];
            }
        }
        child => {
            let mut inner = base.clone();
            inner.push(child.to_owned());
            if !modules.contains(&inner) {
                return None;
            }
        }
    }
    base.extend(rest.iter().cloned());
    Some(base)
}

/// The module that defines the item that `path` names. At most `depth` re-exports are followed.
fn defining<'a>(modules: &'a Modules, path: &[String], depth: usize) -> Option<&'a ModulePath> {
    let inside = (0..=path.len()).rev().find(|length| modules.contains_key(&path[..*length]))?;
    let (module_path, module) = modules.get_key_value(&path[..inside])?;
    let Some(item) = path.get(inside) else { return Some(module_path) };
    if depth == 0 {
        return Some(module_path);
    }
    let reexported = module.imports.iter().find(|import| import.name == *item);
    if let Some(import) = reexported {
        return defining(modules, &import.path, depth - 1);
    }
    let globs = module.imports.iter().filter(|import| import.name == "*");
    for glob in globs {
        let inner = &glob.path[..glob.path.len() - 1];
        let defined = modules.get(inner).is_some_and(|module| module.code.contains(&format!(" {item}")));
        if defined {
            return modules.get_key_value(inner).map(|(path, _)| path);
        }
    }
    Some(module_path)
}

/// The paths outside `use` declarations in a module's code that start with `crate`, `super`, a child or an imported module.
fn inline_paths(modules: &Modules, paths: &BTreeSet<ModulePath>, module: &ModulePath) -> Vec<ModulePath> {
    let Module { code, imports, .. } = &modules[module];
    let mut found = Vec::new();
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    // A chain that ends with `::` is the head of a `use` tree, whose leaves are among the imports.
    let is_path = |chain: &&str| chain.contains("::") && !chain.ends_with("::");
    for chain in code.split(|c: char| !is_name(c) && c != ':').filter(is_path) {
        let segments: Vec<String> =
            chain.split("::").filter(|segment| !segment.is_empty()).map(str::to_owned).collect();
        let Some(first) = segments.first() else { continue };
        let imported = imports.iter().find(|import| import.name == *first);
        match imported.filter(|import| modules.contains_key(&import.path)) {
            Some(import) => found.push(import.path.iter().chain(&segments[1..]).cloned().collect()),
            None => found.extend(absolute(module, &segments, paths)),
        }
    }
    found
}

/// The files that each file uses.
fn uses(modules: &Modules) -> BTreeMap<&str, BTreeSet<&str>> {
    let paths: BTreeSet<ModulePath> = modules.keys().cloned().collect();
    let mut uses: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (path, module) in modules {
        // A module without code of its own only re-exports names, and does not use them.
        let is_facade = !["fn ", "struct ", "enum ", "trait "].iter().any(|item| module.code.contains(item));
        if is_facade {
            continue;
        }
        let imported =
            module.imports.iter().filter(|import| import.name != "*" && !modules.contains_key(&import.path));
        let mut used: Vec<ModulePath> = imported.map(|import| import.path.clone()).collect();
        used.extend(inline_paths(modules, &paths, path));
        for used in used {
            if let Some(target) = defining(modules, &used, 8).filter(|target| *target != path) {
                uses.entry(&module.file).or_default().insert(&modules[target].file);
            }
        }
    }
    uses
}

/// The groups of files in which each file reaches every other file of the group.
fn circles<'a>(uses: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> Vec<BTreeSet<&'a str>> {
    let reached = |start: &'a str| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![start]);
        while let Some(file) = open.pop() {
            open.extend(uses.get(file).into_iter().flatten().filter(|next| seen.insert(**next)));
        }
        seen
    };
    let reached: BTreeMap<&str, BTreeSet<&str>> = uses.keys().map(|file| (*file, reached(file))).collect();
    let in_circle = reached.iter().filter(|(file, reached)| reached.contains(*file));
    let groups = in_circle.map(|(file, others)| {
        let back = |other: &&str| reached.get(*other).is_some_and(|reached| reached.contains(file));
        others.iter().copied().filter(back).collect()
    });
    groups.collect::<BTreeSet<_>>().into_iter().collect()
}

#[test]
fn no_two_files_import_each_other_in_a_circle() {
    let modules = modules();
    let uses = uses(&modules);
    assert!(uses.len() > 100, "only {} files use others", uses.len());
    let found = circles(&uses);
    let described: Vec<_> = found
        .into_iter()
        .map(|circle| {
            let edge = |file: &&str| {
                let inside: Vec<_> = uses[*file].intersection(&circle).copied().collect();
                format!("  src/{file} uses {}", inside.join(", "))
            };
            circle.iter().map(edge).collect::<Vec<_>>().join("\n")
        })
        .collect();
    assert!(described.is_empty(), "{} circles:\n{}", described.len(), described.join("\n\n"));
}

#[test]
fn a_circle_is_found_through_re_exports_and_aliases() {
    let module = |path: &str, file: &str, code: &str| {
        (path.split_whitespace().map(str::to_owned).collect::<ModulePath>(), file.to_owned(), code.to_owned())
    };
    let files = vec![
        module("", "lib.rs", "pub mod a;\npub mod b;\n"),
        module("a", "a/mod.rs", "mod one;\npub use one::One;\n"),
        module("a one", "a/one.rs", "use crate::b;\npub struct One(b::Two);\n"),
        module("b", "b.rs", "use crate::a::One;\npub struct Two(Box<One>);\nstruct Three(std::fs::File);\n"),
    ];
    let paths: BTreeSet<ModulePath> = files.iter().map(|(path, ..)| path.clone()).collect();
    let modules: Modules = files
        .into_iter()
        .map(|(path, file, code)| {
            let imports = imports(&path, &code, &paths);
            (path, Module { file, code, imports })
        })
        .collect();
    assert_eq!(circles(&uses(&modules)), [BTreeSet::from(["a/one.rs", "b.rs"])]);
}
