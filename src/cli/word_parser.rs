//! The parser of an argument with a fixed set of words. For an unknown word it suggests the same word as the API,
//! instead of clap's suggestion, which uses another measure of similarity.

use std::ffi::OsStr;

use clap::{
    Arg, Command, Error,
    builder::{PossibleValue, PossibleValuesParser, TypedValueParser},
    error::{ContextKind, ContextValue},
};

use crate::config::similar_names;

#[derive(Clone)]
pub struct WordParser {
    words: Vec<&'static str>,
    /// Returns the canonical form of a word, or the word itself if it has none.
    canonical: fn(&str) -> &str,
    parser: PossibleValuesParser,
}

impl WordParser {
    pub fn new(words: impl IntoIterator<Item = &'static str>) -> Self {
        let words: Vec<_> = words.into_iter().collect();
        let parser = PossibleValuesParser::new(&words);
        Self { words, canonical: |word| word, parser }
    }

    /// Also accepts the words that `canonical` maps to a known one.
    pub fn with_synonyms(self, canonical: fn(&str) -> &str) -> Self {
        Self { canonical, ..self }
    }
}

impl TypedValueParser for WordParser {
    type Value = String;

    fn parse_ref(&self, command: &Command, argument: Option<&Arg>, value: &OsStr) -> Result<String, Error> {
        let word = value.to_str().map_or(value, |word| OsStr::new((self.canonical)(word)));
        self.parser.parse_ref(command, argument, word).map_err(|mut error| {
            error.remove(ContextKind::SuggestedValue);
            let similar = similar_names(&value.to_string_lossy(), &self.words);
            if !similar.is_empty() {
                let names = similar.into_iter().map(str::to_owned).collect();
                error.insert(ContextKind::SuggestedValue, ContextValue::Strings(names));
            }
            error
        })
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        self.parser.possible_values()
    }
}
