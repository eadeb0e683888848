//! Reads the tables of a TOML document, or of a JSON object that was converted into one, and records which keys were
//! read. Every other key is reported as unknown; wrong types and values are reported with their line or their path.

use std::{cell::RefCell, fmt::Display, ops::RangeInclusive};

use toml_edit::{Item, TableLike, Value};

use crate::{
    config::{
        finding::{Finding, Located},
        suggest::{shown, suggestion},
    },
    metric::Decimal,
};

/// The most characters of a path in a message; longer ones are cut.
const PATH_CHARS: usize = 120;

/// The reader of one document: it formats places and collects problems, each with its line.
pub struct DocumentReader {
    places: Places,
    problems: RefCell<Vec<(usize, Finding)>>,
    /// The known keys of each section that was read, by the section's path.
    #[cfg(test)]
    pub known: RefCell<std::collections::BTreeMap<String, std::collections::BTreeSet<String>>>,
}

enum Places {
    /// Places consist of the file's name, the line and the section: `daymark.toml:12: [sources.posts]`.
    Lines { name: String, starts: Vec<usize> },
    /// Places are paths from the root: `filter.score`. All values count as being on line 1.
    Paths,
}

/// A table of the document.
pub struct Section<'a> {
    reader: &'a DocumentReader,
    /// The path from the root: `sources.posts`; empty at the root.
    title: String,
    line: usize,
    table: &'a dyn TableLike,
    read_keys: RefCell<Vec<&'a str>>,
}

impl DocumentReader {
    pub fn new(name: &str, text: &str) -> Self {
        let newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        let starts = std::iter::once(0).chain(newlines).collect();
        Self::with_places(Places::Lines { name: name.to_owned(), starts })
    }

    /// Creates a reader for tables that are not in a file.
    pub fn by_paths() -> Self {
        Self::with_places(Places::Paths)
    }

    fn with_places(places: Places) -> Self {
        Self {
            places,
            problems: RefCell::default(),
            #[cfg(test)]
            known: RefCell::default(),
        }
    }

    pub fn root<'a>(&'a self, table: &'a dyn TableLike) -> Section<'a> {
        self.section(String::new(), 1, table)
    }

    /// Returns the problems in the order of their lines.
    pub fn into_problems(self) -> Vec<Finding> {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|(line, _)| *line);
        problems.into_iter().map(|(_, problem)| problem).collect()
    }

    /// Returns the line of a byte offset, counted from 1.
    pub fn line_of(&self, offset: usize) -> usize {
        match &self.places {
            Places::Lines { starts, .. } => starts.partition_point(|start| *start <= offset),
            Places::Paths => 1,
        }
    }

    fn section<'a>(&'a self, title: String, line: usize, table: &'a dyn TableLike) -> Section<'a> {
        Section { reader: self, title, line, table, read_keys: RefCell::default() }
    }
}

impl<'a> Section<'a> {
    /// The place where the section begins.
    pub fn place(&self) -> String {
        self.place_at(self.line)
    }

    fn place_at(&self, line: usize) -> String {
        match (&self.reader.places, self.title.as_str()) {
            (Places::Lines { name, .. }, "") => format!("{name}:{line}"),
            (Places::Lines { name, .. }, title) => format!("{name}:{line}: [{title}]"),
            (Places::Paths, title) => title.to_owned(),
        }
    }

    fn line_of_key(&self, key: &str) -> usize {
        let span = self.table.get_key_value(key).and_then(|(key, item)| key.span().or_else(|| item.span()));
        span.map_or(self.line, |span| self.reader.line_of(span.start))
    }

    /// The place of `key`.
    pub fn place_of(&self, key: &str) -> String {
        match self.reader.places {
            Places::Lines { .. } => self.place_at(self.line_of_key(key)),
            Places::Paths => joined(&self.title, key),
        }
    }

    /// Reports a problem with the value of `key`.
    pub fn problem(&self, key: &str, message: impl Display, hint: Option<String>) {
        let problem = Finding::error(self.place_of(key), message.to_string()).maybe_hint(hint);
        self.reader.problems.borrow_mut().push((self.line_of_key(key), problem));
    }

    /// Reports a problem with the section as a whole.
    pub fn section_problem(&self, message: impl Display, hint: Option<String>) {
        let problem = Finding::error(self.place(), message.to_string()).maybe_hint(hint);
        self.reader.problems.borrow_mut().push((self.line, problem));
    }

    fn wrong_type(&self, key: &str, expected: &str, item: &Item) {
        let found = match item.type_name() {
            "string" => "a string",
            "integer" => "an integer",
            "float" => match item.as_float() {
                Some(number) if number.is_nan() => "nan",
                Some(number) if number.is_infinite() => "infinity",
                _ => "a decimal number",
            },
            "boolean" => "true or false",
            "datetime" => "a date or time",
            "array" | "array of tables" => "a list",
            _ => "a table",
        };
        self.problem(key, format!("`{key}` must be {expected}, not {found}"), None);
    }

    /// Returns the item at `key`, and marks the key as known.
    pub fn item(&self, key: &'a str) -> Option<&'a Item> {
        let mut read_keys = self.read_keys.borrow_mut();
        if !read_keys.contains(&key) {
            read_keys.push(key);
        }
        self.table.get(key).filter(|item| !item.is_none())
    }

    /// Whether the key is present with a value of any type; this does not mark it as known.
    pub fn has(&self, key: &str) -> bool {
        self.table.get(key).is_some_and(|item| !item.is_none())
    }

    pub fn text(&self, key: &'a str) -> Option<Located<String>> {
        let item = self.item(key)?;
        let Some(text) = item.as_str() else {
            self.wrong_type(key, "a string", item);
            return None;
        };
        self.clean(key, text).map(|text| Located::new(text, self.place_of(key)))
    }

    /// Refuses texts with a NUL character, which no database accepts.
    fn clean(&self, key: &str, text: &str) -> Option<String> {
        if text.contains('\0') {
            self.problem(
                key,
                format!("{} contains a NUL character, which no database accepts", shown(key)),
                None,
            );
            return None;
        }
        Some(text.to_owned())
    }

    pub fn boolean(&self, key: &'a str) -> Option<Located<bool>> {
        let item = self.item(key)?;
        let value = item.as_bool().map(|value| Located::new(value, self.place_of(key)));
        if value.is_none() {
            self.wrong_type(key, "true or false", item);
        }
        value
    }

    pub fn integer(&self, key: &'a str, range: RangeInclusive<i64>) -> Option<Located<i64>> {
        let item = self.item(key)?;
        let Some(value) = item.as_integer() else {
            self.wrong_type(key, "an integer", item);
            return None;
        };
        if !range.contains(&value) {
            let (min, max) = range.into_inner();
            self.problem(key, format!("`{key}` must be from {min} to {max}, not {value}"), None);
            return None;
        }
        Some(Located::new(value, self.place_of(key)))
    }

    pub fn number(&self, key: &'a str) -> Option<Decimal> {
        let item = self.item(key)?;
        let number = item.as_value().and_then(decimal);
        if number.is_none() {
            self.wrong_type(key, "a finite number", item);
        }
        number
    }

    /// Returns one of `choices` by name.
    pub fn choice<T: Copy>(&self, key: &'a str, choices: &[(&str, T)]) -> Option<Located<T>> {
        let text = self.text(key)?;
        let chosen = choices.iter().find(|(name, _)| *name == text.value);
        if chosen.is_none() {
            let hint = suggestion(&text.value, choices.iter().map(|(name, _)| *name));
            self.problem(key, format!("`{key}` cannot be {}", shown(&text.value)), hint);
        }
        chosen.map(|(_, value)| Located::new(*value, text.place))
    }

    /// Returns a list of strings, which must not be empty.
    pub fn texts(&self, key: &'a str) -> Option<Located<Vec<String>>> {
        let item = self.item(key)?;
        let texts =
            item.as_array().and_then(|list| list.iter().map(Value::as_str).collect::<Option<Vec<_>>>());
        let Some(texts) = texts.filter(|texts| !texts.is_empty()) else {
            self.problem(key, format!("`{key}` must be a list of at least one string"), None);
            return None;
        };
        let texts = texts.into_iter().map(|text| self.clean(key, text)).collect::<Option<Vec<_>>>()?;
        Some(Located::new(texts, self.place_of(key)))
    }

    /// Returns the table at `key` as a section.
    pub fn section(&self, key: &'a str) -> Option<Section<'a>> {
        let item = self.item(key)?;
        let Some(table) = item.as_table_like() else {
            self.wrong_type(key, "a table", item);
            return None;
        };
        Some(self.reader.section(joined(&self.title, key), self.line_of_key(key), table))
    }

    /// Returns the keys of this table.
    pub fn keys(&self) -> Vec<&'a str> {
        self.table.iter().map(|(key, _)| key).collect()
    }

    /// Reports every key of the table that was not read.
    pub fn finish(self) {
        let read_keys = self.read_keys.borrow();
        #[cfg(test)]
        self.reader
            .known
            .borrow_mut()
            .insert(self.title.clone(), read_keys.iter().map(ToString::to_string).collect());
        for (key, _) in self.table.iter().filter(|(key, item)| !read_keys.contains(key) && !item.is_none()) {
            let hint = suggestion(key, read_keys.iter().copied());
            self.problem(key, format!("unknown key {}", shown(key)), hint);
        }
    }
}

/// Returns the path of `key` in the table at `path`, cut to [`PATH_CHARS`] and with control characters escaped.
pub fn joined(path: &str, key: &str) -> String {
    let key = key.chars().flat_map(char::escape_debug);
    let dot = (!path.is_empty()).then_some('.');
    path.chars().chain(dot).chain(key).take(PATH_CHARS).collect()
}

/// Converts an integer or a float of the file to an exact decimal, without trailing zeros.
pub fn decimal(value: &Value) -> Option<Decimal> {
    match value {
        Value::Integer(number) => Some(Decimal::from(*number.value())),
        Value::Float(number) => number.display_repr().replace('_', "").parse().ok().map(Decimal::normalized),
        _ => None,
    }
}
