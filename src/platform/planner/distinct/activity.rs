//! Who was active at which time: the rows of one or several sources as actors, or as values of another column, and times.

use crate::{
    database::{Fault, FaultClass},
    metric::{Rows, Source},
    platform::{
        contract::Sources,
        planner::{
            dialect::{Dialect, where_all},
            execute::Executor,
            named_source::named_source,
            scan::{Scan, Stream},
            span::{Edge, Span},
            time::TimeColumn,
        },
        schema::Schema,
    },
};

pub struct Activity<'a> {
    dialect: Dialect,
    parts: Vec<SourceScan<'a>>,
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
        let types: Vec<_> = parts.iter().filter_map(|part| part.actor_type(schema)).collect();
        let compares_text = types.windows(2).any(|pair| pair[0] != pair[1]);
        Ok(Self { dialect, parts, compares_text })
    }

    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Has the rows of a source tested for holding a time where some texts between the edges are none.
    pub async fn test_other_texts(
        &mut self,
        executor: &mut Executor<'_>,
        (first, last): (Edge, Edge),
    ) -> Result<(), Fault> {
        for part in &mut self.parts {
            let span = Span { id: 0, lower: Some(first), upper: last };
            if executor.has_other_texts(&part.scan, &[span]).await? {
                part.scan = part.scan.testing_rows();
            }
        }
        Ok(())
    }

    /// For each source a SELECT of the column that `first_column` writes, and of the actor.
    pub fn selects(
        &self,
        (first, last): (Edge, Edge),
        first_column: impl Fn(&TimeColumn) -> String,
    ) -> Vec<String> {
        let select = |part: &SourceScan<'a>| {
            let (source, time) = (part.scan.source(), part.scan.time());
            let actor = self.dialect.name(part.actor_column);
            let shown = if self.compares_text { format!("CAST({actor} AS text)") } else { actor.clone() };
            let filter = self.dialect.filter(&source.filter.and(&part.rows.filter)).unwrap_or_default();
            let (between, present) = (time.between(Some(first), last), format!("{actor} IS NOT NULL"));
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

impl SourceScan<'_> {
    fn actor_type<'s>(&self, schema: &'s Schema) -> Option<&'s str> {
        let source = self.scan.source();
        let table = schema.of(source)?;
        Some(&table.column(self.actor_column)?.type_name)
    }
}
