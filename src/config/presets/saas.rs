//! What the saas preset looks for: accounts with seats, which subscribe, cancel, and are activated.

use super::{
    built_in_set::BuiltInSet,
    column_choice::{ChosenKey, ColumnCandidate, ColumnChoice, SourceCondition, SourceTest},
    known_source::{KnownMoment, KnownSource, People},
};
use crate::config::{
    recognise::{ACTIVATED, RowMeaning},
    settings::Preset,
};

pub const SAAS: BuiltInSet = BuiltInSet {
    preset: Preset::Saas,
    place: "the saas preset",
    text: include_str!("saas.toml"),
    sources: &SOURCES,
    moments: &[
        KnownMoment { name: "ended_subscriptions", of: "subscriptions", columns: &[], what: "end" },
        KnownMoment { name: "activated_accounts", of: "accounts", columns: ACTIVATED, what: "activation" },
    ],
    parts: &[],
    columns: &COLUMNS,
    conditions: &[SourceCondition {
        categories: &["subscriptions_total", "recurring_revenue", "subscriptions_by_plan"],
        source: "subscriptions",
        test: SourceTest::TellsEnds,
    }],
    signature: &["subscriptions"],
};

const SOURCES: [KnownSource; 4] = [
    KnownSource::of_actors(
        "accounts",
        &[
            "accounts",
            "organizations",
            "organisations",
            "orgs",
            "workspaces",
            "teams",
            "companies",
            "tenants",
            "customers",
        ],
        &["organizations", "organisations", "workspaces"],
        People::No,
    ),
    KnownSource::of_actors(
        "users",
        &["users", "profiles", "members", "people", "persons"],
        &["users", "profiles"],
        People::MostReferenced,
    ),
    KnownSource {
        rows: RowMeaning::Term,
        ..KnownSource::of_actions(
            "seats",
            &[
                "seats",
                "memberships",
                "members",
                "account_users",
                "account_members",
                "organization_users",
                "organization_members",
                "organisation_members",
                "team_members",
                "workspace_members",
                "workspace_users",
            ],
            &["seats", "memberships"],
        )
    },
    KnownSource {
        rows: RowMeaning::Term,
        other_first_words: &[
            "newsletter",
            "push",
            "notification",
            "email",
            "mail",
            "topic",
            "webhook",
            "event",
            "web",
        ],
        // Without one of these columns it may be a table of topics to which people subscribe.
        needs_column: &[
            "plan",
            "planid",
            "planname",
            "plancode",
            "tier",
            "mrr",
            "mrrcents",
            "price",
            "priceid",
            "pricecents",
            "amount",
            "amountcents",
            "monthlyprice",
            "monthlyamount",
            "productid",
            "trialendsat",
            "trialend",
            "currentperiodend",
        ],
        ..KnownSource::of_actions("subscriptions", &["subscriptions"], &["subscriptions"])
    },
];

/// Columns beside a price that say what it is the price of: it is then not the price of a month.
const NOT_A_MONTH: &[&str] = &[
    "interval",
    "billinginterval",
    "billingperiod",
    "billingcycle",
    "intervalcount",
    "intervalmonths",
    "period",
    "frequency",
    "cycle",
    "term",
    "termmonths",
    "quantity",
    "seats",
    "seatcount",
];

const fn price(name: &'static str) -> ColumnCandidate {
    ColumnCandidate { name, unit: None, unless: NOT_A_MONTH }
}

const fn price_in_cents(name: &'static str) -> ColumnCandidate {
    ColumnCandidate { name, unit: Some("cents"), unless: NOT_A_MONTH }
}

const COLUMNS: [ColumnChoice; 2] = [
    ColumnChoice {
        category: "recurring_revenue",
        key: ChosenKey::Column,
        of: "price of a month",
        sources: &["subscriptions"],
        columns: &[
            ColumnCandidate::named("mrr"),
            ColumnCandidate::in_unit("mrrcents", "cents"),
            ColumnCandidate::in_unit("mrrincents", "cents"),
            ColumnCandidate::named("monthlyamount"),
            ColumnCandidate::named("monthlyprice"),
            ColumnCandidate::in_unit("monthlypricecents", "cents"),
            ColumnCandidate::in_unit("monthlyamountcents", "cents"),
            price("price"),
            price_in_cents("pricecents"),
            price("amount"),
            price_in_cents("amountcents"),
            ColumnCandidate { name: "plan.monthly_price", unit: None, unless: &["quantity", "seats"] },
            ColumnCandidate {
                name: "plan.monthly_price_cents",
                unit: Some("cents"),
                unless: &["quantity", "seats"],
            },
            price("plan.price"),
            price_in_cents("plan.price_cents"),
            price("plan.amount"),
            price_in_cents("plan.amount_cents"),
        ],
        numeric: true,
        is_optional: false,
    },
    ColumnChoice {
        category: "subscriptions_by_plan",
        key: ChosenKey::Column,
        of: "plan",
        sources: &["subscriptions"],
        columns: &[
            ColumnCandidate::named("planname"),
            ColumnCandidate::named("plan.name"),
            ColumnCandidate::named("plan.title"),
            ColumnCandidate::named("plan.code"),
            ColumnCandidate::named("plan"),
            ColumnCandidate::named("plancode"),
            ColumnCandidate::named("tier"),
            ColumnCandidate::named("planid"),
        ],
        numeric: false,
        is_optional: false,
    },
];
