//! A shop: customers sign up, order, and get money back; some orders are deleted on their day, and some customers with all they have.

use serde_json::{Value, json};

use super::{
    RowCounts,
    random::skewed_index,
    scenario::{ChangedDefinition, Scenario, Story},
    simulated_day::SimulatedDay,
};
use crate::config::Preset;

pub const SHOP: Scenario = Scenario {
    preset: Preset::Shop,
    schema: include_str!("platform.sql"),
    tables: &[("customers", "customer"), ("orders", "order"), ("refunds", "refund")],
    departure: "DELETE FROM customers
        WHERE id = (SELECT customer_id FROM orders GROUP BY customer_id ORDER BY count(*) DESC, customer_id LIMIT 1)
        RETURNING email",
    story: Story {
        subject: "A shop",
        chart: ("orders_created", "Orders a week, as recorded"),
        histories: ["orders_total", "orders_created"],
        departed: "Then {name} asked to be forgotten, and the customer was deleted",
        viral: "A newspaper wrote about the shop",
        outage: "Incident: the payment provider was down",
    },
    definition: ChangedDefinition {
        category: "large_orders",
        before: r#"{"measure": "created", "source": "orders", "filter": {"total_cents": {"at_least": 5000}},
            "display_name": "Large orders", "description": "Orders of 50 and more", "dashboard": {"group": "Orders"}}"#,
        after: r#"{"measure": "created", "source": "orders", "filter": {"total_cents": {"at_least": 8000}},
            "display_name": "Large orders", "description": "Orders of 80 and more", "dashboard": {"group": "Orders"}}"#,
        reason: "An order counts as large from 80 on",
    },
};

/// The number of customers of the first day in addition to the usual number.
const FOUNDERS: usize = 25;

/// New rows per day, at an activity level of 1.
const CUSTOMERS: f64 = 5.0;
const ORDERS: f64 = 34.0;

/// Orders of the day that are deleted because their payment fails, and orders of the last 14 days of which money is given back, as
/// shares of the day's orders; customers who leave, as a share of the day's new ones.
const FAILED: f64 = 0.03;
const REFUNDED: f64 = 0.05;
const LEAVING: f64 = 0.05;

/// Simulates one day, and returns the rows that were created on it.
pub async fn live(mut day: SimulatedDay<'_>) -> Result<RowCounts, sqlx::Error> {
    let customers = day.ids("customers", "TRUE").await?;
    let signed_up = sign_up(&mut day).await?;
    if customers.is_empty() {
        return Ok(RowCounts::of_tables([("customers", signed_up)]));
    }
    let orders = order(&mut day, &customers).await?;
    day.delete_same_day("orders", orders as f64 * FAILED).await?;
    let refunds = refund(&mut day, orders as f64 * REFUNDED).await?;
    let leaving = day.some_of(customers, signed_up as f64 * LEAVING);
    day.delete_ids("customers", &leaving).await?;
    Ok(RowCounts::of_tables([("customers", signed_up), ("orders", orders), ("refunds", refunds)]))
}

async fn sign_up(day: &mut SimulatedDay<'_>) -> Result<u64, sqlx::Error> {
    let taken = day.last_id("customers").await?;
    let founding = if taken == 0 { FOUNDERS } else { 0 };
    let number = day.number(CUSTOMERS) + founding;
    let rows = (taken + 1..).take(number);
    let rows = rows.map(|number| json!([format!("customer{number}@example.com"), day.moment()])).collect();
    day.insert(
        "INSERT INTO customers (email, created_at) SELECT value->>0, value->>1 FROM json_each(?)",
        rows,
    )
    .await
}

async fn order(day: &mut SimulatedDay<'_>, customers: &[i64]) -> Result<u64, sqlx::Error> {
    let products = day.ids("products", "TRUE").await?;
    let first = day.last_id("orders").await? + 1;
    let number = day.number(ORDERS);
    let (mut orders, mut items) = (Vec::new(), Vec::new());
    for id in (first..).take(number) {
        let customer = customers[skewed_index(day.random, customers.len())];
        orders.push(json!([id, customer, day.moment()]));
        for _ in 0..=day.random.usize(..3) {
            let product = products[skewed_index(day.random, products.len())];
            items.push(json!([id, product, 1 + skewed_index(day.random, 4)]));
        }
    }
    let created = day
        .insert(
            "INSERT INTO orders (id, customer_id, created_at) SELECT value->>0, value->>1, value->>2 FROM json_each(?)",
            orders,
        )
        .await?;
    day.insert(
        "INSERT INTO order_items (order_id, product_id, quantity) SELECT value->>0, value->>1, value->>2 FROM json_each(?)",
        items,
    )
    .await?;
    let total = "UPDATE orders SET total_cents = (SELECT coalesce(sum(quantity * price_cents), 0) FROM order_items
        JOIN products ON products.id = product_id WHERE order_id = orders.id) WHERE id >= (SELECT value FROM json_each(?))";
    day.insert(total, vec![Value::from(first)]).await?;
    Ok(created)
}

/// Gives back about `mean` orders of the last days, half of them in part.
async fn refund(day: &mut SimulatedDay<'_>, mean: f64) -> Result<u64, sqlx::Error> {
    let is_recent = "created_at >= date(?1, '-14 days') AND created_at < ?1
        AND NOT EXISTS (SELECT 1 FROM refunds WHERE order_id = orders.id)";
    let recent = day.ids("orders", is_recent).await?;
    let rows = day.some_of(recent, mean);
    let rows = rows.into_iter().map(|order| json!([order, day.random.i64(1..=2), day.moment()])).collect();
    day.insert(
        "INSERT INTO refunds (order_id, amount_cents, created_at)
         SELECT value->>0, total_cents / (value->>1), value->>2 FROM json_each(?) JOIN orders ON orders.id = value->>0",
        rows,
    )
    .await
}
