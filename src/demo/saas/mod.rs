//! Software that accounts subscribe to: they sign up, invite people, are activated, subscribe and cancel; some are deleted with all that
//! they have.

use serde_json::json;

use super::{
    RowCounts,
    random::skewed_index,
    scenario::{ChangedDefinition, Scenario, Story},
    simulated_day::SimulatedDay,
};
use crate::config::Preset;

pub const SAAS: Scenario = Scenario {
    preset: Preset::Saas,
    schema: include_str!("platform.sql"),
    tables: &[("accounts", "account"), ("seats", "seat"), ("subscriptions", "subscription")],
    departure: "DELETE FROM accounts
        WHERE id = (SELECT account_id FROM seats GROUP BY account_id ORDER BY count(*) DESC, account_id LIMIT 1)
        RETURNING name",
    story: Story {
        subject: "Software with subscriptions",
        chart: ("accounts_created", "New accounts a week, as recorded"),
        histories: ["seats_total", "subscriptions_total"],
        departed: "Then the account {name} was deleted",
        viral: "A review of the product went around",
        outage: "Incident: signing up did not work",
    },
    definition: ChangedDefinition {
        category: "large_plans",
        before: r#"{"measure": "existing", "source": "subscriptions", "filter": {"plan_id": 3}, "display_name": "Large plans",
            "description": "Subscriptions to Business", "dashboard": {"group": "Subscriptions"}}"#,
        after: r#"{"measure": "existing", "source": "subscriptions", "filter": {"plan_id": [2, 3]}, "display_name": "Large plans",
            "description": "Subscriptions to Team and Business", "dashboard": {"group": "Subscriptions"}}"#,
        reason: "Team counts as a large plan from now on",
    },
};

/// The number of accounts of the first day in addition to the usual number.
const FOUNDERS: usize = 12;

/// New rows per day, at an activity level of 1.
const ACCOUNTS: f64 = 4.0;
const SEATS: f64 = 9.0;

/// The shares of the accounts, seats and subscriptions that change on a day.
mod change_rate {
    /// Of the accounts without activation that are at most a week old.
    pub const ACTIVATED: f64 = 0.16;
    /// Of the activated accounts without a subscription.
    pub const SUBSCRIBED: f64 = 0.03;
    pub const CANCELLED: f64 = 0.002;
    pub const REVOKED: f64 = 0.001;
    /// Of the accounts without a subscription.
    pub const LEFT: f64 = 0.0015;
}

/// Simulates one day, and returns the rows that were created on it.
pub async fn live(mut day: SimulatedDay<'_>) -> Result<RowCounts, sqlx::Error> {
    let accounts = day.ids("accounts", "TRUE").await?;
    let signed_up = sign_up(&mut day).await?;
    let seats = invite(&mut day, &accounts).await?;
    activate(&mut day).await?;
    let subscriptions = subscribe(&mut day).await?;
    end(&mut day).await?;
    Ok(RowCounts::of_tables([("accounts", signed_up), ("seats", seats), ("subscriptions", subscriptions)]))
}

async fn sign_up(day: &mut SimulatedDay<'_>) -> Result<u64, sqlx::Error> {
    let taken = day.last_id("accounts").await?;
    let founding = if taken == 0 { FOUNDERS } else { 0 };
    let number = day.number(ACCOUNTS) + founding;
    let rows = (taken + 1..).take(number).map(|number| json!([format!("Company {number}"), day.moment()]));
    let rows = rows.collect();
    day.insert("INSERT INTO accounts (name, created_at) SELECT value->>0, value->>1 FROM json_each(?)", rows)
        .await
}

async fn invite(day: &mut SimulatedDay<'_>, accounts: &[i64]) -> Result<u64, sqlx::Error> {
    if accounts.is_empty() {
        return Ok(0);
    }
    let taken = day.last_id("seats").await?;
    let number = day.number(SEATS);
    let rows = (taken + 1..).take(number).map(|number| {
        let account = accounts[skewed_index(day.random, accounts.len())];
        json!([account, format!("person{number}@example.com"), day.moment()])
    });
    let rows = rows.collect();
    day.insert(
        "INSERT INTO seats (account_id, email, created_at) SELECT value->>0, value->>1, value->>2 FROM json_each(?)",
        rows,
    )
    .await
}

/// Activates some of the accounts of the last days.
async fn activate(day: &mut SimulatedDay<'_>) -> Result<(), sqlx::Error> {
    let is_new = "activated_at IS NULL AND created_at >= date(?1, '-7 days') AND created_at < ?1";
    let new = day.ids("accounts", is_new).await?;
    let mean = new.len() as f64 * change_rate::ACTIVATED;
    let rows = day.some_of(new, mean);
    let rows = rows.into_iter().map(|id| json!([id, day.moment()])).collect();
    day.insert(
        "UPDATE accounts SET activated_at = changed.value->>1 FROM json_each(?) AS changed WHERE accounts.id = changed.value->>0",
        rows,
    )
    .await?;
    Ok(())
}

async fn subscribe(day: &mut SimulatedDay<'_>) -> Result<u64, sqlx::Error> {
    let is_ready = "activated_at < ?1 AND NOT EXISTS
        (SELECT 1 FROM subscriptions WHERE account_id = accounts.id AND cancelled_at IS NULL)";
    let ready = day.ids("accounts", is_ready).await?;
    let mean = ready.len() as f64 * change_rate::SUBSCRIBED * day.activity_level;
    let rows = day.some_of(ready, mean).into_iter();
    let rows = rows.map(|id| json!([id, 1 + skewed_index(day.random, 3), day.moment()])).collect();
    day.insert(
        "INSERT INTO subscriptions (account_id, plan_id, created_at) SELECT value->>0, value->>1, value->>2 FROM json_each(?)",
        rows,
    )
    .await
}

/// Cancels subscriptions, takes back seats, and deletes accounts that have no subscription.
async fn end(day: &mut SimulatedDay<'_>) -> Result<(), sqlx::Error> {
    for (table, is_open, rate, change) in [
        (
            "subscriptions",
            "cancelled_at IS NULL AND created_at < ?1",
            change_rate::CANCELLED,
            "UPDATE subscriptions SET cancelled_at = changed.value->>1 FROM json_each(?) AS changed WHERE subscriptions.id = changed.value->>0",
        ),
        (
            "seats",
            "revoked_at IS NULL AND created_at < ?1",
            change_rate::REVOKED,
            "UPDATE seats SET revoked_at = changed.value->>1 FROM json_each(?) AS changed WHERE seats.id = changed.value->>0",
        ),
    ] {
        let open = day.ids(table, is_open).await?;
        let mean = open.len() as f64 * rate;
        let rows = day.some_of(open, mean);
        let rows = rows.into_iter().map(|id| json!([id, day.moment()])).collect();
        day.insert(change, rows).await?;
    }
    let is_idle =
        "created_at < ?1 AND NOT EXISTS (SELECT 1 FROM subscriptions WHERE account_id = accounts.id)";
    let idle = day.ids("accounts", is_idle).await?;
    let mean = idle.len() as f64 * change_rate::LEFT;
    let leaving = day.some_of(idle, mean);
    day.delete_ids("accounts", &leaving).await
}
