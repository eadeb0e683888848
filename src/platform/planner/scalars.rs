//! Counts, sums, moments and extremes: one scan of a source answers all of them.

use std::collections::BTreeSet;

use super::{
    column_aggregate::{AggregateCall, ColumnAggregate, ColumnAggregateSql, combined, without},
    dialect::Dialect,
    execute::Executor,
    parse::parse_count,
    scan::{Aggregates, AnswerForm, Facets, Scan, StatementBody, Stream, filter_clause},
    span::Span,
};
use crate::{
    database::Fault,
    metric::{DayBounds, Filter, Phase, Reading, Source, Tally},
    platform::schema::Schema,
};

/// From this many different filters on, rows are first grouped by the columns that the filters look at.
const FACETS_FROM_FILTERS: usize = 8;
/// Rows are not grouped first where the platform's statistics predict more groups than this.
const MAX_FACETS: u64 = 10_000;

/// A column, and what is aggregated of it.
type AggregatedColumn = (String, ColumnAggregate);

/// One thing to aggregate: rows, or a column.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Atom {
    filter: Filter,
    /// `None` for the number of rows.
    column: Option<AggregatedColumn>,
    /// Whether rows before the first day are needed, too.
    existing: bool,
}

/// The counts, and the aggregates of columns, of one source that are read together.
pub struct ScalarGroup<'a> {
    source: &'a Source,
    atoms: Vec<Atom>,
    /// For each reading of the group the index of its atom, and whether it is the running total.
    readings: Vec<(usize, Phase)>,
}

/// One atom over the rows of one span that entered in it, and over those that left.
#[derive(Clone)]
enum Sums {
    Count { entered: i64, left: i64 },
    Column(Box<ColumnSums>),
}

#[derive(Clone)]
struct ColumnSums {
    aggregate: ColumnAggregate,
    entered: Tally,
    left: Tally,
}

/// The place of a reading in an answer of PostgreSQL.
pub struct ReadingCells {
    /// The number of its first cell, counted from 1.
    pub first: usize,
    pub phase: Phase,
    /// `None` for the number of rows.
    pub aggregate: Option<ColumnAggregate>,
}

impl<'a> ScalarGroup<'a> {
    /// `readings` are all [`Reading::Count`], [`Reading::Moments`], [`Reading::Sum`] or [`Reading::Extremes`] of `source`.
    pub fn new(source: &'a Source, readings: &[&Reading]) -> Self {
        let mut group = Self { source, atoms: Vec::new(), readings: Vec::new() };
        for reading in readings {
            let (rows, column, phase) = match reading {
                Reading::Count { rows, phase } => (rows, None, *phase),
                Reading::Moments { rows, column } => {
                    (rows, Some((column, ColumnAggregate::Moments)), Phase::Created)
                }
                Reading::Sum { rows, column, phase } => (rows, Some((column, ColumnAggregate::Sum)), *phase),
                Reading::Extremes { rows, column } => {
                    (rows, Some((column, ColumnAggregate::Extremes)), Phase::Created)
                }
                _ => continue,
            };
            let column = column.map(|(column, aggregate)| (column.clone(), aggregate));
            let atom = group.atom(&rows.filter, column, phase == Phase::Existing);
            group.readings.push((atom, phase));
        }
        group
    }

    fn atom(&mut self, filter: &Filter, column: Option<AggregatedColumn>, existing: bool) -> usize {
        let found = self.atoms.iter().position(|atom| atom.filter == *filter && atom.column == column);
        let index = found.unwrap_or_else(|| {
            self.atoms.push(Atom { filter: filter.clone(), column, existing: false });
            self.atoms.len() - 1
        });
        self.atoms[index].existing |= existing;
        index
    }

    pub fn source(&self) -> &'a Source {
        self.source
    }

    pub fn with_base(&self) -> bool {
        self.atoms.iter().any(|atom| atom.existing)
    }

    /// Soft deletions are read only where existing rows are asked for.
    pub fn streams(&self) -> Vec<Stream> {
        match &self.source.deleted_column {
            Some(_) if self.with_base() => vec![Stream::Entering, Stream::Leaving],
            _ => vec![Stream::Entering],
        }
    }

    pub fn spans(&self, days: &[DayBounds]) -> Vec<Span> {
        Span::of_days(days, self.with_base())
    }

    pub fn body(&self, dialect: Dialect, schema: &Schema, stream: Stream) -> StatementBody {
        StatementBody {
            of_days: self.aggregates(dialect, schema, |atom| atom.existing || stream == Stream::Entering),
            of_base: self.aggregates(dialect, schema, |atom| atom.existing),
            label: None,
            max_labels: usize::MAX,
            condition: None,
            form: AnswerForm::Packed,
        }
    }

    pub fn cells(&self) -> Vec<ReadingCells> {
        let mut first_cells = Vec::with_capacity(self.atoms.len());
        let mut next = 1;
        for atom in &self.atoms {
            first_cells.push(next);
            next += atom.aggregate().map_or(1, ColumnAggregate::postgres_cells);
        }
        let cells = |(atom, phase): &(usize, Phase)| ReadingCells {
            first: first_cells[*atom],
            phase: *phase,
            aggregate: self.atoms[*atom].aggregate(),
        };
        self.readings.iter().map(cells).collect()
    }

    /// The aggregates of atoms that are not wanted are NULL, so that every answer has the same cells.
    fn aggregates(&self, dialect: Dialect, schema: &Schema, is_wanted: impl Fn(&Atom) -> bool) -> Aggregates {
        let wanted: Vec<&Atom> = self.atoms.iter().filter(|atom| is_wanted(atom)).collect();
        let facets = self.facet_columns(schema, &wanted);
        let columns: BTreeSet<&AggregatedColumn> =
            wanted.iter().filter_map(|atom| atom.column.as_ref()).collect();
        let columns: Vec<&AggregatedColumn> = columns.into_iter().collect();
        let sql_of = |(name, aggregate): &AggregatedColumn| {
            aggregate.sql(dialect, &dialect.table(self.source), name, schema.column_of(self.source, name))
        };
        let cells = self.atoms.iter().flat_map(|atom| {
            let cells = atom.cells(dialect, sql_of, facets.is_some(), &columns);
            let keep = is_wanted(atom);
            cells.into_iter().map(move |cell| if keep { cell } else { "NULL".to_owned() })
        });
        Aggregates {
            expressions: cells.collect(),
            facets: facets.map(|names| {
                let names: Vec<_> = names.iter().map(|name| dialect.name(name)).collect();
                Facets { columns: names, sums: facet_sums(sql_of, &columns) }
            }),
        }
    }

    /// The columns to group rows by first, if there are enough filters and few enough groups.
    fn facet_columns<'b>(&self, schema: &Schema, atoms: &[&'b Atom]) -> Option<Vec<&'b str>> {
        let filters: BTreeSet<&Filter> = atoms.iter().map(|atom| &atom.filter).collect();
        if filters.iter().filter(|filter| !filter.is_empty()).count() < FACETS_FROM_FILTERS {
            return None;
        }
        let columns: BTreeSet<&str> = filters.iter().flat_map(|filter| filter.columns()).collect();
        let estimate = columns.iter().fold(1u64, |product, name| {
            let column = schema.column_of(self.source, name);
            let distinct = column.and_then(|column| column.distinct_estimate);
            product.saturating_mul(distinct.unwrap_or(1).max(1))
        });
        (estimate <= MAX_FACETS).then(|| columns.into_iter().collect())
    }

    pub async fn answer(
        &self,
        executor: &mut Executor<'_>,
        schema: &Schema,
        days: &[DayBounds],
    ) -> Result<Vec<Vec<Tally>>, Fault> {
        let dialect = executor.dialect();
        let mut sums = vec![self.zeros(); days.len() + 1];
        for stream in self.streams() {
            let scan = Scan::new(dialect, schema, self.source, stream)?;
            let body = self.body(dialect, schema, stream);
            let mut sink = |id: usize, values: Vec<Option<String>>| match sums.get_mut(id) {
                Some(sums) => Self::add(dialect, sums, &values, stream),
                None => Ok(()),
            };
            executor.scan(&scan, &body, self.spans(days), &mut sink).await?;
        }
        Ok(self.readings.iter().map(|(atom, phase)| tallies(&sums, *atom, *phase)).collect())
    }

    fn zeros(&self) -> Vec<Sums> {
        let zero = |atom: &Atom| match atom.aggregate() {
            Some(aggregate) => Sums::Column(Box::new(ColumnSums {
                aggregate,
                entered: aggregate.of_no_rows(),
                left: aggregate.of_no_rows(),
            })),
            None => Sums::Count { entered: 0, left: 0 },
        };
        self.atoms.iter().map(zero).collect()
    }

    /// Adds an answer's `values` of one span to its `sums`.
    fn add(
        dialect: Dialect,
        sums: &mut [Sums],
        values: &[Option<String>],
        stream: Stream,
    ) -> Result<(), Fault> {
        let mut values = values.iter().map(Option::as_deref);
        let mut next = || values.next().flatten();
        for sum in sums {
            match sum {
                Sums::Count { entered, left } => {
                    *(if stream == Stream::Entering { entered } else { left }) += parse_count(next())?;
                }
                Sums::Column(sums) => {
                    let part = sums.aggregate.read(dialect, &mut next)?;
                    let side = if stream == Stream::Entering { &mut sums.entered } else { &mut sums.left };
                    *side = combined(side.clone(), part);
                }
            }
        }
        Ok(())
    }
}

fn tallies(sums: &[Vec<Sums>], atom: usize, phase: Phase) -> Vec<Tally> {
    let mut count = 0;
    let mut total = None;
    let all = sums.iter().map(|span| match (&span[atom], phase) {
        (Sums::Count { entered, .. }, Phase::Created) => Tally::Count(*entered),
        (Sums::Count { entered, left }, Phase::Existing) => {
            count += entered - left;
            Tally::Count(count)
        }
        (Sums::Column(sums), Phase::Created) => sums.entered.clone(),
        (Sums::Column(sums), Phase::Existing) => {
            let change = without(sums.entered.clone(), sums.left.clone());
            let sum = match total.take() {
                Some(before) => combined(change, before),
                None => change,
            };
            total = Some(sum.clone());
            sum
        }
    });
    all.skip(1).collect()
}

/// The aggregates of each facet; [`Atom::cells`] refers to their names.
fn facet_sums(
    sql_of: impl Fn(&AggregatedColumn) -> ColumnAggregateSql,
    columns: &[&AggregatedColumn],
) -> Vec<String> {
    let mut sums = vec!["count(*) AS daymark_rows".to_owned()];
    for (index, column) in columns.iter().enumerate() {
        let calls = sql_of(column).calls.into_iter().enumerate();
        sums.extend(calls.map(|(part, call)| format!("{} AS {}", call.sql, part_name(index, part))));
    }
    sums
}

/// The name of the result of one of the calls that the aggregate of a column is made of.
fn part_name(column: usize, part: usize) -> String {
    format!("daymark_part{column}_{part}")
}

impl Atom {
    fn aggregate(&self) -> Option<ColumnAggregate> {
        self.column.as_ref().map(|(_, aggregate)| *aggregate)
    }

    /// The aggregate expressions of this atom, over rows or over facets.
    fn cells(
        &self,
        dialect: Dialect,
        sql_of: impl Fn(&AggregatedColumn) -> ColumnAggregateSql,
        over_facets: bool,
        columns: &[&AggregatedColumn],
    ) -> Vec<String> {
        let clause = filter_clause(dialect, &self.filter);
        let Some(column) = &self.column else {
            let count = if over_facets { "sum(daymark_rows)" } else { "count(*)" };
            return vec![format!("{count}{clause}")];
        };
        let ColumnAggregateSql { calls, constants } = sql_of(column);
        let index = columns.iter().position(|known| *known == column).unwrap_or_default();
        let cell = |(part, call): (usize, AggregateCall)| {
            let sql = match over_facets {
                true => format!("{}({}){clause}", call.combined_by, part_name(index, part)),
                false => format!("{}{clause}", call.sql),
            };
            call.in_answer(dialect, sql)
        };
        calls.into_iter().enumerate().map(cell).chain(constants).collect()
    }
}
