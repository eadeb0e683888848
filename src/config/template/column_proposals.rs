//! Proposes metrics of a source's columns, each with its reason: sums, means and percentiles of money and durations, and how the rows
//! spread over the few values of a column, or over the rows of a small table that a foreign key leads to.

use std::collections::BTreeSet;

use crate::{
    config::{
        recognise::{
            dimensions::{Certainty, Dimension, dimension, name_column},
            names::{table_name, words as split},
            quantities::{Quantity, quantity, several_currencies},
        },
        template::{
            candidates::{InspectedPlatform, OfferedSource},
            proposal::{LAST_PASS, Proposal, quoted},
        },
    },
    metric::{Definition, Measure, is_name},
    platform::{Column, ForeignKey, Table, TableStatistics},
};

/// The numbers of rows of a table for which a foreign key to it is proposed as a breakdown.
const SMALL_TABLE_ROWS: std::ops::RangeInclusive<u64> = 2..=100;

/// What metrics of a source's columns are proposed from.
#[derive(Clone, Copy)]
pub struct ColumnProposals<'a> {
    pub found: &'a OfferedSource<'a>,
    pub platform: InspectedPlatform<'a>,
    /// The table of the actors. No breakdown by it is proposed, even if it has few rows today.
    pub actors: Option<&'a Table>,
    /// The metrics of the preset, which are not proposed again.
    pub defined: &'a [Definition],
}

impl<'a> ColumnProposals<'a> {
    pub fn propose(self, names: &mut BTreeSet<String>) -> Vec<Proposal> {
        let mut proposals = self.quantities(names);
        proposals.extend(self.breakdowns(names));
        proposals
    }

    fn table(self) -> &'a Table {
        self.found.recognised.table
    }

    fn statistics(self) -> Option<&'a TableStatistics> {
        self.platform.statistics.of(self.table())
    }

    /// The two most useful metrics of the first column come before all other metrics of quantities.
    fn quantities(self, names: &mut BTreeSet<String>) -> Vec<Proposal> {
        let source = &self.found.name;
        let is_defined = |name: &str| {
            self.defined.iter().any(|definition| matches!(&definition.measure, Measure::Average { rows, column } if rows.source == *source && column == name))
        };
        let mut proposals = Vec::new();
        for column in self.table().columns.iter().filter(|column| !is_defined(&column.name)) {
            let Some(kind) = quantity(column) else { continue };
            let is_first = proposals.is_empty();
            let currency = several_currencies(self.table(), self.statistics());
            match currency.filter(|_| kind != Quantity::Duration) {
                Some(currency) => proposals.extend(self.by_currency(column, kind, currency, is_first, names)),
                None => proposals.extend(self.of_quantity(column, kind, is_first, names)),
            }
        }
        proposals
    }

    /// Sum, mean and 95th percentile; the prices of single pieces do not add up.
    fn of_quantity(
        self,
        column: &Column,
        kind: Quantity,
        is_first: bool,
        names: &mut BTreeSet<String>,
    ) -> Vec<Proposal> {
        let source = &self.found.name;
        let (sum, average, p95) = (("sum", "sum"), ("average", "average"), ("p95", "quantile"));
        let (what, measures) = match kind {
            Quantity::Money => ("money", vec![sum, average, p95]),
            Quantity::Price => ("a price", vec![average, p95]),
            Quantity::Duration => ("a duration", vec![average, p95, sum]),
        };
        let mut proposals = Vec::new();
        for (place, (suffix, measure)) in measures.into_iter().enumerate() {
            let pass = if is_first && place < 2 { 2 } else { 4 };
            let Some(category) = name_of(&[source, &column.name, suffix], names) else { continue };
            let mut keys = vec![
                ("measure", quoted(measure)),
                ("source", quoted(source)),
                ("column", quoted(&column.name)),
            ];
            if measure == "quantile" {
                keys.push(("quantile", "0.95".to_owned()));
            }
            let reason = format!("`{source}.{}` is {what}", column.name);
            proposals.push(Proposal::new(category, pass, &keys, reason));
        }
        proposals
    }

    /// The sum and the mean in each currency: amounts in several do not add up.
    fn by_currency(
        self,
        column: &Column,
        kind: Quantity,
        currency: &Column,
        is_first: bool,
        names: &mut BTreeSet<String>,
    ) -> Vec<Proposal> {
        let source = &self.found.name;
        let measures: &[_] = match kind {
            Quantity::Price => &[("average", "average_by")],
            _ => &[("sum", "by"), ("average", "average_by")],
        };
        let of_measure = |(place, (key, suffix)): (usize, &(&'static str, &str))| {
            let category = name_of(&[source, &column.name, suffix, &currency.name], names)?;
            let keys = [
                ("measure", quoted("breakdown")),
                ("source", quoted(source)),
                ("column", quoted(&currency.name)),
                (*key, quoted(&column.name)),
            ];
            let reason = format!(
                "`{source}.{}` is money in several currencies (`{}`), which do not add up",
                column.name, currency.name
            );
            Some(Proposal::new(category, if is_first && place < 2 { 2 } else { 4 }, &keys, reason))
        };
        measures.iter().enumerate().filter_map(of_measure).collect()
    }

    /// Kinds and states come first, then tables that foreign keys lead to, then booleans, and last the columns that are only guessed.
    fn breakdowns(self, names: &mut BTreeSet<String>) -> Vec<Proposal> {
        let source = &self.found.name;
        let of_column = |column: &Column| {
            let Dimension { values, certainty } = dimension(column, self.statistics())?;
            let rank = match certainty {
                Certainty::Kind => 0,
                Certainty::YesOrNo => 2,
                Certainty::Guess => 3,
            };
            let reason = format!("`{source}.{}` has {values} different values", column.name);
            Some((rank, column.name.clone(), column.name.clone(), reason))
        };
        let keys = self.platform.schema.foreign_keys_of(self.table());
        let keys =
            keys.filter_map(|key| self.small_table(key)).map(|(column, by, reason)| (1, column, by, reason));
        let mut all: Vec<_> = self.table().columns.iter().filter_map(of_column).chain(keys).collect();
        all.retain(|(_, column, ..)| !self.is_broken_down(column));
        all.sort_by_key(|(rank, ..)| *rank);
        let mut proposals = Vec::new();
        for (rank, column, by, reason) in all {
            let pass = match (rank, proposals.is_empty()) {
                (0..=2, true) => 2,
                (0..=2, false) => 4,
                _ => LAST_PASS,
            };
            let Some(category) = name_of(&[source, "by", &by], names) else { continue };
            let keys =
                [("measure", quoted("breakdown")), ("source", quoted(source)), ("column", quoted(&column))];
            proposals.push(Proposal::new(category, pass, &keys, reason));
        }
        proposals
    }

    /// Whether the preset has the breakdown.
    fn is_broken_down(self, column: &str) -> bool {
        self.defined.iter().any(|definition| matches!(&definition.measure, Measure::Breakdown(breakdown) if breakdown.rows.source == self.found.name && breakdown.column == column))
    }

    /// The column that names a row of the small table to which the foreign key leads, such as `campaign.name`; the word for it in the name of
    /// a metric; and the reason.
    fn small_table(self, key: &ForeignKey) -> Option<(String, String, String)> {
        let InspectedPlatform { schema, statistics, .. } = self.platform;
        let target = schema
            .tables
            .iter()
            .find(|table| table.schema == key.to_schema && table.name == key.to_table)
            .filter(|table| table.readable && !table.row_security)?;
        let rows = statistics.of(target)?.rows?;
        let is_smaller = self.found.rows.is_some_and(|own| rows < own);
        let is_other = target != self.table() && self.actors.is_none_or(|actors| target != actors);
        // A table with a foreign key to the actors has what they made, so its number of rows will grow.
        let is_made_by_actors = self.actors.is_some_and(|actors| {
            let of_actors = |key: &ForeignKey| key.to_schema == actors.schema && key.to_table == actors.name;
            schema.foreign_keys_of(target).any(of_actors)
        });
        if is_made_by_actors {
            return None;
        }
        if !(is_smaller && is_other && SMALL_TABLE_ROWS.contains(&rows)) {
            return None;
        }
        let name = name_column(target)?;
        let mut words = split(&key.column);
        if words.len() > 1 && words.last().is_some_and(|last| last == "id") {
            words.pop();
        }
        let by = words.join("_");
        let reason = format!(
            "`{}.{}` leads to {}, which has {rows} rows",
            self.found.name,
            key.column,
            table_name(target)
        );
        Some((format!("{by}.{}", name.name), by, reason))
    }
}

/// The words joined into a name of a metric; `None` if the name is taken or is not valid.
fn name_of(words: &[&str], names: &mut BTreeSet<String>) -> Option<String> {
    let words: Vec<_> = words.iter().flat_map(|word| split(word)).collect();
    let name = words.join("_");
    (is_name(&name) && names.insert(name.clone())).then_some(name)
}
