//! What the shop preset looks for: customers who order products, pay, and get money back.

use super::{
    built_in_set::BuiltInSet,
    column_choice::{ChosenKey, ColumnCandidate, ColumnChoice, SourceCondition, SourceTest},
    known_source::{KnownPart, KnownSource, People},
};
use crate::config::settings::Preset;

pub const SHOP: BuiltInSet = BuiltInSet {
    preset: Preset::Shop,
    place: "the shop preset",
    text: include_str!("shop.toml"),
    sources: &SOURCES,
    moments: &[],
    parts: &[ORDER_ITEMS],
    columns: &COLUMNS,
    conditions: &[SourceCondition {
        categories: &["negative_payments"],
        source: "refunds",
        test: SourceTest::IsMissing,
    }],
    signature: &["orders"],
};

const SOURCES: [KnownSource; 4] = [
    KnownSource::of_actors(
        "customers",
        &["customers", "clients", "buyers", "shoppers", "users", "accounts", "profiles", "members"],
        &["customers", "users"],
        People::Named,
    ),
    KnownSource {
        other_first_words: &[
            "work",
            "purchase",
            "supplier",
            "sort",
            "standing",
            "production",
            "transfer",
            "repair",
            "cron",
        ],
        ..KnownSource::of_actions("orders", &["orders", "purchases", "sales"], &["orders", "purchases"])
    },
    KnownSource {
        needs_column: PAID,
        ..KnownSource::of_actions("payments", &["payments", "transactions", "charges"], &["payments"])
    },
    KnownSource {
        needs_column: PAID,
        ..KnownSource::of_actions("refunds", &["refunds", "credit_notes"], &["refunds"])
    },
];

const ORDER_ITEMS: KnownPart = KnownPart {
    of: "orders",
    source: KnownSource::of_actions(
        "order_items",
        &[
            "order_items",
            "line_items",
            "order_lines",
            "order_line_items",
            "order_details",
            "order_products",
            "purchase_items",
            "sale_items",
            "sales_items",
        ],
        &["order_items", "line_items", "order_lines"],
    ),
};

/// Columns with an amount of money, as [`AMOUNTS`] has them.
const PAID: &[&str] = &[
    "total",
    "totalamount",
    "amount",
    "grandtotal",
    "totalprice",
    "amounttotal",
    "totalcents",
    "totalamountcents",
    "totalpricecents",
    "amountcents",
    "amountincents",
    "totalincents",
];

const AMOUNTS: [ColumnCandidate; 17] = [
    ColumnCandidate::named("total"),
    ColumnCandidate::named("totalamount"),
    ColumnCandidate::named("grandtotal"),
    ColumnCandidate::named("ordertotal"),
    ColumnCandidate::named("totalprice"),
    ColumnCandidate::named("amounttotal"),
    ColumnCandidate::in_unit("totalcents", "cents"),
    ColumnCandidate::in_unit("totalamountcents", "cents"),
    ColumnCandidate::in_unit("totalpricecents", "cents"),
    ColumnCandidate::in_unit("grandtotalcents", "cents"),
    ColumnCandidate::in_unit("totalincents", "cents"),
    ColumnCandidate::named("amount"),
    ColumnCandidate::in_unit("amountcents", "cents"),
    ColumnCandidate::in_unit("amountincents", "cents"),
    ColumnCandidate::named("price"),
    ColumnCandidate::in_unit("pricecents", "cents"),
    ColumnCandidate::named("value"),
];

const fn amount(category: &'static str, key: ChosenKey, sources: &'static [&'static str]) -> ColumnChoice {
    ColumnChoice {
        category,
        key,
        of: "amount",
        sources,
        columns: &AMOUNTS,
        numeric: true,
        is_optional: false,
    }
}

const COLUMNS: [ColumnChoice; 6] = [
    amount("revenue", ChosenKey::Column, &["orders", "payments"]),
    amount("average_order", ChosenKey::Column, &["orders"]),
    amount("refunded", ChosenKey::Column, &["refunds"]),
    amount("negative_payments", ChosenKey::ColumnBelowZero, &["payments"]),
    ColumnChoice {
        category: "top_products",
        key: ChosenKey::Column,
        of: "product",
        sources: &["order_items", "orders"],
        columns: &[
            ColumnCandidate::named("productname"),
            ColumnCandidate::named("producttitle"),
            ColumnCandidate::named("product.name"),
            ColumnCandidate::named("product.title"),
            ColumnCandidate::named("variant.name"),
            ColumnCandidate::named("variant.title"),
            ColumnCandidate::named("item.name"),
            ColumnCandidate::named("sku"),
            ColumnCandidate::named("productid"),
        ],
        numeric: false,
        is_optional: false,
    },
    ColumnChoice {
        category: "top_products",
        key: ChosenKey::Sum,
        of: "number of pieces",
        sources: &["order_items", "orders"],
        columns: &[
            ColumnCandidate::named("quantity"),
            ColumnCandidate::named("qty"),
            ColumnCandidate::named("qtyordered"),
            ColumnCandidate::named("pieces"),
        ],
        numeric: true,
        is_optional: true,
    },
];
