//! Every definition of `docs/cookbook.md`, recorded on a small platform and compared with SQL that is written apart.

use std::{collections::BTreeSet, fmt::Write};

use jiff::{
    ToSpan,
    civil::{Date, date},
};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::site::{Site, sqlite};

/// The days that are recorded.
const FROM: Date = date(2025, 1, 1);
const TO: Date = date(2025, 3, 1);
/// The days that are compared, as numbers from [`FROM`]: the first ones, some in the middle, and the last one.
const COMPARED: [i64; 7] = [0, 1, 9, 29, 30, 44, 59];

/// Metrics with the SQL of their value. `{from}` to `{to}` is the day, `{back 7}` the beginning of seven days that end with it.
const VALUES: &[(&str, &str)] = &[
    (
        "accounts_total",
        "count(*) FROM accounts WHERE created_at < {to} AND (deleted_at IS NULL OR deleted_at >= {to})",
    ),
    ("sign_ups", "count(*) FROM accounts WHERE created_at >= {from} AND created_at < {to}"),
    (
        "paying_accounts",
        "count(*) FROM accounts WHERE created_at < {to} AND (deleted_at IS NULL OR deleted_at >= {to}) AND plan <> 'free'",
    ),
    (
        "paying_share",
        "100.0 * sum(CASE WHEN plan <> 'free' THEN 1 ELSE 0 END) / count(*) FROM accounts WHERE created_at < {to} AND \
         (deleted_at IS NULL OR deleted_at >= {to})",
    ),
    ("accounts_closed", "count(*) FROM accounts WHERE deleted_at >= {from} AND deleted_at < {to}"),
    (
        "account_growth",
        "(SELECT count(*) FROM accounts WHERE created_at >= {from} AND created_at < {to}) - (SELECT count(*) FROM accounts \
         WHERE deleted_at >= {from} AND deleted_at < {to})",
    ),
    ("orders_placed", "count(*) FROM orders WHERE created_at >= {from} AND created_at < {to}"),
    ("orders_paid", "count(*) FROM orders WHERE paid_at >= {from} AND paid_at < {to}"),
    ("revenue", "coalesce(sum(amount), 0) FROM orders WHERE paid_at >= {from} AND paid_at < {to}"),
    ("revenue_to_date", "coalesce(sum(amount), 0) FROM orders WHERE paid_at < {to}"),
    ("average_order", "avg(amount) FROM orders WHERE paid_at >= {from} AND paid_at < {to}"),
    ("largest_order", "max(amount) FROM orders WHERE paid_at >= {from} AND paid_at < {to}"),
    ("open_order_value", "coalesce(sum(amount), 0) FROM orders WHERE created_at < {to} AND status = 'open'"),
    (
        "buyers_30_days",
        "count(DISTINCT account_id) FROM orders WHERE paid_at >= {back 30} AND paid_at < {to}",
    ),
    (
        "buying_share",
        "100.0 * (SELECT count(DISTINCT account_id) FROM orders WHERE paid_at >= {back 30} AND paid_at < {to}) / count(*) \
         FROM accounts WHERE created_at < {to} AND (deleted_at IS NULL OR deleted_at >= {to})",
    ),
    (
        "orders_per_buyer",
        "1.0 * count(*) / nullif(count(DISTINCT account_id), 0) FROM orders WHERE paid_at >= {from} AND paid_at < {to}",
    ),
    ("refunded", "coalesce(sum(amount), 0) FROM refunds WHERE created_at >= {from} AND created_at < {to}"),
    (
        "net_revenue",
        "(SELECT coalesce(sum(amount), 0) FROM orders WHERE paid_at >= {from} AND paid_at < {to}) - (SELECT \
         coalesce(sum(amount), 0) FROM refunds WHERE created_at >= {from} AND created_at < {to})",
    ),
    (
        "refund_rate",
        "100.0 * (SELECT coalesce(sum(amount), 0) FROM refunds WHERE created_at >= {from} AND created_at < {to}) / \
         nullif(sum(amount), 0) FROM orders WHERE paid_at >= {from} AND paid_at < {to}",
    ),
    ("revenue_7_days", "coalesce(sum(amount), 0) FROM orders WHERE paid_at >= {back 7} AND paid_at < {to}"),
    (
        "revenue_7_day_mean",
        "coalesce(sum(amount), 0) / 7.0 FROM orders WHERE paid_at >= {back 7} AND paid_at < {to}",
    ),
    ("revenue_30_days", "coalesce(sum(amount), 0) FROM orders WHERE paid_at >= {back 30} AND paid_at < {to}"),
    (
        "revenue_per_buyer",
        "1.0 * sum(amount) / count(DISTINCT account_id) FROM orders WHERE paid_at >= {back 30} AND paid_at < {to}",
    ),
    (
        "pieces_sold",
        "coalesce(sum(quantity), 0) FROM order_items WHERE order_id IN (SELECT id FROM orders WHERE paid_at >= {from} AND \
         paid_at < {to})",
    ),
    ("tickets_opened", "count(*) FROM tickets WHERE opened_at >= {from} AND opened_at < {to}"),
    (
        "tickets_open",
        "count(*) FROM tickets WHERE opened_at < {to} AND (closed_at IS NULL OR closed_at >= {to})",
    ),
    (
        "minutes_to_first_answer",
        "avg(answer_minutes) FROM tickets WHERE answered_at >= {from} AND answered_at < {to}",
    ),
    (
        "daily_active",
        "count(DISTINCT account_id) FROM visits WHERE created_at >= {from} AND created_at < {to}",
    ),
    (
        "weekly_active",
        "count(DISTINCT account_id) FROM visits WHERE created_at >= {back 7} AND created_at < {to}",
    ),
    (
        "monthly_active",
        "count(DISTINCT account_id) FROM visits WHERE created_at >= {back 30} AND created_at < {to}",
    ),
    (
        "stickiness",
        "100.0 * (SELECT count(DISTINCT account_id) FROM visits WHERE created_at >= {from} AND created_at < {to}) / \
         nullif(count(DISTINCT account_id), 0) FROM visits WHERE created_at >= {back 30} AND created_at < {to}",
    ),
    (
        "active_in_any_way",
        "count(*) FROM (SELECT account_id FROM visits WHERE created_at >= {back 7} AND created_at < {to} UNION SELECT \
         account_id FROM orders WHERE paid_at >= {back 7} AND paid_at < {to} UNION SELECT account_id FROM tickets WHERE \
         opened_at >= {back 7} AND opened_at < {to}) AS anybody",
    ),
    (
        "phone_share",
        "100.0 * sum(CASE WHEN device = 'phone' THEN 1 ELSE 0 END) / nullif(count(*), 0) FROM visits WHERE created_at >= \
         {from} AND created_at < {to}",
    ),
    ("visit_seconds", "avg(seconds) FROM visits WHERE created_at >= {from} AND created_at < {to}"),
];

/// Breakdowns, a label of each, and the SQL of the label's value.
const LABELS: &[(&str, &str, &str)] = &[
    (
        "sign_ups_by_country",
        "de",
        "count(*) FROM accounts WHERE country = 'de' AND created_at >= {from} AND created_at < {to}",
    ),
    (
        "accounts_by_plan",
        "team",
        "count(*) FROM accounts WHERE plan = 'team' AND created_at < {to} AND (deleted_at IS NULL OR deleted_at >= {to})",
    ),
    (
        "revenue_by_country",
        "fr",
        "coalesce(sum(amount), 0) FROM orders WHERE account_id IN (SELECT id FROM accounts WHERE country = 'fr') AND paid_at \
         >= {from} AND paid_at < {to}",
    ),
    (
        "orders_by_status",
        "paid",
        "count(*) FROM orders WHERE status = 'paid' AND created_at >= {from} AND created_at < {to}",
    ),
    (
        "sold_by_product",
        "tea",
        "count(*) FROM order_items WHERE product_id = 1 AND order_id IN (SELECT id FROM orders WHERE paid_at >= {from} AND \
         paid_at < {to})",
    ),
    (
        "tickets_by_priority",
        "high",
        "count(*) FROM tickets WHERE priority = 'high' AND opened_at >= {from} AND opened_at < {to}",
    ),
    (
        "tickets_by_country",
        "us",
        "count(*) FROM tickets WHERE account_id IN (SELECT id FROM accounts WHERE country = 'us') AND opened_at >= {from} AND \
         opened_at < {to}",
    ),
];

async fn every_question_of_the_cookbook_is_answered(site: Site) {
    site.on_platform(&platform(site.is_postgres())).await;
    let book = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/cookbook.md")).unwrap();
    assert!(book.matches("\n### ").count() >= 30);
    let definitions: String =
        book.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    site.write_config(&definitions);
    let defined: BTreeSet<_> = definitions
        .lines()
        .filter_map(|line| {
            line.strip_prefix("[metrics.").or_else(|| line.strip_prefix("[derived."))?.strip_suffix(']')
        })
        .collect();
    let compared = VALUES.iter().map(|(metric, _)| *metric).chain(LABELS.iter().map(|(metric, ..)| *metric));
    assert_eq!(
        defined,
        compared.collect::<BTreeSet<_>>(),
        "each definition of the cookbook is compared, and no other"
    );
    for command in [&["migrate"][..], &["apply"], &["check"]] {
        site.run(command).expect_code(0);
    }
    site.run(&["backfill", "--from", &FROM.to_string(), "--to", &TO.to_string()]).expect_code(0);
    for (metric, sql) in VALUES {
        let points = points(&site, metric, "day");
        for index in COMPARED {
            let day = FROM.saturating_add(index.days());
            let expected = number(&site, sql, day).await;
            // A window that begins before the first record has no moving value.
            let is_moved = sql.contains("{back") && definitions.contains(&format!("[derived.{metric}]"));
            let reaches_back = if sql.contains("{back 30}") { 29 } else { 6 };
            let expected = expected.filter(|_| !is_moved || index >= reaches_back);
            let seen = points[usize::try_from(index).unwrap()]["value"].as_f64();
            assert!(is_close(seen, expected), "{metric} of {day} is {seen:?}, but SQL says {expected:?}");
        }
    }
    for (metric, label, sql) in LABELS {
        let points = points(&site, metric, "day");
        let mut found = 0.0;
        for index in 0..60 {
            let day = FROM.saturating_add(index.days());
            let seen = &points[usize::try_from(index).unwrap()]["metadata"]["breakdown"][*label];
            let (seen, expected) = (seen.as_f64().unwrap_or(0.0), number(&site, sql, day).await.unwrap());
            assert!(
                is_close(Some(seen), Some(expected)),
                "{metric} of {day}: {label} is {seen}, but SQL says {expected}"
            );
            found += seen;
        }
        assert!(found > 0.0, "{metric} has no {label} at all");
    }
    // The questions about months: sums of the days, label by label, and a rate of the sums.
    let month = |metric: &str| points(&site, metric, "month").swap_remove(0);
    let january = "FROM orders WHERE paid_at >= {from} AND paid_at < {month}";
    let revenue = number(&site, &format!("sum(amount) {january}"), FROM).await;
    assert!(is_close(month("revenue")["value"].as_f64(), revenue));
    let of_france =
        format!("sum(amount) {january} AND account_id IN (SELECT id FROM accounts WHERE country = 'fr')");
    let seen = month("revenue_by_country")["metadata"]["breakdown"]["fr"].as_f64();
    assert!(is_close(seen, number(&site, &of_france, FROM).await), "{seen:?}");
    let refunds = "sum(amount) FROM refunds WHERE created_at >= {from} AND created_at < {month}";
    let rate = 100.0 * number(&site, refunds, FROM).await.unwrap() / revenue.unwrap();
    assert!(is_close(month("refund_rate")["value"].as_f64(), Some(rate)));
}

fn is_close(one: Option<f64>, other: Option<f64>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => (one - other).abs() < 1e-6,
        (one, other) => one == other,
    }
}

fn points(site: &Site, metric: &str, interval: &str) -> Vec<Value> {
    let (from, to) = (FROM.to_string(), TO.to_string());
    let query =
        ["query", "--metric", metric, "--interval", interval, "--from", &from, "--to", &to, "--metadata"];
    let answer = site.json(&query);
    answer["series"][0]["points"].as_array().unwrap_or_else(|| panic!("{metric}: {answer}")).clone()
}

/// The number that the platform answers; NULL is none.
async fn number(site: &Site, sql: &str, day: Date) -> Option<f64> {
    let zone = if site.is_postgres() { "+00" } else { "" };
    let instant = |day: Date| format!("'{day} 00:00:00{zone}'");
    let mut sql = sql.replace("{from}", &instant(day)).replace("{to}", &instant(day.tomorrow().unwrap()));
    sql = sql.replace("{month}", &instant(date(2025, 2, 1)));
    for days in [7, 30] {
        let first = day.saturating_sub((days - 1).days());
        sql = sql.replace(&format!("{{back {days}}}"), &instant(first));
    }
    let sql = AssertSqlSafe(format!("SELECT CAST((SELECT {sql}) AS double precision)"));
    if site.is_postgres() {
        let mut session = PgConnection::connect(&site.platform_url).await.unwrap();
        return sqlx::query_scalar(sql).fetch_one(&mut session).await.unwrap();
    }
    sqlx::query_scalar(sql).fetch_one(&mut sqlite(&site.platform_url, false).await).await.unwrap()
}

/// A shop with accounts, orders, tickets and visits: 60 days from [`FROM`] on, the same rows every time.
fn platform(is_postgres: bool) -> String {
    let (time, zone) = if is_postgres { ("timestamptz", "+00") } else { ("text", "") };
    let mut sql = format!(
        "CREATE TABLE accounts (id integer PRIMARY KEY, country text, plan text, created_at {time} NOT NULL, deleted_at {time});
         CREATE TABLE products (id integer PRIMARY KEY, name text NOT NULL);
         CREATE TABLE orders (id integer PRIMARY KEY, account_id integer NOT NULL REFERENCES accounts (id), status text NOT NULL,
                              amount numeric NOT NULL, created_at {time} NOT NULL, paid_at {time});
         CREATE TABLE order_items (id integer PRIMARY KEY, order_id integer NOT NULL REFERENCES orders (id),
                                   product_id integer NOT NULL REFERENCES products (id), quantity integer NOT NULL);
         CREATE TABLE refunds (id integer PRIMARY KEY, order_id integer NOT NULL REFERENCES orders (id), amount numeric NOT NULL,
                               created_at {time} NOT NULL);
         CREATE TABLE tickets (id integer PRIMARY KEY, account_id integer NOT NULL REFERENCES accounts (id), priority text,
                               answer_minutes integer, opened_at {time} NOT NULL, answered_at {time}, closed_at {time});
         CREATE TABLE visits (id integer PRIMARY KEY, account_id integer NOT NULL REFERENCES accounts (id), device text,
                              seconds integer NOT NULL, created_at {time} NOT NULL);
         INSERT INTO products VALUES (1, 'tea'), (2, 'cups'), (3, 'kettle'), (4, 'filter');\n"
    );
    let at = |day: i64, hour: i64| format!("'{} {hour:02}:30:00{zone}'", FROM.saturating_add(day.days()));
    let or_null = |is_there: bool, text: String| if is_there { text } else { "NULL".to_owned() };
    let mut insert = |table: &str, values: &[String]| {
        writeln!(sql, "INSERT INTO {table} VALUES ({});", values.join(", ")).unwrap();
    };
    let word = |words: &[&str], place: i64| {
        let count = i64::try_from(words.len()).unwrap();
        format!("'{}'", words[usize::try_from(place % count).unwrap()])
    };
    for id in 1..=40_i64 {
        let day = if id <= 5 { 0 } else { id * 37 % 45 };
        let (country, plan) = (word(&["de", "fr", "us"], id), word(&["free", "team", "free", "pro"], id / 3));
        let closed = or_null(id % 10 == 0, at(day + 9, 8));
        insert("accounts", &[id.to_string(), country, plan, at(day, id % 24), closed]);
    }
    for id in 1..=160_i64 {
        let (account, day) = (id * 7 % 40 + 1, id * 31 % 57);
        let status = word(&["paid", "paid", "open", "paid", "cancelled"], id);
        let paid = or_null(status == "'paid'", at(day + id % 3, (id + 5) % 24));
        let amount = (id * 13 % 90 + 10).to_string();
        insert("orders", &[id.to_string(), account.to_string(), status, amount, at(day, id % 24), paid]);
        let quantity = (id % 3 + 1).to_string();
        insert("order_items", &[id.to_string(), id.to_string(), (id % 4 + 1).to_string(), quantity]);
    }
    for id in 1..=24_i64 {
        let order = (id * 6).to_string();
        insert("refunds", &[id.to_string(), order, (id % 7 + 1).to_string(), at(id * 11 % 60, id % 24)]);
    }
    for id in 1..=80_i64 {
        let (account, day) = ((id * 3 % 40 + 1).to_string(), id * 17 % 58);
        let answered = or_null(id % 7 != 0, at(day + id % 2, 23));
        let minutes = or_null(id % 7 != 0, (id * 29 % 300 + 5).to_string());
        let closed = or_null(id % 5 != 0, at(day + id % 6, 23));
        let priority = word(&["low", "high", "normal"], id);
        insert("tickets", &[id.to_string(), account, priority, minutes, at(day, id % 20), answered, closed]);
    }
    for id in 1..=400_i64 {
        let (account, device) =
            ((id * 11 % 40 + 1).to_string(), word(&["phone", "desk", "phone", "tablet"], id / 5));
        insert(
            "visits",
            &[id.to_string(), account, device, (id * 7 % 600).to_string(), at(id * 53 % 60, id % 24)],
        );
    }
    sql
}

mod sqlite_platform {
    #[tokio::test]
    async fn every_question_of_the_cookbook_is_answered() {
        super::every_question_of_the_cookbook_is_answered(crate::site::Site::empty_sqlite().await).await;
    }
}

mod postgres_platform {
    #[tokio::test]
    async fn every_question_of_the_cookbook_is_answered() {
        super::every_question_of_the_cookbook_is_answered(crate::site::Site::empty_postgres().await).await;
    }
}
