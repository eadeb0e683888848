//! Columns that a measure names through a foreign key: `column = "category.name"`.

use crate::{
    config::{
        finding::{Finding, Located},
        recognise::{
            names::{grant, plain, singular, table_name},
            time_format::on_sqlite,
        },
        suggest::{shown, suggestion},
    },
    metric::JoinedColumn,
    platform::{Column, ForeignKey, Schema, Table},
};

/// A column of the table that a foreign key leads to.
pub struct FoundColumn<'a> {
    pub column: &'a Column,
    pub table: &'a Table,
    pub join: JoinedColumn,
}

/// Returns the column that `name` names through a foreign key of `table`; `None` where it does not look like such a name.
/// The part before the point is the column with the foreign key, with or without `_id`, or the table that it leads to.
pub fn joined_column<'a>(
    schema: &'a Schema,
    table: &Table,
    name: &Located<String>,
) -> Option<Result<FoundColumn<'a>, Finding>> {
    let (through, column) = name.value.split_once('.')?;
    (table.column(&name.value).is_none()).then(|| find(schema, table, name, through, column))
}

fn find<'a>(
    schema: &'a Schema,
    table: &Table,
    name: &Located<String>,
    through: &str,
    column: &str,
) -> Result<FoundColumn<'a>, Finding> {
    let wrong = |message: String| Finding::error(&name.place, message);
    let keys: Vec<_> = schema.foreign_keys_of(table).collect();
    let named: Vec<_> = keys.iter().filter(|key| is_named(&key.column, through)).collect();
    let led: Vec<_> = keys.iter().filter(|key| leads_to(key, through)).collect();
    let key = match (named.as_slice(), led.as_slice()) {
        ([key], _) | ([], [key]) => **key,
        ([], []) => {
            let message =
                format!("{} has no foreign key that is called {}", table_name(table), shown(through));
            let columns: Vec<_> = keys.iter().map(|key| shown(&key.column)).collect();
            let hint = match columns.as_slice() {
                [] => "write a source with a `query` that joins the table".to_owned(),
                columns => format!("its foreign keys are {}", columns.join(", ")),
            };
            return Err(wrong(message).hint(hint));
        }
        (several, _) if !several.is_empty() => return Err(ambiguous(name, through, several)),
        (_, several) => return Err(ambiguous(name, through, several)),
    };
    let to_schema = (!on_sqlite(table)).then_some(key.to_schema.as_str());
    let to = schema
        .tables
        .iter()
        .find(|other| other.name == key.to_table && to_schema.is_none_or(|schema| other.schema == schema));
    let to = to.ok_or_else(|| {
        wrong(format!("the platform's role does not see the table {}", shown(&key.to_table)))
    })?;
    if !to.readable {
        let message = format!("the platform's role may not read {}", table_name(to));
        return Err(wrong(message).hint(grant(to)));
    }
    let found = to.column(column).ok_or_else(|| {
        let names = to.columns.iter().map(|column| column.name.as_str());
        let message = format!("table {} has no column {}", table_name(to), shown(column));
        wrong(message).maybe_hint(suggestion(column, names))
    })?;
    let join = JoinedColumn {
        name: name.value.clone(),
        foreign_key: key.column.clone(),
        schema: (!to.visible).then(|| to.schema.clone()),
        table: to.name.clone(),
        key: key.to_column.clone(),
        column: found.name.clone(),
    };
    Ok(FoundColumn { column: found, table: to, join })
}

fn ambiguous(name: &Located<String>, through: &str, keys: &[&&ForeignKey]) -> Finding {
    let columns: Vec<_> = keys.iter().map(|key| shown(&key.column)).collect();
    let message =
        format!("{} is ambiguous, because several foreign keys fit: {}", shown(through), columns.join(", "));
    Finding::error(&name.place, message).hint("name the column with the foreign key")
}

/// `category`, `category_id` and `categoryId` are names of a column `category_id`.
fn is_named(column: &str, through: &str) -> bool {
    let (column, through) = (plain(column), plain(through));
    column == through || column.strip_suffix("id") == Some(&through)
}

/// `categories` and `category` are names of a key to the table `categories`.
fn leads_to(key: &ForeignKey, through: &str) -> bool {
    plain(&key.to_table) == plain(through) || plain(&singular(&key.to_table)) == plain(through)
}
