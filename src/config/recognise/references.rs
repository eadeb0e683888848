//! Columns that may refer to another table although no foreign key says so, as in a database that was imported without its constraints.
//! Their names tell which table it may be, and a sample of their values whether it is.

use crate::{
    config::recognise::{
        column_synonyms::ACTORS,
        names::{plain, singular, words},
        users::may_be_people,
    },
    platform::{Column, ColumnType, PossibleReference, Schema, Table},
};

/// Returns the columns of `table` without a foreign key that may refer to one of `targets`, each with that table's key.
pub fn possible_references(table: &Table, targets: &[&Table], schema: &Schema) -> Vec<PossibleReference> {
    let has_key = |column: &Column| schema.foreign_keys_of(table).any(|key| key.column == column.name);
    let of_column = |column: &Column| {
        let target = target_of(column, table, targets)?;
        let key = key_column(target, column)?;
        Some(PossibleReference {
            column: column.name.clone(),
            to_schema: target.schema.clone(),
            to_table: target.name.clone(),
            to_column: key.name.clone(),
            is_indexed: key.indexed,
        })
    };
    table.columns.iter().filter(|column| !has_key(column)).filter_map(of_column).collect()
}

/// The table after which the column is named, as `customer_id` after `customers`. A column that is named after a role, as `author_id` is,
/// may refer to the only table of people.
fn target_of<'a>(column: &Column, table: &Table, targets: &[&'a Table]) -> Option<&'a Table> {
    let others = || targets.iter().filter(|target| **target != table && target.readable).copied();
    let noun = noun_of(column)?;
    let is_named_so = |target: &&Table| words(&target.name).last().is_some_and(|last| singular(last) == noun);
    let named = only(others().filter(|target| plain(&singular(&target.name)) == noun));
    let named = named.or_else(|| only(others().filter(is_named_so)));
    let is_role = ACTORS.contains(&plain(&column.name).as_str());
    named.or_else(|| only(others().filter(|target| is_role && may_be_people(target))))
}

/// The last word of the column's name before `id`: `customer` of `billing_customer_id`. The names of roles may have no `id`.
fn noun_of(column: &Column) -> Option<String> {
    let name = plain(&column.name);
    let stem = KEY_ENDS.iter().find_map(|end| name.strip_suffix(end)).filter(|stem| !stem.is_empty());
    let mut words = words(&column.name);
    let last = words.pop()?;
    match stem {
        Some(_) if KEY_ENDS.contains(&last.as_str()) => words.pop().map(|noun| singular(&noun)),
        Some(stem) => Some(singular(stem)),
        None => ACTORS.contains(&name.as_str()).then_some(last),
    }
}

/// How the names of columns end that refer to another table.
const KEY_ENDS: &[&str] = &["id", "number"];

/// The column of `target` to whose values those of `column` would belong: `id`, one of the same name, or `customer_id` in `customers`.
fn key_column<'a>(target: &'a Table, column: &Column) -> Option<&'a Column> {
    let of_table = singular(&plain(&target.name));
    let names = ["id".to_owned(), plain(&column.name), format!("{of_table}id"), format!("{of_table}number")];
    let key = names.iter().find_map(|name| target.columns.iter().find(|key| plain(&key.name) == *name))?;
    let is_comparable = key.column_type == column.column_type
        && matches!(key.column_type, ColumnType::Integer | ColumnType::Text | ColumnType::Uuid);
    is_comparable.then_some(key)
}

/// The only element.
fn only<T>(mut found: impl Iterator<Item = T>) -> Option<T> {
    found.next().filter(|_| found.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::TableKind;

    fn table(name: &str, columns: &[&str]) -> Table {
        let columns = columns.iter().map(|name| Column::of_query(name, ColumnType::Integer, "integer"));
        Table { kind: TableKind::Current, ..Table::of_query(name, "", columns.collect()) }
    }

    #[test]
    fn a_column_that_is_named_after_a_table_may_refer_to_it() {
        let tables = [
            table("customers", &["id", "email"]),
            table("tbl_products", &["productNumber"]),
            table("categories", &["CategoryID"]),
            table("orders", &[]),
        ];
        let targets: Vec<_> = tables.iter().collect();
        let of = |column: &str| {
            let found = possible_references(&table("orders", &[column]), &targets, &Schema::default());
            found.first().map_or(String::new(), |found| format!("{}.{}", found.to_table, found.to_column))
        };
        for (column, expected) in [
            ("customer_id", "customers.id"),
            ("customerId", "customers.id"),
            ("CUSTOMERID", "customers.id"),
            ("billing_customer_id", "customers.id"),
            ("author_id", "customers.id"),
            ("created_by", "customers.id"),
            ("productNumber", "tbl_products.productNumber"),
            ("CategoryID", "categories.CategoryID"),
            ("order_id", ""),
            ("id", ""),
            ("paid", ""),
            ("customer", ""),
            ("shop_id", ""),
        ] {
            assert_eq!(of(column), expected, "{column}");
        }
    }
}
