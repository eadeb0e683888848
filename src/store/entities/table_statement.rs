//! The statement that answers a [`TableQuery`]. A [`TableDialect`] has the differences between the two databases.

use std::marker::PhantomData;

use crate::store::{
    ValuesAsked,
    in_force::values_in_force,
    statement::{Argument, Statement},
    table::{
        ColumnKind, Comparison, IsOperand, Order, Output, RowCondition, StoreColumn, StoreTable, TableQuery,
        Value,
    },
};

/// The SQL of a database for the parts of a [`TableQuery`]. `column` is always a name from a table's own list.
pub(in crate::store) trait TableDialect {
    /// The function that makes an object of names and values, and the aggregate that joins texts.
    const OBJECT: &'static str;
    const JOIN: &'static str;
    /// The type of a JSON object.
    const JSON: &'static str;
    /// The judgement of a record as a JSON object, from the columns of `judged`.
    const JUDGEMENT: &'static str;

    /// `source`, a value of the column, as it goes into a JSON object: numbers as numbers, with all digits.
    fn json(column: &StoreColumn, source: &str) -> String;
    /// `source`, a value of the column, as a JSON string.
    fn json_text(column: &StoreColumn, source: &str) -> String;
    /// The column so that it sorts and compares as its kind should, on every database alike.
    fn comparable(column: &StoreColumn) -> String;
    /// The column so that equal values of its kind are equal, in the collation of its indexes.
    fn equatable(column: &StoreColumn) -> String;
    /// The parameter of that number as a value of the column.
    fn parameter(column: &StoreColumn, number: usize) -> String;
    /// A set, for the right side of `=`, of the values in the parameter of that number.
    fn one_of(column: &StoreColumn, number: usize) -> String;
    fn text_parameter(number: usize) -> String;
    /// A value as the text that [`TableDialect::parameter`] reads.
    fn text(value: &Value) -> String;
    /// A list of values in the form that [`TableDialect::one_of`] reads.
    fn list(values: &[Value]) -> Argument<'static>;
}

/// SQL whose rows are one: the JSON array (or NULL, if it is too long), how many rows the page has, how many there are (or
/// NULL). Objects are left out of the array from the one on with which it is too long, so that neither database builds it.
pub(in crate::store) fn page<D: TableDialect>(query: &TableQuery, tenant: &str) -> Statement<'static> {
    let mut writer = Writer::<D> { arguments: Vec::new(), dialect: PhantomData };
    let as_of = query.as_of.map(|instant| {
        let number = writer.add_text(D::text(&Value::Instant(instant)));
        D::parameter(&AS_OF, number)
    });
    let RowSource { with, table } = source::<D>(query, as_of.as_deref());
    let tenant = D::text_parameter(writer.add_text(tenant.to_owned()));
    let condition = format!("tenant_id = {tenant} AND {}", writer.condition(&query.condition));
    let total = match query.count {
        true => format!("(SELECT count(*) FROM {table} WHERE {condition})"),
        false => "CAST(NULL AS BIGINT)".to_owned(),
    };
    let limit = writer.number(query.limit);
    let offset = writer.number(query.offset);
    let max_bytes = writer.number(query.max_bytes);
    let entry = writer.entry(&query.columns);
    let needed = needed(query);
    let order = order::<D>(query);
    let join = D::JOIN;
    // Each object is followed by a comma or by the bracket at the end.
    let sql = format!(
            "{with}SELECT CASE WHEN coalesce(max(bytes), 0) + 1 <= {max_bytes}
                    THEN '[' || coalesce({join}(entry, ',') FILTER (WHERE bytes < {max_bytes}), '') || ']' END AS page,
                    count(*) AS row_count, {total} AS total
             FROM (SELECT entry, sum(octet_length(entry) + 1) OVER (ROWS UNBOUNDED PRECEDING) AS bytes
             FROM (SELECT CAST({entry} AS TEXT) AS entry
             FROM (SELECT {needed} FROM {table} WHERE {condition} ORDER BY {order} LIMIT {limit} OFFSET {offset}) AS page)
             AS entries) AS measured"
        );
    Statement { sql: sql.into(), arguments: writer.arguments }
}

/// The column kind of the parameters of LIMIT and OFFSET.
static ROWS: StoreColumn = StoreColumn { name: "rows", kind: ColumnKind::Integer, nullable: false };

/// The column kind of the parameter for the instant that is asked about.
static AS_OF: StoreColumn = StoreColumn { name: "as_of", kind: ColumnKind::Instant, nullable: false };

/// The name of the derived column of `daily_metrics`.
const JUDGEMENT: &str = "judgement";

/// What the rows are selected from.
struct RowSource {
    with: String,
    table: String,
}

/// The table; of the records, the values in force, with the judgements where the query has them.
fn source<D: TableDialect>(query: &TableQuery, as_of: Option<&str>) -> RowSource {
    let name = query.table.name();
    if query.table != StoreTable::DailyMetrics {
        return RowSource { with: String::new(), table: name.to_owned() };
    }
    let values = ValuesAsked { as_recorded: false, as_of: query.as_of };
    let with = values_in_force(values, as_of);
    let is_selected = query.columns.iter().any(|output| output.column.name == JUDGEMENT);
    if !(is_selected || names_judgement(&query.condition)) {
        return RowSource { with, table: format!("values_in_force AS {name}") };
    }
    if as_of.is_some() {
        let table = format!(
            "(SELECT recorded.*, CAST(NULL AS {}) AS {JUDGEMENT} FROM values_in_force AS recorded) AS {name}",
            D::JSON
        );
        return RowSource { with, table };
    }
    let table = format!(
        "(SELECT recorded.*, CASE WHEN judged.verdict IS NOT NULL THEN {} END AS {JUDGEMENT}
          FROM values_in_force AS recorded
          LEFT JOIN daily_metric_judgements AS judged
            ON judged.tenant_id = recorded.tenant_id AND judged.metric_category = recorded.metric_category
           AND judged.metric_type = recorded.metric_type AND judged.metric_date = recorded.metric_date) AS {name}",
        D::JUDGEMENT
    );
    RowSource { with, table }
}

fn names_judgement(condition: &RowCondition) -> bool {
    match condition {
        RowCondition::All(parts) | RowCondition::Any(parts) => parts.iter().any(names_judgement),
        RowCondition::Not(part) => names_judgement(part),
        RowCondition::Compare { column, .. }
        | RowCondition::In { column, .. }
        | RowCondition::Is { column, .. } => column.name == JUDGEMENT,
    }
}

/// The columns that the page has, each once; a constant where the rows are only counted.
fn needed(query: &TableQuery) -> String {
    let mut names: Vec<&str> = Vec::new();
    for output in &query.columns {
        if !names.contains(&output.column.name) {
            names.push(output.column.name);
        }
    }
    match names.is_empty() {
        true => "1".to_owned(),
        false => names.join(", "),
    }
}

fn order<D: TableDialect>(query: &TableQuery) -> String {
    let key = query.table.key().iter().filter_map(|name| query.table.column(name));
    let unless_given = key.filter(|column| query.order.iter().all(|given| given.column.name != column.name));
    let key = unless_given.map(|column| Order::by(column, false));
    let terms = query.order.iter().copied().chain(key).map(|term| {
        let column = D::comparable(term.column);
        let direction = if term.descending { " DESC" } else { "" };
        // The clause is left out for columns that cannot be NULL, because an index could not be used with it.
        let nulls = match (term.column.nullable, term.nulls_first) {
            (false, _) => "",
            (true, true) => " NULLS FIRST",
            (true, false) => " NULLS LAST",
        };
        format!("{column}{direction}{nulls}")
    });
    terms.collect::<Vec<_>>().join(", ")
}

struct Writer<D> {
    arguments: Vec<Argument<'static>>,
    dialect: PhantomData<D>,
}

impl<D: TableDialect> Writer<D> {
    /// The number of the parameter.
    fn add(&mut self, argument: Argument<'static>) -> usize {
        self.arguments.push(argument);
        self.arguments.len()
    }

    fn add_text(&mut self, text: String) -> usize {
        self.add(Argument::Text(Some(text.into())))
    }

    /// A number of rows: a parameter, so that pages are one statement to the database.
    fn number(&mut self, rows: u64) -> String {
        let number = self.add_text(rows.min(i64::MAX.unsigned_abs()).to_string());
        D::parameter(&ROWS, number)
    }

    /// The object of a row.
    fn entry(&mut self, outputs: &[Output]) -> String {
        let members = outputs.iter().map(|output| {
            let name = match &output.alias {
                Some(alias) => D::text_parameter(self.add_text(alias.clone())),
                None => format!("'{}'", output.column.name),
            };
            let source = format!("page.{}", output.column.name);
            let value = match output.as_text {
                true => D::json_text(output.column, &source),
                false => D::json(output.column, &source),
            };
            format!("{name}, {value}")
        });
        format!("{}({})", D::OBJECT, members.collect::<Vec<_>>().join(", "))
    }

    fn condition(&mut self, condition: &RowCondition) -> String {
        match condition {
            RowCondition::All(parts) => self.joined(parts, " AND ", "TRUE"),
            RowCondition::Any(parts) => self.joined(parts, " OR ", "FALSE"),
            RowCondition::Not(part) => format!("(NOT {})", self.condition(part)),
            RowCondition::Compare { column, comparison, value } => self.compare(column, *comparison, value),
            RowCondition::In { column, values } => {
                let number = self.add(D::list(values));
                format!("({} {})", D::equatable(column), D::one_of(column, number))
            }
            RowCondition::Is { column, state } => {
                let state = match state {
                    IsOperand::Null | IsOperand::Unknown => "NULL",
                    IsOperand::NotNull => "NOT NULL",
                    IsOperand::True => "TRUE",
                    IsOperand::False => "FALSE",
                };
                format!("({} IS {state})", column.name)
            }
        }
    }

    fn compare(&mut self, column: &StoreColumn, comparison: Comparison, value: &Value) -> String {
        let number = self.add_text(D::text(value));
        let left = match comparison {
            Comparison::Equal | Comparison::NotEqual => D::equatable(column),
            _ => D::comparable(column),
        };
        let right = D::parameter(column, number);
        format!("({left} {} {right})", comparison.operator())
    }

    fn joined(&mut self, parts: &[RowCondition], word: &str, of_none: &str) -> String {
        match parts {
            [] => of_none.to_owned(),
            parts => {
                let parts: Vec<_> = parts.iter().map(|part| self.condition(part)).collect();
                format!("({})", parts.join(word))
            }
        }
    }
}
