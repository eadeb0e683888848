//! The presets `shop` and `saas` on tables as people name them: every metric against SQL that is written apart.

use daymark::clock::{Clock, SystemClock};
use jiff::{ToSpan, civil::Date, tz::TimeZone};
use serde_json::Value;

use crate::{
    compared::{Oracle, all_points, is_close},
    first_use::shape::Shape,
    preset_shapes,
    site::Site,
};

/// A platform of a kind, and the SQL of each metric that its preset records there.
struct Kind {
    preset: &'static str,
    shape: Shape,
    /// Each metric with the SQL of its value, as an [`Oracle`] reads it.
    values: &'static [(&'static str, &'static str)],
    /// Breakdowns, a label of each, and the SQL of the label's value.
    labels: &'static [(&'static str, &'static str, &'static str)],
    /// Metrics of the preset that the platform has no tables or columns for, with a part of the reason.
    left_out: &'static [(&'static str, &'static str)],
}

const fn shape(tables: &'static [&'static str]) -> Shape {
    Shape { tables, totals: &[], flags: &[] }
}

const SHOP_IN_CENTS: Kind = Kind {
    preset: "shop",
    shape: shape(preset_shapes::SHOP_IN_CENTS),
    values: &[
        ("customers_total", "count(*) FROM customers WHERE created_at < {to}"),
        ("customers_created", "count(*) FROM customers WHERE created_at >= {from} AND created_at < {to}"),
        (
            "customers_active",
            "count(DISTINCT customer_id) FROM orders WHERE placed_at >= {back 30} AND placed_at < {to}",
        ),
        (
            "customers_ordering",
            "count(DISTINCT customer_id) FROM orders WHERE placed_at >= {from} AND placed_at < {to}",
        ),
        ("orders_total", "count(*) FROM orders WHERE placed_at < {to}"),
        ("orders_created", "count(*) FROM orders WHERE placed_at >= {from} AND placed_at < {to}"),
        (
            "customers_first_order",
            "count(*) FROM (SELECT min(placed_at) AS first FROM orders GROUP BY customer_id) AS c WHERE first >= {from} AND first < {to}",
        ),
        (
            "customer_retention",
            "100.0 * sum(CASE WHEN EXISTS (SELECT 1 FROM orders AS o WHERE o.customer_id = c.customer_id AND placed_at >= {ago 27} \
             AND placed_at < {to}) THEN 1 ELSE 0 END) / nullif(count(*), 0) FROM (SELECT customer_id, min(placed_at) AS first FROM \
             orders GROUP BY customer_id) AS c WHERE first >= {ago 28} AND first < {ago 27}",
        ),
        (
            "orders_per_customer",
            "1.0 * count(*) / nullif(count(DISTINCT customer_id), 0) FROM orders WHERE placed_at >= {from} AND placed_at < {to}",
        ),
        (
            "revenue",
            "coalesce(sum(total_cents), 0) FROM orders WHERE placed_at >= {from} AND placed_at < {to}",
        ),
        ("average_order", "avg(total_cents) FROM orders WHERE placed_at >= {from} AND placed_at < {to}"),
        ("refunds_created", "count(*) FROM refunds WHERE created_at >= {from} AND created_at < {to}"),
        (
            "refunded",
            "coalesce(sum(amount_cents), 0) FROM refunds WHERE created_at >= {from} AND created_at < {to}",
        ),
        (
            "net_revenue",
            "(SELECT coalesce(sum(total_cents), 0) FROM orders WHERE placed_at >= {from} AND placed_at < {to}) - (SELECT \
             coalesce(sum(amount_cents), 0) FROM refunds WHERE created_at >= {from} AND created_at < {to})",
        ),
        (
            "refund_rate",
            "100.0 * (SELECT coalesce(sum(amount_cents), 0) FROM refunds WHERE created_at >= {from} AND created_at < {to}) / \
             nullif(sum(total_cents), 0) FROM orders WHERE placed_at >= {from} AND placed_at < {to}",
        ),
        (
            "revenue_30_days",
            "coalesce(sum(total_cents), 0) FROM orders WHERE placed_at >= {back 30} AND placed_at < {to}",
        ),
        (
            "repeat_rate",
            "100.0 * (count(*) - count(DISTINCT customer_id)) / nullif(count(*), 0) FROM orders WHERE placed_at >= {back 30} AND \
             placed_at < {to}",
        ),
    ],
    labels: &[(
        "top_products",
        "name 3",
        "coalesce(sum(quantity), 0) FROM order_items WHERE product_id = 3 AND order_id IN (SELECT id FROM orders WHERE placed_at \
         >= {from} AND placed_at < {to})",
    )],
    left_out: &[("negative_payments", "`refunds` has them")],
};

const SHOP_WITH_PAYMENTS: Kind = Kind {
    preset: "shop",
    shape: shape(preset_shapes::SHOP_WITH_PAYMENTS),
    values: &[
        (
            "customers_total",
            "count(*) FROM users WHERE created_at < {to} AND (deleted_at IS NULL OR deleted_at >= {to})",
        ),
        ("customers_created", "count(*) FROM users WHERE created_at >= {from} AND created_at < {to}"),
        (
            "orders_total",
            "count(*) FROM purchases WHERE purchased_at < {to} AND (deleted_at IS NULL OR deleted_at >= {to})",
        ),
        ("orders_created", "count(*) FROM purchases WHERE purchased_at >= {from} AND purchased_at < {to}"),
        (
            "revenue",
            "coalesce(sum(amount), 0) FROM payments WHERE created_at >= {from} AND created_at < {to}",
        ),
        (
            "negative_payments",
            "coalesce(sum(amount), 0) FROM payments WHERE created_at >= {from} AND created_at < {to} AND amount < 0",
        ),
    ],
    labels: &[(
        "top_products",
        "tea",
        "count(*) FROM purchases WHERE product_name = 'tea' AND purchased_at >= {from} AND purchased_at < {to}",
    )],
    left_out: &[
        ("average_order", "no column of the amount was found in orders"),
        ("refunded", "no table of refunds was found"),
    ],
};

const SAAS_WITH_PLANS: Kind = Kind {
    preset: "saas",
    shape: shape(preset_shapes::SAAS_WITH_PLANS),
    values: &[
        (
            "accounts_total",
            "count(*) FROM organizations WHERE created_at < {to} AND (deleted_at IS NULL OR deleted_at >= {to})",
        ),
        ("accounts_created", "count(*) FROM organizations WHERE created_at >= {from} AND created_at < {to}"),
        (
            "accounts_activated",
            "count(*) FROM organizations WHERE activated_at >= {from} AND activated_at < {to}",
        ),
        (
            "activation_rate",
            "100.0 * sum(CASE WHEN activated_at < {to} THEN 1 ELSE 0 END) / nullif(count(*), 0) FROM organizations WHERE created_at < \
             {to} AND (deleted_at IS NULL OR deleted_at >= {to})",
        ),
        ("users_total", "count(*) FROM users WHERE created_at < {to}"),
        (
            "seats_total",
            "count(*) FROM memberships WHERE created_at < {to} AND (left_at IS NULL OR left_at >= {to})",
        ),
        (
            "seats_per_account",
            "1.0 * (SELECT count(*) FROM memberships WHERE created_at < {to} AND (left_at IS NULL OR left_at >= {to})) / \
             nullif(count(*), 0) FROM organizations WHERE created_at < {to} AND (deleted_at IS NULL OR deleted_at >= {to})",
        ),
        (
            "subscriptions_total",
            "count(*) FROM subscriptions WHERE created_at < {to} AND (cancelled_at IS NULL OR cancelled_at >= {to})",
        ),
        (
            "subscriptions_created",
            "count(*) FROM subscriptions WHERE created_at >= {from} AND created_at < {to}",
        ),
        (
            "subscriptions_ended",
            "count(*) FROM subscriptions WHERE cancelled_at >= {from} AND cancelled_at < {to}",
        ),
        (
            "recurring_revenue",
            "coalesce(sum((SELECT price FROM plans WHERE plans.id = plan_id)), 0) FROM subscriptions WHERE created_at < {to} AND \
             (cancelled_at IS NULL OR cancelled_at >= {to})",
        ),
    ],
    labels: &[(
        "subscriptions_by_plan",
        "name 2",
        "count(*) FROM subscriptions WHERE plan_id = 2 AND created_at < {to} AND (cancelled_at IS NULL OR cancelled_at >= {to})",
    )],
    left_out: &[],
};

const SAAS_WITH_SEATS: Kind = Kind {
    preset: "saas",
    shape: shape(preset_shapes::SAAS_WITH_SEATS),
    values: &[
        ("accounts_total", "count(*) FROM accounts WHERE created_at < {to}"),
        ("accounts_activated", "count(*) FROM accounts WHERE onboarded_at >= {from} AND onboarded_at < {to}"),
        (
            "seats_total",
            "count(*) FROM seats WHERE created_at < {to} AND (revoked_at IS NULL OR revoked_at >= {to})",
        ),
        (
            "subscriptions_total",
            "count(*) FROM subscriptions WHERE started_at < {to} AND (ended_at IS NULL OR ended_at >= {to})",
        ),
        ("subscriptions_ended", "count(*) FROM subscriptions WHERE ended_at >= {from} AND ended_at < {to}"),
        (
            "recurring_revenue",
            "coalesce(sum(mrr), 0) FROM subscriptions WHERE started_at < {to} AND (ended_at IS NULL OR ended_at >= {to})",
        ),
    ],
    labels: &[(
        "subscriptions_by_plan",
        "team",
        "count(*) FROM subscriptions WHERE plan = 'team' AND started_at < {to} AND (ended_at IS NULL OR ended_at >= {to})",
    )],
    left_out: &[("users_total", "no table of users was found")],
};

async fn the_metrics_of_a_preset_match_sql(site: Site, kind: &Kind, zone: &str) {
    let today = SystemClock.now().to_zoned(TimeZone::UTC).date();
    site.on_platform(&kind.shape.sql(site.is_postgres(), today.into())).await;
    let found = site.json(&["init"]);
    assert_eq!(found["preset"], kind.preset, "the preset is recognised:\n{}", site.config());
    let named = site.json(&["init", "--force", "--preset", kind.preset]);
    assert_eq!(named["content"], found["content"]);
    site.write_config(&site.config().replace("time_zone = \"UTC\"", &format!("time_zone = \"{zone}\"")));
    for command in [&["migrate"][..], &["apply"]] {
        site.run(command).expect_code(0);
    }
    let checked = site.run(&["check"]).expect_code(0).stdout;
    assert!(!checked.contains("looks like a flag"), "{checked}");
    for (metric, reason) in kind.left_out {
        let content = site.config().replace("\n#  ", "");
        let line = content.lines().find(|line| line.starts_with(&format!("# - {metric}: ")));
        assert!(line.is_some_and(|line| line.contains(reason)), "{metric}: {line:?}\n{content}");
    }
    let (from, to) = (today - 70.days(), today - 2.days());
    let range = ["--from", &from.to_string(), "--to", &to.to_string()];
    let backfill = ["backfill", "--before-first-row"];
    site.run(&[&backfill[..], &range].concat()).expect_code(0);
    let points = all_points(&site, "day", (from, to));
    let mut oracle = Oracle::new(&site, zone).await;
    for (metric, sql) in kind.values {
        let value = |point: &Value| point["value"].as_f64();
        compare(&mut oracle, (metric, sql), from, &points[*metric], value).await;
    }
    for (metric, label, sql) in kind.labels {
        let of_label =
            |point: &Value| Some(point["metadata"]["breakdown"][label].as_f64().unwrap_or_default());
        compare(&mut oracle, (metric, sql), from, &points[*metric], of_label).await;
    }
}

/// Compares the days of a metric, from `from` on, with the SQL of its value.
async fn compare(
    oracle: &mut Oracle,
    (metric, sql): (&str, &str),
    from: Date,
    points: &[Value],
    value: impl Fn(&Value) -> Option<f64>,
) {
    let mut seen_any = false;
    // Only the last day has a cohort of four weeks before.
    let last = points.len() - 1;
    for (index, point) in
        points.iter().enumerate().filter(|(index, _)| index % 3 == 1 && *index >= 40 || *index == last)
    {
        let day = from + i64::try_from(index).unwrap().days();
        let (seen, expected) = (value(point), oracle.number(sql, day).await);
        assert!(is_close(seen, expected), "{metric} of {day} is {seen:?}, but SQL says {expected:?}");
        seen_any |= seen.is_some_and(|seen| seen != 0.0);
    }
    assert!(seen_any, "{metric} has no value but 0");
}

/// Each preset in two zones, one on each database.
macro_rules! presets {
    ($($name:ident: $kind:expr, $sqlite:literal, $postgres:literal;)+) => {
        mod sqlite { $(#[tokio::test]
            async fn $name() { super::the_metrics_of_a_preset_match_sql(crate::site::Site::empty_sqlite().await, &$kind, $sqlite).await })+ }
        mod postgres { $(#[tokio::test]
            async fn $name() { super::the_metrics_of_a_preset_match_sql(crate::site::Site::empty_postgres().await, &$kind, $postgres).await })+ }
    };
}
presets! {
    a_shop_in_cents: crate::presets::SHOP_IN_CENTS, "America/St_Johns", "Australia/Lord_Howe";
    a_shop_with_payments: crate::presets::SHOP_WITH_PAYMENTS, "UTC", "America/St_Johns";
    software_with_plans: crate::presets::SAAS_WITH_PLANS, "Australia/Lord_Howe", "UTC";
    software_with_seats: crate::presets::SAAS_WITH_SEATS, "UTC", "America/St_Johns";
}

/// Prices that are not those of a month are not added up, and rows whose end is not told are not counted as existing.
#[tokio::test]
async fn a_wrong_guess_is_left_out_with_its_reason() {
    let site = Site::empty_sqlite().await;
    let today = SystemClock.now().to_zoned(TimeZone::UTC).date();
    let shape = shape(&[
        "accounts 20: id id, email text, created_at time",
        "plans 3: id id, name text, price number, interval one of month|year",
        "subscriptions 50: id id, account_id ref accounts, plan_id ref plans, created_at time, status one of active|cancelled",
    ]);
    site.on_platform(&shape.sql(false, today.into())).await;
    let content = site.json(&["init", "--preset", "saas"])["content"].as_str().unwrap().replace("\n#  ", "");
    for (metric, reason) in [
        ("subscriptions_total", "has no column that is known to contain the time of its end"),
        ("subscriptions_ended", "`subscriptions` has no column that is known to contain the time of its end"),
        ("activation_rate", "`accounts` has no column that is known to contain the time of its activation"),
        ("seats_total", "no table of seats was found"),
    ] {
        let line = content.lines().find(|line| line.starts_with(&format!("# - {metric}: ")));
        assert!(line.is_some_and(|line| line.contains(reason)), "{metric}: {line:?}\n{content}");
    }
    // With a filter that says what has not ended, prices are still those of different intervals.
    site.write_config(
        "preset = \"saas\"\n[sources.subscriptions]\ntable = \"subscriptions\"\ntime_column = \"created_at\"\n\
         filter = { status = \"active\" }\n",
    );
    site.run(&["migrate"]).expect_code(0);
    let applied = site.run(&["apply"]).expect_code(0).stdout;
    assert!(
        applied
            .contains("`plan.price` is not taken, because `interval` says of which period or number it is"),
        "{applied}"
    );
    assert!(applied.contains("subscriptions_total"), "{applied}");
}
