//! Reading the small languages of PostgREST's parameters, character by character, with errors that say where.

use super::error::RestError;

/// The scanner that reads `in.(…)`, `order=…` and the like.
pub(super) struct Scanner<'a> {
    /// The parameter that is parsed, for messages: `filter`, `order` …
    what: &'static str,
    text: &'a str,
    /// Bytes read so far; always at the border of a character.
    position: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(what: &'static str, text: &'a str) -> Self {
        Self { what, text, position: 0 }
    }

    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.position..]
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.rest().is_empty()
    }

    /// Reads `expected` if it is next.
    pub(super) fn take(&mut self, expected: &str) -> bool {
        let found = self.rest().starts_with(expected);
        if found {
            self.position += expected.len();
        }
        found
    }

    pub(super) fn expect(&mut self, expected: &str) -> Result<(), RestError> {
        match self.take(expected) {
            true => Ok(()),
            false => Err(self.unexpected(&format!("\"{expected}\""))),
        }
    }

    pub(super) fn skip_spaces(&mut self) {
        self.take_while(|c| matches!(c, ' ' | '\t'));
    }

    pub(super) fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
        self.position += end;
        &rest[..end]
    }

    /// A name: quoted, or of letters, digits, `_`, `$`, spaces within, and dashes.
    pub(super) fn name(&mut self) -> Result<String, RestError> {
        self.skip_spaces();
        if self.peek() == Some('"') {
            return self.quoted();
        }
        let start = self.position;
        let in_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | ' ');
        loop {
            self.take_while(in_name);
            // A dash is part of a name; the `-` of `->` is not.
            let after_dash = self.rest().strip_prefix('-').and_then(|rest| rest.chars().next());
            match after_dash {
                Some(next) if in_name(next) && self.position > start => self.position += 1,
                _ => break,
            }
        }
        match self.text[start..self.position].trim() {
            "" => Err(self.unexpected("field name (* or [a..z0..9_$])")),
            name => Ok(name.to_owned()),
        }
    }

    /// Text between quotes, in which a backslash takes the next character as it is.
    pub(super) fn quoted(&mut self) -> Result<String, RestError> {
        self.expect("\"")?;
        let mut text = String::new();
        loop {
            match self.next() {
                Some('"') => return Ok(text),
                Some('\\') => match self.next() {
                    Some(c) => text.push(c),
                    None => return Err(self.unexpected("any character")),
                },
                Some(c) => text.push(c),
                None => return Err(self.unexpected("\"\\\"\"")),
            }
        }
    }

    /// A value within a list: quoted if its end is the value's end, else everything up to a comma or parenthesis.
    pub(super) fn element(&mut self) -> String {
        let start = self.position;
        if self.peek() == Some('"')
            && let Ok(text) = self.quoted()
            && matches!(self.peek(), None | Some(',' | ')'))
        {
            return text;
        }
        self.position = start;
        self.take_while(|c| !matches!(c, ',' | ')')).to_owned()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.position += next.len_utf8();
        Some(next)
    }

    /// The error for an unexpected next character.
    pub(super) fn unexpected(&self, expected: &str) -> RestError {
        let found = match self.peek() {
            Some(c) => format!("\"{c}\""),
            None => "end of input".to_owned(),
        };
        self.wrong(format!("unexpected {found} expecting {expected}"))
    }

    /// An error at the current position.
    pub(super) fn wrong(&self, details: impl Into<Box<str>>) -> RestError {
        let column = self.text[..self.position].chars().count() + 1;
        RestError::parse(self.what, self.text, column, details)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_as_postgrest_has_them() {
        let name = |text| Scanner::new("x", text).name();
        assert_eq!(name("metric_date.desc").unwrap(), "metric_date");
        assert_eq!(name(" with space ,").unwrap(), "with space");
        assert_eq!(name("a-b->c").unwrap(), "a-b");
        assert_eq!(name("\"a.\\\"b\\\\\".x").unwrap(), "a.\"b\\");
        assert!(name("").is_err());
        assert!(name("->x").is_err());
        assert!(name("\"never ends").is_err());
    }

    #[test]
    fn elements_are_quoted_only_as_a_whole() {
        let element = |text| Scanner::new("x", text).element();
        assert_eq!(element("\"a,b)\",c"), "a,b)");
        assert_eq!(element("\"a\"b,c"), "\"a\"b");
        assert_eq!(element("plain)"), "plain");
        assert_eq!(element("\"open,c"), "\"open");
        assert_eq!(element(""), "");
    }

    #[test]
    fn an_error_says_where() {
        let mut scanner = Scanner::new("filter", "ä=1");
        scanner.take("ä");
        let error = scanner.unexpected("\".\"");
        assert_eq!(&*error.message, "\"failed to parse filter (ä=1)\" (line 1, column 2)");
        assert_eq!(&*error.details.unwrap(), "unexpected \"=\" expecting \".\"");
    }
}
