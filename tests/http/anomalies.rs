//! `GET /api/v1/anomalies`, and the statements of a metric.

use daymark::{
    collect::{CancellationToken, collect_day},
    judgement::{Baseline, JUDGE_VERSION, Judgement, Reason, Verdict},
    metric::{Decimal, MetricKey, MetricType},
    store::JudgedDay,
};
use serde_json::json;

use crate::{on_both_stores, site::Site, world::january};

on_both_stores!(
    the_anomalies_of_the_last_days_are_listed,
    the_statements_of_a_metric_are_shown_to_those_who_define,
);

async fn the_anomalies_of_the_last_days_are_listed(site: Site) {
    let judged = |day: i8| JudgedDay {
        date: january(day),
        key: MetricKey { metric_type: MetricType::Count, category: "posts_created".to_owned() },
        judgement: Judgement {
            judge_version: JUDGE_VERSION,
            verdict: Verdict::Anomaly,
            reason: Some(Reason::Above),
            expected: Some((Decimal::from(1), Decimal::from(3))),
            score: Some(Decimal::from(5)),
            baseline: Some(Baseline { days: 2, from: january(1), to: january(2) }),
        },
    };
    for day in [3, 8, 10] {
        let (context, never) = (&site.world.context, CancellationToken::new());
        collect_day(context, Some(january(day)), &[], &never).await.unwrap();
    }
    let judged = [3, 8, 10].map(judged);
    site.world.context.tenant.store.write_judgements(&judged, None).await.unwrap();
    let days = async |query: &str| {
        let reply = site.get(&format!("/api/v1/anomalies{query}")).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let answer = reply.json();
        let listed = answer["anomalies"].as_array().unwrap().clone();
        (
            answer,
            listed
                .iter()
                .map(|anomaly| anomaly["metric_date"].as_str().unwrap().to_owned())
                .collect::<Vec<_>>(),
        )
    };
    let (answer, week) = days("").await;
    assert_eq!(week, ["2025-01-10", "2025-01-08"]);
    assert_eq!(
        (&answer["from"], &answer["to"], &answer["truncated"]),
        (&json!("2025-01-04"), &json!("2025-01-10"), &json!(false))
    );
    let first = &answer["anomalies"][0];
    // World has as many posts on each day of January as its number.
    assert_eq!(
        (&first["metric_category"], &first["value"]),
        (&json!("posts_created"), &json!(10)),
        "{first}"
    );
    assert_eq!(
        (&first["judgement"]["expected_high"], &first["judgement"]["reason"]),
        (&json!(3), &json!("above"))
    );
    assert_eq!(days("?days=1").await.1, ["2025-01-10"]);
    assert_eq!(days("?days=366").await.1.len(), 3);
    for wrong in ["0", "367", "-1", "x", "+7"] {
        let refused = site.get(&format!("/api/v1/anomalies?days={wrong}")).await;
        assert_eq!(refused.json()["errors"][0]["parameter"], "days", "{wrong}: {}", refused.text());
    }
}

async fn the_statements_of_a_metric_are_shown_to_those_who_define(site: Site) {
    let path = "/api/v1/definitions/posts_created/sql";
    let reply = site.get_as_admin(path).await;
    assert_eq!((reply.status, reply.header("cache-control")), (200, "no-store"), "{}", reply.text());
    let answer = reply.json();
    let statements = answer["statements"].as_array().unwrap();
    assert_eq!((&answer["date"], statements.len()), (&json!("2025-01-10"), 1), "{answer}");
    let sql = statements[0]["sql"].as_str().unwrap();
    assert!(sql.contains("posts") && sql.contains("2025-01-10"), "{sql}");
    assert_eq!(site.get(path).await.problem(), "forbidden");
    assert_eq!(site.get_as_admin("/api/v1/definitions/none/sql").await.problem(), "not-found");
    assert!(site.world.runs().await.is_empty());
}
