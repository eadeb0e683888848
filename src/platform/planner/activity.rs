//! Who was active at which time: the rows of one or several sources as actors, or as values of another column, and times.

use jiff::civil::Date;

use super::{
    dialect::{Dialect, where_all},
    execute::Executor,
    named_source::named_source,
    scan::{Scan, Stream},
    span::{Edge, Span},
    time::TimeColumn,
};
use crate::{
    database::{Fault, FaultClass},
    metric::{DayBounds, Rows, Source},
    platform::{contract::Sources, schema::Schema},
};

/// From the first edge, if there is one, to the second.
pub type EdgeRange = (Option<Edge>, Edge);

pub struct Activity<'a> {
    dialect: Dialect,
    parts: Vec<SourceScan<'a>>,
    /// The types of the ids, as far as they are known.
    id_types: Vec<String>,
    /// Whether ids are of different types (a uuid here, text there) and have to be compared as text.
    compares_text: bool,
}

/// The rows of one source.
struct SourceScan<'a> {
    rows: &'a Rows,
    actor_column: &'a str,
    scan: Scan<'a>,
}

impl<'a> Activity<'a> {
    pub fn new(
        dialect: Dialect,
        schema: &Schema,
        sources: &'a Sources,
        rows: &[&'a Rows],
        column: Option<&'a str>,
    ) -> Result<Self, Fault> {
        let part = |rows: &&'a Rows| {
            let missing =
                |what: &str| Fault::new(FaultClass::Other, format!("source `{}` has no {what}", rows.source));
            let source = named_source(dialect, sources, &rows.source)?;
            let actor_column = column.or(source.actor_column.as_deref());
            let actor_column = actor_column.ok_or_else(|| missing("actor_column"))?;
            let scan = Scan::new(dialect, schema, source, Stream::Entering)?;
            Ok(SourceScan { rows, actor_column, scan })
        };
        let parts = rows.iter().map(part).collect::<Result<Vec<_>, Fault>>()?;
        let id_types: Vec<_> = parts.iter().filter_map(|part| part.actor_type(schema)).collect();
        let compares_text = differ(&id_types);
        Ok(Self { dialect, parts, id_types, compares_text })
    }

    /// Has the ids of two activities written alike, so that one can be looked for in the other.
    pub fn align(&mut self, other: &mut Self) {
        let compares_text = differ(&[self.id_types.as_slice(), &other.id_types].concat());
        (self.compares_text, other.compares_text) = (compares_text, compares_text);
    }

    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Has the rows of a source tested for holding a time where some texts are none, of those from `first` on to the end of the days.
    pub async fn test_other_texts(
        &mut self,
        executor: &mut Executor<'_>,
        first: Option<Date>,
        days: &[DayBounds],
    ) -> Result<(), Fault> {
        let Some(last) = days.last() else { return Ok(()) };
        let lower = first.map(|date| Edge::at(executor.calendar().start_of(date), date));
        let upper = Edge::at(last.end, last.date.tomorrow().unwrap_or(last.date));
        for part in &mut self.parts {
            let span = Span { id: 0, lower, upper };
            if executor.has_other_texts(&part.scan, &[span]).await? {
                part.scan = part.scan.testing_rows();
            }
        }
        Ok(())
    }

    /// For each source a SELECT of the column that `first_column` writes, and of the actor.
    pub fn selects(
        &self,
        (lower, upper): EdgeRange,
        first_column: impl Fn(&TimeColumn) -> String,
    ) -> Vec<String> {
        let select = |part: &SourceScan<'a>| {
            let (source, time) = (part.scan.source(), part.scan.time());
            let actor = self.dialect.name(part.actor_column);
            let shown = if self.compares_text { format!("CAST({actor} AS text)") } else { actor.clone() };
            let filter = self.dialect.filter(&source.filter.and(&part.rows.filter)).unwrap_or_default();
            let (between, present) = (time.between(lower, upper), format!("{actor} IS NOT NULL"));
            let conditions = where_all([between.as_str(), &present, &filter]);
            let (column, table) = (first_column(time), self.dialect.table(source));
            format!("SELECT {column}{shown} AS daymark_actor\n  FROM {table}{conditions}")
        };
        self.parts.iter().map(select).collect()
    }

    /// The first source whose time column is not known to have an index.
    pub fn without_index(&self) -> Option<&'a Source> {
        self.parts.iter().find(|part| !part.scan.is_indexed()).map(|part| part.scan.source())
    }
}

fn differ(types: &[String]) -> bool {
    types.windows(2).any(|pair| pair[0] != pair[1])
}

/// The rows of all parts, each once. UNION removes duplicates from within a part too; a single part has to say so itself.
pub fn union(parts: &[String]) -> String {
    match parts {
        [only] => only.replacen("SELECT", "SELECT DISTINCT", 1),
        _ => parts.join("\n  UNION\n  "),
    }
}

/// The rows of all parts.
pub fn union_all(parts: &[String]) -> String {
    parts.join("\n  UNION ALL\n  ")
}

impl SourceScan<'_> {
    /// The type without its digits: `numeric(10,0)` and `numeric(12,2)` compare as numbers.
    fn actor_type(&self, schema: &Schema) -> Option<String> {
        let name = &schema.column_of(self.scan.source(), self.actor_column)?.type_name;
        Some(name.split('(').next().unwrap_or(name).to_owned())
    }
}
