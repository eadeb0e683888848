//! Platforms of which the presets `shop` and `saas` record metrics, as the tables of a `Shape`.

/// Amounts are in cents; items have the time of their order, refunds have a table.
pub const SHOP_IN_CENTS: &[&str] = &[
    "customers 60: id id, email text, created_at time",
    "staff_users 5: id id, email text, created_at time",
    "products 12: id id, name text",
    "orders 300: id id, customer_id ref customers, placed_at time, total_cents number, status one of paid|shipped|open",
    "work_orders 30: id id, created_at time",
    "order_items 500: id id, order_id ref orders, product_id ref products, quantity number",
    "refunds 40: id id, order_id ref orders, amount_cents number, created_at time",
];

/// Purchases without an amount, which payments have; refunds are payments below zero.
pub const SHOP_WITH_PAYMENTS: &[&str] = &[
    "users 50: id id, email text, created_at time, deleted_at time 10%",
    "purchases 200: id id, user_id ref users, purchased_at time, deleted_at time 10%, product_name one of tea|cups|pot",
    "payments 250: id id, user_id ref users, created_at time, amount signed",
];

/// Organizations whose subscriptions have a plan with the price of a month.
pub const SAAS_WITH_PLANS: &[&str] = &[
    "plans 4: id id, name text, price number",
    "organizations 40: id id, name text, created_at time, activated_at time 60%, deleted_at time 5%",
    "users 80: id id, email text, organization_id ref organizations, created_at time",
    "memberships 120: id id, organization_id ref organizations, user_id ref users, created_at time, left_at time 20%",
    "subscriptions 90: id id, organization_id ref organizations, plan_id ref plans, status one of active|cancelled, created_at \
     time, cancelled_at time 30%",
    "newsletter_subscriptions 30: id id, user_id ref users, created_at time",
];

/// Accounts with seats; a subscription that is cancelled runs until it ends.
pub const SAAS_WITH_SEATS: &[&str] = &[
    "accounts 40: id id, name text, email text, created_at time, onboarded_at time 50%",
    "seats 100: id id, account_id ref accounts, created_at time, revoked_at time 20%",
    "subscriptions 90: id id, account_id ref accounts, plan one of free|team|pro, mrr number, started_at time, canceled_at time \
     40%, ended_at time 30%",
];
