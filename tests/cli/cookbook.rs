//! Every definition of `docs/cookbook.md`, recorded on a small platform and compared with SQL that is written apart.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use jiff::{
    ToSpan,
    civil::{Date, date},
};

use serde_json::Value;

use crate::{
    compared::{Oracle, all_points, is_close},
    site::Site,
};

/// The days that are recorded. The clocks of the zones that are tried change between them.
const FROM: Date = date(2025, 3, 1);
const TO: Date = date(2025, 4, 29);
/// The days that are compared, as numbers from [`FROM`]: the first ones, some in the middle, and the last one.
const COMPARED: [i64; 7] = [0, 1, 9, 29, 30, 44, 59];

/// Metrics with the SQL of their value, as an [`Oracle`] reads it.
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
    (
        "revenue_this_month",
        "coalesce(sum(amount), 0) FROM orders WHERE paid_at >= {first} AND paid_at < {to}",
    ),
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
         opened_at >= {back 7} AND opened_at < {to}) AS of_all",
    ),
    (
        "phone_share",
        "100.0 * sum(CASE WHEN device = 'phone' THEN 1 ELSE 0 END) / nullif(count(*), 0) FROM visits WHERE created_at >= \
         {from} AND created_at < {to}",
    ),
    ("visit_seconds", "avg(seconds) FROM visits WHERE created_at >= {from} AND created_at < {to}"),
    (
        "median_minutes_to_answer",
        "1.0 * avg(answer_minutes) FROM (SELECT answer_minutes, row_number() OVER (ORDER BY answer_minutes) AS place, count(*) OVER () \
         AS number FROM tickets WHERE answered_at >= {from} AND answered_at < {to}) AS sorted WHERE place IN ((number + 1) / 2, \
         (number + 2) / 2)",
    ),
    (
        "slow_minutes_to_answer",
        "max(answer_minutes) - (max(answer_minutes) - min(answer_minutes)) * (max(place) - 1 - 0.95 * (max(number) - 1)) FROM \
         (SELECT answer_minutes, row_number() OVER (ORDER BY answer_minutes) AS place, count(*) OVER () AS number FROM tickets WHERE \
         answered_at >= {back 7} AND answered_at < {to}) AS sorted WHERE place - 1 > 0.95 * (number - 1) - 1 AND place - 1 < 0.95 * \
         (number - 1) + 1",
    ),
    (
        "answered_within_an_hour",
        "100.0 * sum(CASE WHEN answer_minutes <= 60 THEN 1 ELSE 0 END) / nullif(count(*), 0) FROM tickets WHERE answered_at >= {from} \
         AND answered_at < {to}",
    ),
    ("days_waiting", "avg(1.0 * days) FROM ticket_days WHERE day = {day}"),
    (
        "orders_of_paying_accounts",
        "count(*) FROM orders WHERE created_at >= {from} AND created_at < {to} AND account_id NOT IN (SELECT id FROM accounts WHERE plan \
         = 'free')",
    ),
    (
        "products_sold_this_week",
        "count(DISTINCT product_id) FROM order_items WHERE order_id IN (SELECT id FROM orders WHERE paid_at >= {monday} AND paid_at < \
         {to})",
    ),
    (
        "repeat_share",
        "100.0 * sum(CASE WHEN created_at > (SELECT min(created_at) FROM orders AS earliest WHERE earliest.account_id = orders.account_id) THEN \
         1 ELSE 0 END) / nullif(count(*), 0) FROM orders WHERE created_at >= {from} AND created_at < {to}",
    ),
    ("revenue_14_days", "coalesce(sum(amount), 0) FROM orders WHERE paid_at >= {back 14} AND paid_at < {to}"),
    (
        "weekly_growth",
        "100.0 * (SELECT sum(amount) FROM orders WHERE paid_at >= {back 7} AND paid_at < {to}) / nullif(sum(amount), 0) - 100 FROM orders \
         WHERE paid_at >= {back 14} AND paid_at < {back 7}",
    ),
    (
        "idle_accounts",
        "count(*) - (SELECT count(DISTINCT account_id) FROM visits WHERE created_at >= {back 30} AND created_at < {to}) FROM accounts \
         WHERE created_at < {to} AND (deleted_at IS NULL OR deleted_at >= {to})",
    ),
    (
        "week_4_retention",
        "100.0 * count(DISTINCT v.account_id) / nullif(count(DISTINCT a.id), 0) FROM accounts a LEFT JOIN visits v ON \
         v.account_id = a.id AND v.created_at >= {ago 6} AND v.created_at < {to} WHERE a.created_at >= {ago 28} AND \
         a.created_at < {ago 27}",
    ),
    (
        "day_7_retention",
        "100.0 * sum(CASE WHEN account_id IN (SELECT account_id FROM visits WHERE created_at >= {from} AND created_at < {to}) \
         THEN 1 ELSE 0 END) / nullif(count(*), 0) FROM (SELECT account_id, min(created_at) AS first FROM visits GROUP BY \
         account_id) AS firsts WHERE first >= {ago 7} AND first < {ago 6}",
    ),
    (
        "activation",
        "100.0 * count(DISTINCT seen.account_id) / nullif(count(DISTINCT a.id), 0) FROM accounts a LEFT JOIN (SELECT \
         account_id FROM visits WHERE created_at >= {from} AND created_at < {to} UNION SELECT account_id FROM orders WHERE \
         paid_at >= {from} AND paid_at < {to}) AS seen ON seen.account_id = a.id WHERE a.created_at >= {from} AND \
         a.created_at < {to}",
    ),
    (
        "returned_accounts",
        "count(DISTINCT account_id) FROM visits WHERE created_at >= {ago 6} AND created_at < {to} AND account_id NOT IN \
         (SELECT account_id FROM visits WHERE created_at >= {ago 13} AND created_at < {ago 6}) AND account_id IN (SELECT \
         account_id FROM visits WHERE created_at < {ago 13})",
    ),
    (
        "lost_accounts",
        "count(DISTINCT account_id) FROM visits WHERE created_at >= {ago 13} AND created_at < {ago 6} AND account_id NOT IN \
         (SELECT account_id FROM visits WHERE created_at >= {ago 6} AND created_at < {to})",
    ),
    (
        "staying_accounts",
        "count(DISTINCT account_id) FROM visits WHERE created_at >= {ago 13} AND created_at < {ago 6} AND account_id IN \
         (SELECT account_id FROM visits WHERE created_at >= {ago 6} AND created_at < {to})",
    ),
    (
        "churn_rate",
        "100.0 * (SELECT count(DISTINCT account_id) FROM visits WHERE created_at >= {ago 13} AND created_at < {ago 6} AND \
         account_id NOT IN (SELECT account_id FROM visits WHERE created_at >= {ago 6} AND created_at < {to})) / \
         nullif(count(DISTINCT account_id), 0) FROM visits WHERE created_at >= {ago 13} AND created_at < {ago 6}",
    ),
    (
        "new_visitors",
        "count(*) FROM (SELECT account_id, min(created_at) AS first FROM visits GROUP BY account_id) AS firsts WHERE first >= \
         {ago 6} AND first < {to}",
    ),
    (
        "net_new_actives",
        "(SELECT count(DISTINCT account_id) FROM visits WHERE created_at >= {ago 6} AND created_at < {to}) - (SELECT \
         count(DISTINCT account_id) FROM visits WHERE created_at >= {ago 13} AND created_at < {ago 6})",
    ),
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
        "coalesce(sum(quantity), 0) FROM order_items WHERE product_id = 1 AND order_id IN (SELECT id FROM orders WHERE paid_at >= {from} AND \
         paid_at < {to})",
    ),
    (
        "tickets_by_priority",
        "high",
        "count(*) FROM tickets WHERE priority = 'high' AND opened_at >= {from} AND opened_at < {to}",
    ),
    (
        "backlog_by_priority",
        "high",
        "count(*) FROM tickets WHERE priority = 'high' AND opened_at < {to} AND (closed_at IS NULL OR closed_at >= {to})",
    ),
    (
        "revenue_by_plan",
        "team",
        "coalesce(sum(amount), 0) FROM orders WHERE account_id IN (SELECT id FROM accounts WHERE plan = 'team') AND paid_at >= {from} AND \
         paid_at < {to}",
    ),
    (
        "mean_order_by_plan",
        "team",
        "coalesce(avg(amount), 0) FROM orders WHERE account_id IN (SELECT id FROM accounts WHERE plan = 'team') AND paid_at >= {from} AND \
         paid_at < {to}",
    ),
    (
        "buyers_by_country",
        "de",
        "count(DISTINCT account_id) FROM orders WHERE account_id IN (SELECT id FROM accounts WHERE country = 'de') AND paid_at >= {from} \
         AND paid_at < {to}",
    ),
    (
        "tickets_by_country",
        "us",
        "count(*) FROM tickets WHERE account_id IN (SELECT id FROM accounts WHERE country = 'us') AND opened_at >= {from} AND \
         opened_at < {to}",
    ),
];

async fn every_question_of_the_cookbook_is_answered(site: Site, zone: &str) {
    site.on_platform(&platform(site.is_postgres())).await;
    let book = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/cookbook.md")).unwrap();
    assert!(book.matches("\n### ").count() >= 30);
    let definitions: String =
        book.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    site.write_config(&format!("time_zone = \"{zone}\"\n{definitions}"));
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
    let points = all_points(&site, "day", (FROM, TO));
    let mut oracle = Oracle::new(&site, zone).await;
    compare_values(&mut oracle, &points, &definitions).await;
    compare_labels(&mut oracle, &points).await;
    compare_months(&site, &mut oracle).await;
}

async fn compare_values(oracle: &mut Oracle, points: &BTreeMap<String, Vec<Value>>, definitions: &str) {
    for (metric, sql) in VALUES {
        let points = &points[*metric];
        for index in COMPARED {
            let day = FROM.saturating_add(index.days());
            let expected = oracle.number(sql, day).await;
            // A window that begins before the first record has no moving value.
            let is_moved = sql.contains("{back") && definitions.contains(&format!("[derived.{metric}]"));
            let reaches_back =
                [(30, 29), (14, 13)].into_iter().find(|(days, _)| sql.contains(&format!("{{back {days}}}")));
            // What is recorded over a window has no such beginning.
            let is_moved = is_moved && *metric != "idle_accounts";
            let expected =
                expected.filter(|_| !is_moved || index >= reaches_back.map_or(6, |(_, first)| first));
            let seen = points[usize::try_from(index).unwrap()]["value"].as_f64();
            assert!(is_close(seen, expected), "{metric} of {day} is {seen:?}, but SQL says {expected:?}");
        }
    }
    for metric in [
        "week_4_retention",
        "day_7_retention",
        "activation",
        "returned_accounts",
        "staying_accounts",
        "churn_rate",
    ] {
        let found =
            points[metric].iter().any(|point| point["value"].as_f64().is_some_and(|value| value > 0.0));
        assert!(found, "{metric} is never above 0");
    }
}

async fn compare_labels(oracle: &mut Oracle, points: &BTreeMap<String, Vec<Value>>) {
    for (metric, label, sql) in LABELS {
        let points = &points[*metric];
        let mut found = 0.0;
        for index in 0..60 {
            let day = FROM.saturating_add(index.days());
            let seen = &points[usize::try_from(index).unwrap()]["metadata"]["breakdown"][*label];
            let (seen, expected) = (seen.as_f64().unwrap_or(0.0), oracle.number(sql, day).await.unwrap());
            assert!(
                is_close(Some(seen), Some(expected)),
                "{metric} of {day}: {label} is {seen}, but SQL says {expected}"
            );
            found += seen;
        }
        assert!(found > 0.0, "{metric} has no {label} at all");
    }
}

/// The questions about months: sums of the days, label by label, a rate of the sums, and cohorts.
async fn compare_months(site: &Site, oracle: &mut Oracle) {
    // The cohorts of March are recorded 28 days later, and are weighted by their sizes.
    let (first, last) = (FROM.saturating_add(28.days()), FROM.saturating_add(58.days()));
    let range = ["--from", &first.to_string(), "--to", &last.to_string()];
    let asked = ["query", "--metric", "week_4_retention", "--interval", "year"];
    let seen = site.json(&[&asked[..], &range].concat())["series"][0]["points"][0]["value"].as_f64();
    let of_day = "FROM accounts a WHERE created_at >= {from} AND created_at < {to}";
    let stayed = "AND EXISTS (SELECT 1 FROM visits v WHERE v.account_id = a.id AND v.created_at >= {after 22} AND v.created_at < {after 29})";
    let (mut kept, mut all) = (0.0, 0.0);
    for index in 0..31 {
        let day = FROM.saturating_add(index.days());
        kept += oracle.number(&format!("count(*) {of_day} {stayed}"), day).await.unwrap();
        all += oracle.number(&format!("count(*) {of_day}"), day).await.unwrap();
    }
    assert!(is_close(seen, Some(100.0 * kept / all)), "{seen:?}");
    let months = all_points(site, "month", (FROM, TO));
    let march = |metric: &str| &months[metric][0];
    let paid = "FROM orders WHERE paid_at >= {first} AND paid_at < {next}";
    let revenue = oracle.number(&format!("sum(amount) {paid}"), FROM).await;
    assert!(is_close(march("revenue")["value"].as_f64(), revenue));
    assert!(is_close(march("revenue_this_month")["value"].as_f64(), revenue), "that of its last day");
    let of_france =
        format!("sum(amount) {paid} AND account_id IN (SELECT id FROM accounts WHERE country = 'fr')");
    let seen = march("revenue_by_country")["metadata"]["breakdown"]["fr"].as_f64();
    assert!(is_close(seen, oracle.number(&of_france, FROM).await), "{seen:?}");
    let refunds = "sum(amount) FROM refunds WHERE created_at >= {first} AND created_at < {next}";
    let rate = 100.0 * oracle.number(refunds, FROM).await.unwrap() / revenue.unwrap();
    assert!(is_close(march("refund_rate")["value"].as_f64(), Some(rate)));
}

/// A shop with accounts, orders, tickets and visits: 60 days from [`FROM`] on, the same rows every time.
fn platform(is_postgres: bool) -> String {
    let (time, date, zone) = if is_postgres { ("timestamptz", "date", "+00") } else { ("text", "text", "") };
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
         CREATE TABLE ticket_days (ticket_id integer NOT NULL, day {date} NOT NULL, days integer NOT NULL);
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
        for age in 0..=id % 6 {
            let waiting =
                [id.to_string(), format!("'{}'", FROM.saturating_add((day + age).days())), age.to_string()];
            insert("ticket_days", &waiting);
        }
        let priority = word(&["low", "high", "normal"], id);
        insert("tickets", &[id.to_string(), account, priority, minutes, at(day, id % 20), answered, closed]);
    }
    for id in 1..=400_i64 {
        let (account, device) =
            ((id * 11 % 40 + 1).to_string(), word(&["phone", "desk", "phone", "tablet"], id / 5));
        // Each account comes on three days and again four days after them, and every other one also a week after them.
        let later = match id / 120 {
            1 => 4,
            2 if id % 2 == 0 => 7,
            _ => 0,
        };
        let day = (id * 53 + later) % 60;
        insert("visits", &[id.to_string(), account, device, (id * 7 % 600).to_string(), at(day, id % 24)]);
    }
    sql
}

/// In UTC, west of it with days of 23 hours, and where clocks change by half an hour.
macro_rules! in_zones {
    ($($name:ident: $zone:literal,)+) => {
        mod sqlite_platform { $(#[tokio::test]
            async fn $name() { super::every_question_of_the_cookbook_is_answered(crate::site::Site::empty_sqlite().await, $zone).await })+ }
        mod postgres_platform { $(#[tokio::test]
            async fn $name() { super::every_question_of_the_cookbook_is_answered(crate::site::Site::empty_postgres().await, $zone).await })+ }
    };
}
in_zones! {
    the_cookbook_answers_in_utc: "UTC",
    the_cookbook_answers_in_newfoundland: "America/St_Johns",
    the_cookbook_answers_on_lord_howe: "Australia/Lord_Howe",
}
