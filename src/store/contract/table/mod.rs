//! Daymark's own tables as a client reads their rows: which columns there are, and a query of one table that
//! either store answers with one statement. Names of tables and columns come from here and never from a request;
//! values are parameters.

mod query;
mod statement;

pub use query::{
    ColumnKind, Comparison, IsOperand, MAX_COLUMNS, Order, Output, RowCondition, StoreColumn, StoreTable,
    TablePage, TableQuery, Tables, Value,
};
pub(in crate::store) use statement::{Dialect, Parameter, Statement};
