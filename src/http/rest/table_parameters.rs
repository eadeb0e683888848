//! The query string of `/rest/v1/{table}`, and the query of rows that it asks for.

use jiff::Timestamp;

use super::{
    error::RestError,
    filter::{filter, tree},
    order::order,
    range::{MAX_ROWS, RowRange},
    select::select,
};
use crate::store::{
    TableQuery,
    table::{RowCondition, StoreTable},
};

/// The most comparisons of one request.
const MAX_CONDITIONS: usize = 200;
/// The most bytes of an answer's rows.
pub(super) const MAX_BYTES: u64 = 8 << 20;
/// The bytes of a row without long metadata.
const ROW_BYTES: u64 = 512;
/// The bytes that are expected of the rows where a client sets no limit: rarely are there thousands.
const UNLIMITED_BYTES: u64 = 1 << 20;
/// The least that is expected.
const LEAST_BYTES: u64 = 64 << 10;

/// The parameters of the query string. Every other parameter is a filter.
#[derive(Default)]
pub(super) struct TableParameters {
    select: Option<String>,
    order: Option<String>,
    pub limit: Option<String>,
    pub offset: Option<String>,
    conditions: Vec<RowCondition>,
}

impl TableParameters {
    pub fn read(table: StoreTable, text: &str) -> Result<Self, RestError> {
        let mut read = Self::default();
        for (name, value) in url::form_urlencoded::parse(text.as_bytes()) {
            let place = match name.as_ref() {
                "select" => &mut read.select,
                "order" => &mut read.order,
                "limit" => &mut read.limit,
                "offset" => &mut read.offset,
                _ => {
                    read.conditions.push(match tree(table, &name, &value)? {
                        Some(condition) => condition,
                        None => filter(table, &name, &value)?,
                    });
                    continue;
                }
            };
            if place.replace(value.into_owned()).is_some() {
                return Err(RestError::bad_request(
                    "PGRST100",
                    format!("the parameter {name} is given twice"),
                ));
            }
        }
        match read.conditions.iter().map(comparisons).sum::<usize>() {
            0..=MAX_CONDITIONS => Ok(read),
            _ => {
                let message = format!("there are more than {MAX_CONDITIONS} conditions");
                Err(RestError::bad_request("PGRST100", message))
            }
        }
    }

    /// Where rows are only counted, their columns are not read.
    pub fn query(
        self,
        table: StoreTable,
        range: RowRange,
        count: bool,
        is_head: bool,
        as_of: Option<Timestamp>,
    ) -> Result<TableQuery, RestError> {
        let columns = select(table, self.select.as_deref().unwrap_or_default())?;
        Ok(TableQuery {
            table,
            columns: if is_head { Vec::new() } else { columns },
            condition: RowCondition::All(self.conditions),
            order: self.order.map(|text| order(table, &text)).transpose()?.unwrap_or_default(),
            limit: range.limit,
            offset: range.offset,
            max_bytes: expected_bytes(range.limit),
            count,
            as_of,
        })
    }
}

fn comparisons(condition: &RowCondition) -> usize {
    match condition {
        RowCondition::All(parts) | RowCondition::Any(parts) => parts.iter().map(comparisons).sum(),
        RowCondition::Not(part) => comparisons(part),
        RowCondition::Compare { .. } | RowCondition::In { .. } | RowCondition::Is { .. } => 1,
    }
}

fn expected_bytes(limit: u64) -> u64 {
    match limit {
        0..=MAX_ROWS => (limit * ROW_BYTES).clamp(LEAST_BYTES, MAX_BYTES),
        _ => UNLIMITED_BYTES,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_limits_and_is_unambiguous() {
        let code = |text: &str| {
            TableParameters::read(StoreTable::DailyMetrics, text).map(drop).map_err(|error| error.code)
        };
        assert_eq!(code("select=value&value=gt.1&value=lt.9&order=value&limit=1&offset=2"), Ok(()));
        assert_eq!(code("select=value&select=id"), Err("PGRST100"));
        assert_eq!(code("limit=1&limit=2"), Err("PGRST100"));
        assert_eq!(code("columns=value"), Err("PGRST100"));
        assert_eq!(code(&"value=eq.1&".repeat(MAX_CONDITIONS)), Ok(()));
        assert_eq!(code(&"value=eq.1&".repeat(MAX_CONDITIONS + 1)), Err("PGRST100"));
        assert_eq!(
            code(&format!("or=(id.is.null{})", ",id.is.null".repeat(MAX_CONDITIONS))),
            Err("PGRST100")
        );
    }
}
