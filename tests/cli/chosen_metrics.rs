//! Commands that name metrics or a tenant.

use crate::site::{DEFINITIONS, Site};

async fn a_plan_of_some_metrics_has_only_their_statements(site: Site) {
    let site = site.ready().await;
    let planned = |arguments: &[&str]| site.run(&[&["plan"], arguments].concat()).expect_code(0).stdout;
    let all = planned(&[]);
    assert!(all.contains("articles") && all.contains("replies") && all.contains("members"), "{all}");
    let one = planned(&["--metric", "replies_sent", "--date", "2025-01-04"]);
    assert!(one.contains("replies") && !one.contains("articles") && !one.contains("members"), "{one}");
    let two = planned(&["--metric", "replies_sent", "--metric", "members_total"]);
    assert!(two.contains("replies") && two.contains("members") && !two.contains("articles"), "{two}");
    let unknown = site.run(&["plan", "--metric", "reply_sent"]).expect_code(2);
    assert!(unknown.stderr.contains("no active metric is called `reply_sent`"), "{}", unknown.stderr);
    assert!(unknown.stderr.contains("replies_sent"), "{}", unknown.stderr);
}

async fn a_command_of_a_tenant_without_metrics_names_those_that_have_some(site: Site) {
    site.write_config(DEFINITIONS);
    site.run(&["migrate"]).expect_code(0);
    let alone = site.run(&["collect"]).expect_code(1);
    assert!(alone.stderr.contains("no metric is defined in the store"), "{}", alone.stderr);
    assert!(!alone.stderr.contains("tenant"), "no tenant has metrics: {}", alone.stderr);
    site.run(&["apply", "--tenant", "acme"]).expect_code(0);
    let others = "the setting `tenant` is `default`, and the store has metrics of `acme`";
    for command in [&["collect"][..], &["query"], &["backfill", "--dry-run"], &["check"]] {
        let outcome = site.run(command);
        let said = outcome.stdout.clone() + &outcome.stderr;
        assert!(said.contains("no metric is defined") && said.contains(others), "{command:?}: {said}");
    }
    for tenant in ["b", "c", "d", "e", "f"] {
        site.run(&["apply", "--tenant", tenant]).expect_code(0);
    }
    let many = site.run(&["collect"]).stderr;
    assert!(many.contains("metrics of `acme`, `b`, `c`, `d`, `e` and others\n"), "{many}");
}

crate::on_both!(
    a_plan_of_some_metrics_has_only_their_statements,
    a_command_of_a_tenant_without_metrics_names_those_that_have_some,
);
