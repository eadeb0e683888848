//! Queries of rows as JSON: both stores return the same rows as a naive search in Rust.

use std::cmp::Ordering;

use daymark::{
    metric::{Decimal, MetricType, Provenance, Record},
    store::{
        Finish, RunStatus, TablePage, TableQuery,
        table::{
            ColumnKind, Comparison, IsOperand, Order, Output, RowCondition, StoreColumn, StoreTable, Value,
        },
    },
};
use jiff::{Timestamp, ToSpan, civil::Date};
use serde_json::{Map, Value as Json};
use strum::IntoEnumIterator;
use uuid::Uuid;

use crate::{
    fixture::{Fixture, day, decimal, definitions, exact_metadata, finish, key, new_run, noon, record},
    on_both_stores,
};

on_both_stores!(
    any_table_query_matches_a_naive_search,
    rows_as_json_have_exact_values_and_all_columns,
    a_page_counts_all_rows_if_asked_to,
    nulls_are_ordered_as_requested,
    table_queries_return_rows_of_their_own_tenant_only,
    a_query_may_select_the_maximum_number_of_columns,
);

/// Values that would have another order as texts, as floats or by length.
const VALUES: [&str; 12] = [
    "10",
    "9.5",
    "-0.125",
    "-10",
    "-9.75",
    "0",
    "12345678901234567890.0123456789",
    "12345678901234567890.012345678900001",
    "9007199254740993",
    "9007199254740992",
    "0.1",
    "100",
];

async fn filled(fixture: &Fixture) -> Uuid {
    let run = fixture.ready().await;
    let means = VALUES.iter().enumerate().map(|(index, value)| Record {
        metric_date: day(i8::try_from(index).unwrap() + 1),
        key: key(MetricType::Average, "mood"),
        provenance: if index % 2 == 0 { Provenance::Observed } else { Provenance::Reconstructed },
        metadata: if index == 0 { exact_metadata() } else { Map::new() },
        collection_timestamp: noon() - (index as i64 * 250_000).microseconds(),
        ..record(run, day(1), value)
    });
    let counts = (1..=12).map(|date| record(run, day(date), &(i32::from(date) % 4).to_string()));
    let records: Vec<_> = means.chain(counts).collect();
    fixture.store.commit(&records, None).await.unwrap();
    let failed = Finish {
        status: RunStatus::Failed,
        error_message: Some("it's \"broken\", (really) \\ {a}".to_owned()),
        error_details: exact_metadata().into(),
        ..finish(run)
    };
    fixture.store.commit(&[], Some(&failed)).await.unwrap();
    let second = new_run(day(2));
    fixture.store.start_run(&second).await.unwrap();
    fixture.store.commit(&[], Some(&finish(second.id))).await.unwrap();
    fixture.store.start_run(&new_run(day(3))).await.unwrap();
    run
}

fn all(table: StoreTable) -> TableQuery {
    let columns = table.columns().iter().map(output).collect();
    TableQuery {
        table,
        columns,
        condition: RowCondition::All(Vec::new()),
        order: Vec::new(),
        limit: 1000,
        offset: 0,
        max_bytes: 1 << 20,
        count: false,
        as_of: None,
    }
}

fn output(column: &'static StoreColumn) -> Output {
    Output { column, alias: None, as_text: false }
}

fn column(table: StoreTable, name: &str) -> &'static StoreColumn {
    table.column(name).unwrap()
}

async fn ask(fixture: &Fixture, query: &TableQuery) -> (TablePage, Vec<Json>) {
    let page = fixture.store.table(query).await.unwrap();
    let rows: Vec<Json> = serde_json::from_str(page.json.as_ref().unwrap()).unwrap();
    assert_eq!(page.rows, rows.len() as u64);
    (page, rows)
}

/// A member of a row as a value of its column's kind; `None` for NULL.
fn value(row: &Json, column: &StoreColumn) -> Option<Value> {
    let member = &row[column.name];
    let text = || member.as_str().unwrap().to_owned();
    if member.is_null() {
        return None;
    }
    Some(match column.kind {
        ColumnKind::Text => Value::Text(text()),
        ColumnKind::Date => Value::Date(text().parse().unwrap()),
        ColumnKind::Instant => Value::Instant(text().parse().unwrap()),
        ColumnKind::Decimal => Value::Decimal(decimal(&member.to_string())),
        ColumnKind::Integer => Value::Integer(member.as_i64().unwrap()),
        ColumnKind::Boolean => Value::Boolean(member.as_bool().unwrap()),
        ColumnKind::Uuid => Value::Uuid(text().parse().unwrap()),
        ColumnKind::Object => panic!("{} compares with nothing", column.name),
    })
}

fn compare(left: &Value, right: &Value) -> Ordering {
    match (left, right) {
        (Value::Text(left), Value::Text(right)) => left.cmp(right),
        (Value::Date(left), Value::Date(right)) => left.cmp(right),
        (Value::Instant(left), Value::Instant(right)) => left.cmp(right),
        (Value::Decimal(left), Value::Decimal(right)) => left.cmp(right),
        (Value::Integer(left), Value::Integer(right)) => left.cmp(right),
        (Value::Boolean(left), Value::Boolean(right)) => left.cmp(right),
        (Value::Uuid(left), Value::Uuid(right)) => left.cmp(right),
        _ => panic!("{left:?} and {right:?}"),
    }
}

/// Whether a condition holds, in SQL's three-valued logic; `None` is unknown.
fn holds(condition: &RowCondition, row: &Json) -> Option<bool> {
    match condition {
        RowCondition::All(parts) => parts.iter().map(|part| holds(part, row)).fold(Some(true), and),
        RowCondition::Any(parts) => {
            let negated = parts.iter().map(|part| holds(part, row).map(|known| !known));
            negated.fold(Some(true), and).map(|known| !known)
        }
        RowCondition::Not(part) => holds(part, row).map(|known| !known),
        RowCondition::Compare { column, comparison, value: with } => {
            value(row, column).map(|value| comparison.holds(compare(&value, with)))
        }
        RowCondition::In { column, values } => {
            value(row, column).map(|value| values.iter().any(|other| compare(&value, other).is_eq()))
        }
        RowCondition::Is { column, state } => Some(match state {
            IsOperand::Null | IsOperand::Unknown => row[column.name].is_null(),
            IsOperand::NotNull => !row[column.name].is_null(),
            IsOperand::True => row[column.name] == Json::Bool(true),
            IsOperand::False => row[column.name] == Json::Bool(false),
        }),
    }
}

fn and(left: Option<bool>, right: Option<bool>) -> Option<bool> {
    match (left, right) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

fn in_order(order: &[Order], left: &Json, right: &Json) -> Ordering {
    let by = |order: &Order| {
        let nulls_first = if order.nulls_first { Ordering::Less } else { Ordering::Greater };
        match (value(left, order.column), value(right, order.column)) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => nulls_first,
            (Some(_), None) => nulls_first.reverse(),
            (Some(left), Some(right)) if order.descending => compare(&right, &left),
            (Some(left), Some(right)) => compare(&left, &right),
        }
    };
    order.iter().map(by).fold(Ordering::Equal, Ordering::then)
}

/// Random queries with values that the rows have and some that they do not have.
struct Questions {
    random: fastrand::Rng,
    rows: Vec<Json>,
    columns: Vec<&'static StoreColumn>,
}

impl Questions {
    fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.random.usize(..of.len())].clone()
    }

    fn value(&mut self, column: &'static StoreColumn) -> Value {
        let present: Vec<_> = self.rows.iter().filter_map(|row| value(row, column)).collect();
        let other = match column.kind {
            ColumnKind::Text => Value::Text(self.pick(&["", "posts", "zzz", "%", "ß' OR 1=1"]).to_string()),
            ColumnKind::Date => Value::Date(Date::constant(2025, 1, self.random.i8(1..28))),
            ColumnKind::Instant => Value::Instant(Timestamp::constant(1_738_000_000, 0)),
            ColumnKind::Decimal => {
                Value::Decimal(decimal(self.pick(&["9.50", "99999999999999999999", "-0", "1e1", "-9.8"])))
            }
            ColumnKind::Integer => Value::Integer(self.pick(&[-1, 1, i64::MAX])),
            ColumnKind::Boolean => Value::Boolean(self.random.bool()),
            ColumnKind::Uuid => Value::Uuid(Uuid::from_u128(self.random.u128(..))),
            ColumnKind::Object => panic!("{} compares with nothing", column.name),
        };
        match present.is_empty() || self.random.u8(..4) == 0 {
            true => other,
            false => self.pick(&present),
        }
    }

    fn condition(&mut self, depth: u8) -> RowCondition {
        let columns = self.columns.clone();
        let column = self.pick(&columns);
        match self.random.u8(..if depth == 0 { 4 } else { 7 }) {
            0 | 1 => RowCondition::Compare {
                column,
                comparison: self.pick(&[
                    Comparison::Equal,
                    Comparison::NotEqual,
                    Comparison::Greater,
                    Comparison::GreaterOrEqual,
                    Comparison::Less,
                    Comparison::LessOrEqual,
                ]),
                value: self.value(column),
            },
            2 => {
                let values = (0..self.random.usize(..4)).map(|_| self.value(column)).collect();
                RowCondition::In { column, values }
            }
            3 => {
                let of_booleans = [
                    IsOperand::Null,
                    IsOperand::NotNull,
                    IsOperand::True,
                    IsOperand::False,
                    IsOperand::Unknown,
                ];
                let known =
                    if column.kind == ColumnKind::Boolean { &of_booleans[..] } else { &of_booleans[..2] };
                RowCondition::Is { column, state: self.pick(known) }
            }
            4 => RowCondition::Not(Box::new(self.condition(depth - 1))),
            5 => RowCondition::All((0..2).map(|_| self.condition(depth - 1)).collect()),
            _ => RowCondition::Any((0..2).map(|_| self.condition(depth - 1)).collect()),
        }
    }

    fn order(&mut self) -> Vec<Order> {
        let columns = self.columns.clone();
        let terms = 0..self.random.usize(..3);
        terms
            .map(|_| Order {
                column: self.pick(&columns),
                descending: self.random.bool(),
                nulls_first: self.random.bool(),
            })
            .collect()
    }
}

async fn any_table_query_matches_a_naive_search(fixture: Fixture) {
    filled(&fixture).await;
    for table in StoreTable::iter() {
        let (_, rows) = ask(&fixture, &all(table)).await;
        assert!(rows.len() >= 3, "{rows:?}");
        let comparable = table.columns().iter().filter(|column| column.kind != ColumnKind::Object).collect();
        let random = fastrand::Rng::with_seed(20_250_111);
        let mut questions = Questions { random, rows: rows.clone(), columns: comparable };
        for _ in 0..150 {
            let mut query = all(table);
            query.condition = questions.condition(2);
            query.order = questions.order();
            query.offset = questions.random.u64(..3);
            query.limit = questions.random.u64(..20);
            query.count = true;
            let mut found: Vec<_> =
                rows.iter().filter(|row| holds(&query.condition, row) == Some(true)).cloned().collect();
            // The sort is stable, so rows that are equal stay in the order of their key.
            found.sort_by(|left, right| in_order(&query.order, left, right));
            let page = found.iter().skip(query.offset as usize).take(query.limit as usize);
            let (answer, answered) = ask(&fixture, &query).await;
            assert_eq!(answered, page.cloned().collect::<Vec<_>>(), "{query:#?}");
            assert_eq!(answer.total, Some(found.len() as u64), "{query:#?}");
        }
    }
}

async fn rows_as_json_have_exact_values_and_all_columns(fixture: Fixture) {
    let run = filled(&fixture).await;
    let mut query = all(StoreTable::DailyMetrics);
    let mood = Value::Text("mood".to_owned());
    let category = column(query.table, "metric_category");
    query.condition = RowCondition::In { column: category, values: vec![mood] };
    let (page, rows) = ask(&fixture, &query).await;
    for digits in VALUES {
        assert!(
            rows.iter().any(|row| row["value"] == serde_json::from_str::<Json>(digits).unwrap()),
            "{digits}: {:?}",
            page.json
        );
    }
    let first = rows[0].as_object().unwrap();
    assert!(Uuid::parse_str(first["id"].as_str().unwrap()).is_ok());
    assert!(first["created_at"].as_str().unwrap().ends_with("+00:00"));
    let names: Vec<_> = first.keys().map(String::as_str).collect();
    assert_eq!(names, query.table.columns().iter().map(|column| column.name).collect::<Vec<_>>());
    let rest: Map<_, _> =
        first.clone().into_iter().filter(|(name, _)| name != "id" && name != "created_at").collect();
    let expected = serde_json::json!({
        "metric_date": "2025-01-01", "metric_type": "average", "metric_category": "mood",
        "value": 10, "metadata": exact_metadata(), "judgement": null, "provenance": "observed",
        "recorded_value": 10, "revision": null, "definition_version": 1,
        "collection_id": run, "collection_timestamp": "2025-02-01T12:00:00.123456+00:00",
    });
    assert_eq!(Json::Object(rest), expected);
    let instants: Vec<_> =
        rows.iter().take(3).map(|row| row["collection_timestamp"].as_str().unwrap()).collect();
    assert_eq!(instants[1..], ["2025-02-01T11:59:59.873456+00:00", "2025-02-01T11:59:59.623456+00:00"]);
    let (_, definitions_shown) = ask(&fixture, &all(StoreTable::MetricDefinitions)).await;
    assert_eq!(definitions_shown.len(), definitions().len());
    assert_eq!(definitions_shown[0]["is_active"], Json::Bool(true));
}

async fn a_page_counts_all_rows_if_asked_to(fixture: Fixture) {
    filled(&fixture).await;
    let query = TableQuery { count: true, limit: 5, offset: 20, ..all(StoreTable::DailyMetrics) };
    let (page, _) = ask(&fixture, &query).await;
    assert_eq!((page.rows, page.total), (4, Some(24)));
    let (page, _) = ask(&fixture, &TableQuery { offset: 900, ..query.clone() }).await;
    assert_eq!((page.json.as_deref(), page.rows, page.total), (Some("[]"), 0, Some(24)));
    let (page, rows) = ask(&fixture, &TableQuery { columns: Vec::new(), count: false, ..query }).await;
    assert_eq!((page.rows, page.total), (4, None));
    assert_eq!(rows[0], serde_json::json!({}));
}

async fn nulls_are_ordered_as_requested(fixture: Fixture) {
    filled(&fixture).await;
    let completed = column(StoreTable::MetricCollectionLog, "completed_at");
    let running = async |order| {
        let query = TableQuery { order: vec![order], ..all(StoreTable::MetricCollectionLog) };
        let (_, rows) = ask(&fixture, &query).await;
        rows.iter().position(|row| row["status"] == "running").unwrap()
    };
    assert_eq!(running(Order::by(completed, false)).await, 2, "NULL sorts after all values by default");
    assert_eq!(running(Order::by(completed, true)).await, 0);
    assert_eq!(running(Order { column: completed, descending: false, nulls_first: true }).await, 0);
    assert_eq!(running(Order { column: completed, descending: true, nulls_first: false }).await, 2);
}

async fn table_queries_return_rows_of_their_own_tenant_only(fixture: Fixture) {
    filled(&fixture).await;
    let other = fixture.of_tenant("elsewhere");
    for table in StoreTable::iter() {
        let page = other.table(&TableQuery { count: true, ..all(table) }).await.unwrap();
        assert_eq!((page.rows, page.total), (0, Some(0)));
        let own = fixture.store.table(&all(table)).await.unwrap();
        let json = own.json.unwrap();
        assert!(own.rows > 0 && !json.contains("tenant"), "{json}");
    }
}

async fn a_query_may_select_the_maximum_number_of_columns(fixture: Fixture) {
    filled(&fixture).await;
    let table = StoreTable::DailyMetrics;
    let alias = |index: usize| Output {
        column: &table.columns()[index % table.columns().len()],
        alias: Some(format!("it's \"{index}\" \\")),
        as_text: table.columns()[index % table.columns().len()].kind == ColumnKind::Decimal,
    };
    let columns = (0..daymark::store::table::MAX_COLUMNS).map(alias).collect();
    let (_, rows) = ask(&fixture, &TableQuery { columns, ..all(table) }).await;
    assert_eq!(rows[0].as_object().unwrap().len(), daymark::store::table::MAX_COLUMNS);
    let shown: Vec<Decimal> =
        rows.iter().map(|row| decimal(row["it's \"4\" \\"].as_str().unwrap())).collect();
    assert_eq!(shown[0], decimal("10"));
}
