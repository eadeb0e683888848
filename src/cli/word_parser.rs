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
    parser: PossibleValuesParser,
}

impl WordParser {
    pub fn new<const N: usize>(words: [&'static str; N]) -> Self {
        Self { words: words.to_vec(), parser: PossibleValuesParser::new(words) }
    }
}

impl TypedValueParser for WordParser {
    type Value = String;

    fn parse_ref(&self, command: &Command, argument: Option<&Arg>, value: &OsStr) -> Result<String, Error> {
        self.parser.parse_ref(command, argument, value).map_err(|mut error| {
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
