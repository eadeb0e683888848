//! Reads `daymark.toml`: settings, sources and metrics. All problems are reported at once.

mod alert_section;
mod channel_section;
pub mod declaration;
mod derived_section;
mod document;
mod filter_section;
pub mod json_metric;
mod metric_section;
mod source_section;
pub mod written_metric;

use std::{io::Read, path::Path};

use toml_edit::Document;

use crate::{
    config::{
        file::{
            alert_section::read_rules,
            channel_section::read_channel,
            declaration::Declarations,
            derived_section::read_derived,
            document::{DocumentReader, Section},
            metric_section::read_metric,
            source_section::read_source,
        },
        finding::{Finding, Located},
        settings::{
            layers::{FileSettings, GivenValue},
            setting::SettingKind,
            table::SETTINGS,
        },
        suggest::shown,
    },
    metric::is_name,
};

/// The largest file that is read, in bytes. A configuration has a few kilobytes, so a larger file is a mistake.
const MAX_BYTES: u64 = 1024 * 1024;

/// The contents of a file that could be read, and the problems with the rest.
#[derive(Debug, Default)]
pub struct ReadFile {
    pub settings: FileSettings,
    pub declarations: Declarations,
    pub problems: Vec<Finding>,
    /// The settings whose values in the file could not be read; all settings if the whole file could not be read.
    pub unread: Vec<&'static str>,
}

impl ReadFile {
    /// The result for a file that cannot be read at all.
    fn unread(problem: Finding) -> Self {
        let unread = SETTINGS.iter().map(|setting| setting.key).collect();
        Self { problems: vec![problem], unread, ..Self::default() }
    }
}

/// Reads the file at `path`.
pub fn read_file(path: &Path) -> ReadFile {
    let name = path.display().to_string();
    let failed = |message: String, hint: &str| ReadFile::unread(Finding::error(&name, message).hint(hint));
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes));
    if let Err(error) = read {
        return failed(
            format!("cannot be read: {error}"),
            &format!(
                "give another file with --config, or create this one with `daymark init --output {name}`"
            ),
        );
    }
    if bytes.len() as u64 > MAX_BYTES {
        return failed(
            format!("is larger than {MAX_BYTES} bytes"),
            "a configuration is a few kilobytes; is this the right file?",
        );
    }
    match String::from_utf8(bytes) {
        Ok(text) => read_text(&name, path.parent().unwrap_or(Path::new("")), &text),
        Err(error) => {
            let line =
                error.as_bytes().iter().take(error.utf8_error().valid_up_to()).filter(|b| **b == b'\n');
            failed(format!("line {} is not valid UTF-8", line.count() + 1), "save the file as UTF-8")
        }
    }
}

/// Reads a file's text. `name` is used in messages; relative SQLite paths are relative to `directory`.
pub fn read_text(name: &str, directory: &Path, text: &str) -> ReadFile {
    let reader = DocumentReader::new(name, text);
    let document = match text.parse::<Document<String>>() {
        Ok(document) => document,
        Err(error) => {
            let line = error.span().map_or(1, |span| reader.line_of(span.start));
            let found = error.span().and_then(|span| text.get(span)).and_then(|found| found.lines().next());
            let found = found.filter(|found| !found.is_empty()).map(|found| format!(" at {}", shown(found)));
            let message =
                format!("this is not TOML: {}{}", error.message().trim(), found.unwrap_or_default());
            let problem = Finding::error(format!("{name}:{line}"), message)
                .hint("fix this first; other mistakes can only be found then");
            return ReadFile::unread(problem);
        }
    };
    let root = reader.root(document.as_table());
    let (settings, unread) = read_settings(&root, directory);
    let sources = named_sections(&root, "sources").into_iter();
    let sources = sources.filter_map(|(name, section)| read_source(name, section)).collect();
    let metrics = named_sections(&root, "metrics").into_iter();
    let metrics = metrics.map(|(category, section)| read_metric(category, section)).collect();
    let derived = named_sections(&root, "derived").into_iter();
    let derived = derived.filter_map(|(category, section)| read_derived(category, section)).collect();
    let channels = named_sections(&root, "channels");
    let channel_names: Vec<_> = channels.iter().map(|(name, _)| *name).collect();
    let channels = channels.into_iter().filter_map(|(name, section)| read_channel(name, section)).collect();
    let alerts = read_rules(named_sections(&root, "alerts"), &channel_names);
    root.finish();
    let declarations = Declarations { sources, metrics, derived, channels, alerts };
    ReadFile { settings, declarations, problems: reader.into_problems(), unread }
}

/// Returns the settings, and the keys of those that are present but have the wrong type.
fn read_settings(root: &Section, directory: &Path) -> (FileSettings, Vec<&'static str>) {
    let mut values = FileSettings::new();
    let mut unread = Vec::new();
    for setting in SETTINGS.iter().filter(|setting| !setting.key.contains('.')) {
        read_setting(root, setting.key, setting.key, setting.kind, directory, &mut values);
        if root.has(setting.key) && !values.contains_key(setting.key) {
            unread.push(setting.key);
        }
    }
    let mut groups: Vec<_> =
        SETTINGS.iter().filter_map(|setting| Some(setting.key.split_once('.')?.0)).collect();
    groups.dedup();
    for group in groups {
        let section = root.section(group);
        for setting in SETTINGS {
            let Some((_, key)) = setting.key.split_once('.').filter(|(of, _)| *of == group) else { continue };
            if let Some(section) = &section {
                read_setting(section, key, setting.key, setting.kind, directory, &mut values);
            }
            let is_present = section.as_ref().map_or_else(|| root.has(group), |section| section.has(key));
            if is_present && !values.contains_key(setting.key) {
                unread.push(setting.key);
            }
        }
        if let Some(section) = section {
            section.finish();
        }
    }
    (values, unread)
}

fn read_setting(
    section: &Section,
    key: &'static str,
    setting: &'static str,
    kind: SettingKind,
    directory: &Path,
    values: &mut FileSettings,
) {
    let text = match kind {
        SettingKind::Integer { .. } => section
            .integer(key, i64::MIN..=i64::MAX)
            .map(|number| Located::new(number.value.to_string(), number.place)),
        SettingKind::Boolean => {
            section.boolean(key).map(|value| Located::new(value.value.to_string(), value.place))
        }
        SettingKind::List => section.texts(key).map(|texts| Located::new(texts.value.join(","), texts.place)),
        _ => section.text(key),
    };
    if let Some(Located { value: text, place }) = text {
        values.insert(setting, GivenValue { text, place, directory: Some(directory.to_owned()) });
    }
}

/// Returns the sections under `key` that have valid names.
fn named_sections<'a>(root: &Section<'a>, key: &'a str) -> Vec<(&'a str, Section<'a>)> {
    let Some(sections) = root.section(key) else { return Vec::new() };
    let mut named = Vec::new();
    for name in sections.keys() {
        let section = sections.section(name);
        if !is_name(name) {
            let message = format!("{} cannot be a name", shown(name));
            let hint = "use at most 63 lower-case letters, digits and underscores, beginning with a letter";
            sections.problem(name, message, Some(hint.to_owned()));
        } else if let Some(section) = section {
            named.push((name, section));
        }
    }
    named
}
