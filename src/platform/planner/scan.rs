//! One pass over a source, span by span. Where the time column is indexed each span is an index range of its own; where
//! it is not, a single scan puts every row into its span's bucket.

use super::{
    dialect::{Dialect, where_all},
    span::{Edge, Span},
    time::TimeColumn,
};
use crate::{
    database::{Fault, LimitSource},
    metric::{Filter, Source, TimeFormat},
    platform::schema::Schema,
};

/// Whether rows are counted at their creation or at their soft deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stream {
    Entering,
    /// Soft-deleted rows, at their deletion, or at their creation if that is later. Existing rows are those that entered less
    /// those that left.
    Leaving,
}

/// The aggregates that a scan computes over the rows of each span.
pub struct StatementBody {
    pub of_days: Aggregates,
    /// The aggregates of the span before the first day, which needs only some of them.
    pub of_base: Aggregates,
    /// The expression to group by, which becomes the first value of every answer.
    pub label: Option<String>,
    /// The most labels that one span may have.
    pub max_labels: usize,
    /// Which rows of the source are read; `None` for all.
    pub condition: Option<String>,
    pub form: AnswerForm,
}

/// How the label and the aggregates of an answer stand behind the span's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerForm {
    /// As one value, for [`super::execute::Executor`].
    Packed,
    /// As columns, for a statement around this one.
    Columns,
}

#[derive(Clone)]
pub struct Aggregates {
    /// Over the rows, or over the facets if there are any.
    pub expressions: Vec<String>,
    pub facets: Option<Facets>,
}

/// Rows grouped by the columns that filters look at, so that many filters are evaluated on the groups, not on every row.
#[derive(Clone)]
pub struct Facets {
    pub columns: Vec<String>,
    /// Aggregates with their names, which the body's aggregates refer to.
    pub sums: Vec<String>,
}

impl StatementBody {
    fn of_span(&self, span: &Span) -> &Aggregates {
        if span.id == 0 { &self.of_base } else { &self.of_days }
    }
}

#[derive(Clone)]
pub struct Scan<'a> {
    pub dialect: Dialect,
    source: &'a Source,
    time: TimeColumn,
    /// The condition of rows that can leave: they have a creation and a deletion time.
    leaves: String,
    indexed: bool,
}

impl<'a> Scan<'a> {
    pub fn new(dialect: Dialect, schema: &Schema, source: &'a Source, stream: Stream) -> Result<Self, Fault> {
        let column = |name: &str| TimeColumn::new(dialect, source, dialect.name(name));
        let created = column(&source.time_column)?;
        let (time, leaves) = match (stream, source.deleted_column.as_deref()) {
            (Stream::Leaving, Some(deleted)) => {
                let deleted = column(deleted)?;
                let leaves = format!("{} AND {}", deleted.says_when(), created.is_present());
                (TimeColumn::new(dialect, source, created.or_later(&deleted))?, leaves)
            }
            _ => (created, String::new()),
        };
        let table = schema.of(source);
        let indexed =
            |name: &str| table.and_then(|table| table.column(name)).is_some_and(|column| column.indexed);
        let indexed = stream == Stream::Entering && indexed(&source.time_column);
        // A scan without an index converts most of its texts in any case. That rows can leave is tested by itself.
        let time = if indexed || !leaves.is_empty() { time } else { time.testing_rows() };
        Ok(Self { dialect, source, time, leaves, indexed })
    }

    /// A query that answers where a text between the edges is not a time; `None` where every row is tested anyway, or where
    /// the column has a type that holds nothing else.
    pub fn other_text_query(&self, spans: &[Span]) -> Option<String> {
        let (first, last) = (spans.first()?, spans.last()?);
        let is_asked = self.indexed && self.time.is_sorted_text();
        is_asked.then(|| self.time.other_text_query(&self.table(), first.lower, last.upper))
    }

    /// The same scan, with every row tested for holding a time.
    pub fn testing_rows(&self) -> Self {
        Self { time: self.time.testing_rows(), ..self.clone() }
    }

    /// Whether an index on the time column lets a span be read alone.
    pub fn is_indexed(&self) -> bool {
        self.indexed
    }

    pub fn source(&self) -> &'a Source {
        self.source
    }

    /// The table's name in SQL.
    pub fn table(&self) -> String {
        self.dialect.table(self.source)
    }

    pub fn time(&self) -> &TimeColumn {
        &self.time
    }

    /// The access path of the rows as text for messages and plans.
    pub fn access(&self, spans: usize) -> &'static str {
        match (self.by_ranges(spans), spans) {
            (true, 0..=2) => "one index range",
            (true, _) => "one index range a day",
            (false, _) => "one scan, sorted into days",
        }
    }

    /// The statement that answers `body` for every span. Answers come as (span id, values); a span that has no rows
    /// may be missing from them.
    pub fn statement(&self, body: &StatementBody, spans: &[Span]) -> String {
        if self.by_ranges(spans.len()) { self.ranges(body, spans) } else { self.buckets(body, spans) }
    }

    /// For texts of mixed ISO 8601 forms an index narrows a range down to some days only, which pays for one range, not for
    /// many.
    fn by_ranges(&self, spans: usize) -> bool {
        self.indexed && (spans <= 2 || self.source.time_format != TimeFormat::Iso)
    }

    fn ranges(&self, body: &StatementBody, spans: &[Span]) -> String {
        let (open, closed): (Vec<_>, Vec<_>) =
            spans.iter().partition(|span| span.id == 0 || spans.len() <= 2);
        let mut parts: Vec<_> = open.iter().map(|span| self.single_range(body, span)).collect();
        if !closed.is_empty() {
            parts.push(self.joined_ranges(body, &closed));
        }
        parts.join("\nUNION ALL\n")
    }

    fn single_range(&self, body: &StatementBody, span: &Span) -> String {
        let predicate = self.time.between(span.lower, span.upper);
        let id = self.integer(span.id);
        self.aggregate(body, body.of_span(span), &id, &predicate, None)
    }

    /// One index range for each of many spans.
    fn joined_ranges(&self, body: &StatementBody, spans: &[Span]) -> String {
        let rows: Vec<_> = spans
            .iter()
            .map(|span| {
                let lower = span.lower.map_or_else(|| "NULL".to_owned(), |edge| self.time.edge(edge));
                format!("({}, {lower}, {})", span.id, self.time.edge(span.upper))
            })
            .collect();
        let values = rows.join(",\n    ");
        let subject = self.time.comparable();
        let mut predicate =
            format!("{subject} >= daymark_spans.daymark_lower AND {subject} < daymark_spans.daymark_upper");
        if self.time.tests_rows() {
            predicate += &format!(" AND {}", self.time.is_present());
        }
        match (self.dialect, &body.label) {
            (Dialect::Postgres, _) => format!(
                "SELECT daymark_id::int8, {}\nFROM (VALUES\n    {values}) AS daymark_spans(daymark_id, daymark_lower, daymark_upper)\n\
                 CROSS JOIN LATERAL (\n  {}) AS {}",
                if body.form == AnswerForm::Packed { "daymark_values" } else { "answer.*" },
                self.aggregate(body, &body.of_days, "", &predicate, None),
                if body.form == AnswerForm::Packed { "answer(daymark_values)" } else { "answer" },
            ),
            (Dialect::Sqlite, None) => format!(
                "SELECT daymark_id, (\n  {})\nFROM (\n  SELECT column1 AS daymark_id, column2 AS daymark_lower, column3 AS daymark_upper FROM (VALUES\n    {values})) AS daymark_spans",
                self.aggregate(body, &body.of_days, "", &predicate, None)
            ),
            // SQLite has no LATERAL; CROSS JOIN keeps the order of the loops.
            (Dialect::Sqlite, Some(label)) => format!(
                "SELECT daymark_id, {}\nFROM (\n  SELECT column1 AS daymark_id, column2 AS daymark_lower, column3 AS daymark_upper FROM (VALUES\n    {values})) AS daymark_spans\n\
                 CROSS JOIN {}{} GROUP BY daymark_id, {label}",
                self.packed(body, &body.of_days.expressions, Some(label)),
                self.dialect.table(self.source),
                self.filtered(body, &predicate),
            ),
        }
    }

    fn buckets(&self, body: &StatementBody, spans: &[Span]) -> String {
        let (Some(first), Some(last)) = (spans.first(), spans.last()) else { return String::new() };
        let predicate = self.time.between(first.lower, last.upper);
        if let [only] = spans {
            return self.aggregate(body, body.of_span(only), &self.integer(only.id), &predicate, None);
        }
        // The predicate already excludes rows before the first span.
        let edges: Vec<Edge> = spans.iter().skip(1).filter_map(|span| span.lower).collect();
        let bucket = self.time.bucket(&edges);
        // With facets the bucket is computed in the inner query, and is a column here.
        let found =
            if body.of_days.facets.is_some() { "daymark_bucket".to_owned() } else { format!("({bucket})") };
        let id = match self.dialect {
            // PostgreSQL casts a boolean to a bigint through an integer only.
            Dialect::Postgres => format!("{found}::int::int8"),
            Dialect::Sqlite => found,
        };
        let id = if first.id == 0 { id } else { format!("{} + {id}", first.id) };
        self.aggregate(body, &body.of_days, &id, &predicate, Some(&bucket))
    }

    /// `SELECT id, values FROM source WHERE predicate`, grouped by bucket and label as far as there are any.
    fn aggregate(
        &self,
        body: &StatementBody,
        aggregates: &Aggregates,
        id: &str,
        predicate: &str,
        bucket: Option<&str>,
    ) -> String {
        let id = if id.is_empty() { String::new() } else { format!("{id}, ") };
        let values = self.packed(body, &aggregates.expressions, body.label.as_deref());
        let from = self.rows(body, aggregates, predicate, bucket);
        // PostgreSQL estimates two groups for a boolean, and far more for its number; SQLite would compute the expression
        // twice.
        let key = bucket.map(|bucket| match (self.dialect, &aggregates.facets) {
            (Dialect::Sqlite, _) => "1",
            (Dialect::Postgres, Some(_)) => "daymark_bucket",
            (Dialect::Postgres, None) => bucket,
        });
        let groups: Vec<_> = key.into_iter().chain(body.label.as_deref()).collect();
        let group =
            if groups.is_empty() { String::new() } else { format!("\n  GROUP BY {}", groups.join(", ")) };
        format!("SELECT {id}{values}\n  FROM {from}{group}")
    }

    fn rows(
        &self,
        body: &StatementBody,
        aggregates: &Aggregates,
        predicate: &str,
        bucket: Option<&str>,
    ) -> String {
        let table = self.dialect.table(self.source);
        let filtered = self.filtered(body, predicate);
        match (&aggregates.facets, bucket) {
            (None, _) => format!("{table}{filtered}"),
            (Some(facets), None) => {
                let (columns, sums) = (facets.columns.join(", "), facets.sums.join(", "));
                format!(
                    "(\n    SELECT {columns}, {sums}\n    FROM {table}{filtered}\n    GROUP BY {columns}) AS facets"
                )
            }
            (Some(facets), Some(bucket)) => {
                let (columns, sums) = (facets.columns.join(", "), facets.sums.join(", "));
                format!(
                    "(\n    SELECT {bucket} AS daymark_bucket, {columns}, {sums}\n    FROM {table}{filtered}\n    \
                     GROUP BY 1, {columns}) AS facets"
                )
            }
        }
    }

    fn filtered(&self, body: &StatementBody, predicate: &str) -> String {
        let filter = self.dialect.filter(&self.source.filter).unwrap_or_default();
        where_all([predicate, &filter, body.condition.as_deref().unwrap_or_default(), &self.leaves])
    }

    fn packed(&self, body: &StatementBody, aggregates: &[String], label: Option<&str>) -> String {
        let values: Vec<_> = label.map(str::to_owned).into_iter().chain(aggregates.iter().cloned()).collect();
        match body.form {
            AnswerForm::Packed => self.dialect.pack(&values),
            AnswerForm::Columns => values.join(", "),
        }
    }

    fn integer(&self, number: usize) -> String {
        match self.dialect {
            Dialect::Postgres => format!("{number}::int8"),
            Dialect::Sqlite => number.to_string(),
        }
    }
}

/// The limit of a statement for which no index can be used.
static WITHOUT_INDEX: LimitSource = LimitSource {
    set_by: "`platform.statement_timeout_seconds`",
    advice: "create this index, or raise `platform.statement_timeout_seconds`",
};

/// The fault of a statement that reached its time limit while it read a whole table.
pub fn without_index(source: &Source, fault: Fault) -> Fault {
    let message = format!(
        "{}; no index on `{}` of `{}` can be used, so each statement reads the whole table",
        fault.message, source.time_column, source.table
    );
    Fault { message, limit: Some(&WITHOUT_INDEX), ..fault }
}

/// The FILTER clause of an aggregate.
pub fn filter_clause(dialect: Dialect, filter: &Filter) -> String {
    dialect.filter(filter).map_or_else(String::new, |condition| format!(" FILTER (WHERE {condition})"))
}
