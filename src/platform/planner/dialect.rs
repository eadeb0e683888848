//! How PostgreSQL and SQLite write the same SQL. Values are literals, not bound parameters: an untyped literal takes the type
//! of the column that it is compared with (enums, uuids), the database's planner sees the real bounds, and `daymark plan`
//! shows the statements that run.

use crate::metric::{CUT_MARK, Condition, Filter, JoinedColumn, Literal, MAX_LABEL, Source, Test};

/// The most arguments that a function of SQLite takes, in builds with its oldest default (127).
const MAX_ARGUMENTS: usize = 100;

/// The maximum length of a number in characters; Daymark does not accept a longer text as a number.
const MAX_NUMBER: usize = 2001;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    Postgres,
    Sqlite,
}

impl Dialect {
    /// A table, column or schema name. SQLite takes an unknown name in double quotes for a text; not so in backticks.
    pub fn name(self, name: &str) -> String {
        let quote = if self == Self::Postgres { "\"" } else { "`" };
        format!("{quote}{}{quote}", name.replace(quote, &quote.repeat(2)))
    }

    /// What stands behind FROM to read the rows of a source.
    pub fn table(self, source: &Source) -> String {
        let base = match &source.query {
            Some(query) => format!("{} AS {}", bracketed(query), self.name(&source.table)),
            None => self.relation(source.schema.as_deref(), &source.table),
        };
        match source.joined.as_slice() {
            [] => base,
            joined => self.with_joined(source, &base, joined),
        }
    }

    fn relation(self, schema: Option<&str>, table: &str) -> String {
        match (schema, self) {
            (Some(schema), Self::Postgres) => format!("{}.{}", self.name(schema), self.name(table)),
            _ => self.name(table),
        }
    }

    /// A foreign key refers to one row at most, so that the join neither repeats nor drops rows.
    fn with_joined(self, source: &Source, base: &str, joined: &[JoinedColumn]) -> String {
        let (mut columns, mut joins) = (String::new(), String::new());
        for (index, join) in joined.iter().enumerate() {
            let alias = format!("daymark_joined{index}");
            columns += &format!(", {alias}.{} AS {}", self.name(&join.column), self.name(&join.name));
            joins += &format!(
                "\n    LEFT JOIN {} AS {alias} ON {alias}.{} = daymark_base.{}",
                self.relation(join.schema.as_deref(), &join.table),
                self.name(&join.key),
                self.name(&join.foreign_key)
            );
        }
        let name = self.name(&source.table);
        format!("(\n    SELECT daymark_base.*{columns}\n    FROM {base} AS daymark_base{joins}) AS {name}")
    }

    /// A table with its schema; SQLite has no schemas.
    pub fn qualified(self, schema: &str, name: &str) -> String {
        match self {
            Self::Postgres => format!("{}.{}", self.name(schema), self.name(name)),
            Self::Sqlite => self.name(name),
        }
    }

    /// A text literal; on PostgreSQL under `standard_conforming_strings = on`, which every session sets.
    /// Neither database can hold a NUL in text: such a literal equals nothing, and the rest of it is left out.
    pub fn text(self, text: &str) -> String {
        let text = text.split('\0').next().unwrap_or_default();
        format!("'{}'", text.replace('\'', "''"))
    }

    pub fn literal(self, literal: &Literal) -> String {
        match (literal, self) {
            (Literal::Boolean(value), _) => value.to_string(),
            (Literal::Number(value), _) => value.to_string(),
            (Literal::Text(value), _) => self.text(value),
        }
    }

    /// The filter as a condition, or `None` when every row passes.
    pub fn filter(self, filter: &Filter) -> Option<String> {
        let conditions: Vec<_> = filter.0.iter().map(|condition| self.condition(condition)).collect();
        (!conditions.is_empty()).then(|| conditions.join(" AND "))
    }

    pub fn condition(self, condition: &Condition) -> String {
        let column = self.name(&condition.column);
        let compare =
            |operator: &str, value: &Literal| format!("{column} {operator} {}", self.literal(value));
        let list = |operator: &str, values: &[Literal], empty: &str| match values {
            [] => empty.to_owned(),
            _ => {
                let values: Vec<_> = values.iter().map(|value| self.literal(value)).collect();
                format!("{column} {operator} ({})", values.join(", "))
            }
        };
        match &condition.test {
            Test::Equals(value) => compare("=", value),
            Test::NotEquals(value) => compare("<>", value),
            Test::LessThan(value) => compare("<", value),
            Test::AtMost(value) => compare("<=", value),
            Test::GreaterThan(value) => compare(">", value),
            Test::AtLeast(value) => compare(">=", value),
            Test::In(values) => list("IN", values, "false"),
            Test::NotIn(values) => list("NOT IN", values, "true"),
            Test::IsNot(values) => format!("({column} IS NULL OR {})", list("NOT IN", values, "true")),
            Test::IsNull(true) => format!("{column} IS NULL"),
            Test::IsNull(false) => format!("{column} IS NOT NULL"),
        }
    }

    /// The text of a column's value by which rows are grouped: compared exactly, independent of the column's collation,
    /// and no longer than [`MAX_LABEL`]. SQLite's BLOBs are written in hexadecimal digits.
    pub fn label(self, column: &str) -> String {
        let column = self.name(column);
        let kept = MAX_LABEL - CUT_MARK.len();
        match self {
            Self::Postgres => format!(
                "CASE WHEN length({column}::text) > {MAX_LABEL} THEN left({column}::text, {kept}) || '{CUT_MARK}' \
                 ELSE {column}::text END COLLATE \"C\""
            ),
            Self::Sqlite => {
                // The bytes of a BLOB have two digits each.
                let text = format!(
                    "CASE typeof({column}) WHEN 'blob' THEN hex(substr({column}, 1, {MAX_LABEL})) ELSE {column} END"
                );
                format!(
                    "CASE WHEN length({column}) > iif(typeof({column}) = 'blob', {}, {MAX_LABEL}) \
                     THEN substr({text}, 1, {kept}) || '{CUT_MARK}' ELSE substr({text}, 1, {MAX_LABEL}) END COLLATE BINARY",
                    MAX_LABEL / 2
                )
            }
        }
    }

    /// The value of a query of the user's own that must be a number, however long a text it returns instead.
    pub fn number(self, column: &str) -> String {
        let column = self.name(column);
        match self {
            Self::Postgres => format!("left({column}::text, {MAX_NUMBER})"),
            // JSON cannot hold a BLOB.
            Self::Sqlite => format!(
                "CASE typeof({column}) WHEN 'blob' THEN 'a BLOB' WHEN 'text' THEN substr({column}, 1, {MAX_NUMBER}) ELSE {column} END"
            ),
        }
    }

    /// Whether the plan of a statement reads a range of an index.
    pub fn reads_a_range(self, plan: &str) -> bool {
        match self {
            Self::Postgres => plan
                .lines()
                .any(|line| line.contains("Index Cond") && (line.contains(" >= ") || line.contains(" < "))),
            Self::Sqlite => plan
                .lines()
                .any(|line| line.contains("SEARCH") && (line.contains(">?") || line.contains("<?"))),
        }
    }

    /// The id of an answer that belongs to no span.
    pub fn zero(self) -> &'static str {
        if self == Self::Postgres { "0::int8" } else { "0" }
    }

    /// Several expressions as one value: on PostgreSQL a text array; on SQLite a JSON array, nested where there are more than
    /// [`MAX_ARGUMENTS`].
    pub fn pack(self, expressions: &[String]) -> String {
        match self {
            Self::Postgres => {
                let texts: Vec<_> =
                    expressions.iter().map(|expression| format!("({expression})::text")).collect();
                format!("ARRAY[{}]", texts.join(", "))
            }
            Self::Sqlite if expressions.len() <= MAX_ARGUMENTS => {
                format!("json_array({})", expressions.join(", "))
            }
            Self::Sqlite => {
                let parts: Vec<_> = expressions.chunks(MAX_ARGUMENTS).map(|part| self.pack(part)).collect();
                self.pack(&parts)
            }
        }
    }
}

/// The query of a source as a subquery. The line break keeps a comment at its end from swallowing the bracket.
pub fn bracketed(query: &str) -> String {
    format!("(\n{}\n)", query.trim().trim_end_matches(';'))
}

/// `WHERE a AND b`, or nothing.
pub fn where_all<'a>(conditions: impl IntoIterator<Item = &'a str>) -> String {
    let conditions: Vec<_> = conditions.into_iter().filter(|condition| !condition.is_empty()).collect();
    if conditions.is_empty() { String::new() } else { format!("\n  WHERE {}", conditions.join(" AND ")) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// A quoted text ends where it should: its quotes come in pairs, so nothing of it is ever read as SQL.
        #[test]
        fn quotes_inside_are_always_doubled(text in ".*") {
            for (quoted, quote) in [(Dialect::Postgres.text(&text), '\''), (Dialect::Postgres.name(&text), '"'), (Dialect::Sqlite.name(&text), '`')] {
                let inner = &quoted[1..quoted.len() - 1];
                let pair = quote.to_string().repeat(2);
                prop_assert!(!inner.replace(&pair, "").contains(quote));
                prop_assert!(!Dialect::Postgres.text(&text).contains('\0'));
            }
        }
    }
}
