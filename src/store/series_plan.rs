//! The statement by which a store reads series, for tests that look at its plan.

use super::{contract::ValuesAsked, postgres, sqlite};

pub fn series_statement(on_postgres: bool, values: ValuesAsked) -> String {
    match on_postgres {
        true => postgres::records::series_statement(values),
        false => sqlite::records::series_statement(values),
    }
}
