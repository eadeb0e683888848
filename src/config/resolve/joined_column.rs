//! Columns that measures, filters and sources name: those of the table itself, and those that a foreign key leads to, as
//! `column = "category.name"`.

use crate::{
    config::{
        finding::{Finding, Located},
        recognise::{
            names::{grant, plain, singular, table_name},
            time_format::on_sqlite,
        },
        resolve::column_check::find_column,
        suggest::{shown, suggestion},
    },
    metric::JoinedColumn,
    platform::{Column, ForeignKey, Schema, Table},
};

/// A column that was named.
pub struct NamedColumn<'a> {
    pub column: &'a Column,
    /// The table that it is a column of.
    pub table: &'a Table,
    /// How it is joined, if it is not a column of the source's own table.
    pub join: Option<JoinedColumn>,
}

/// Returns the column of `table` that `name` names, or the one that it names through a foreign key: the part before the point is
/// the column with the foreign key, with or without `_id`, or the table that it leads to.
///
/// # Errors
/// The finding that there is no such column.
pub fn named_column<'a>(
    schema: &'a Schema,
    table: &'a Table,
    name: &Located<String>,
) -> Result<NamedColumn<'a>, Finding> {
    match name.value.split_once('.') {
        Some((through, column)) if table.column(&name.value).is_none() => {
            joined_column(schema, table, name, through, column)
        }
        _ => find_column(table, name).map(|column| NamedColumn { column, table, join: None }),
    }
}

/// The columns that a source names, with those of other tables that its foreign keys lead to.
pub(super) struct SourceColumns<'a> {
    schema: &'a Schema,
    table: &'a Table,
    /// How those of other tables are joined.
    pub(super) joined: Vec<JoinedColumn>,
}

impl<'a> SourceColumns<'a> {
    pub(super) fn new(schema: &'a Schema, table: &'a Table) -> Self {
        Self { schema, table, joined: Vec::new() }
    }

    /// Returns the column with the table that it is a column of. A missing one, and how one is joined, is added to `findings`.
    pub(super) fn find(
        &mut self,
        name: &Located<String>,
        findings: &mut Vec<Finding>,
    ) -> Option<(&'a Column, &'a Table)> {
        let found = named_column(self.schema, self.table, name).map_err(|finding| findings.push(finding));
        let NamedColumn { column, table, join } = found.ok()?;
        if let Some(join) = join.filter(|join| !self.joined.contains(join)) {
            findings.push(join_note(self.table, name, &join));
            self.joined.push(join);
        }
        Some((column, table))
    }
}

/// The note that says how a column is joined.
pub fn join_note(table: &Table, name: &Located<String>, join: &JoinedColumn) -> Finding {
    let JoinedColumn { foreign_key, table: to, key, .. } = join;
    let message = format!(
        "{} is read from `{to}`, joined by `{}.{foreign_key}` = `{to}.{key}`; it has the value that it has when it is read",
        shown(&name.value),
        table.name
    );
    Finding::note(&name.place, message)
}

fn joined_column<'a>(
    schema: &'a Schema,
    table: &Table,
    name: &Located<String>,
    through: &str,
    column: &str,
) -> Result<NamedColumn<'a>, Finding> {
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
    Ok(NamedColumn { column: found, table: to, join: Some(join) })
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
