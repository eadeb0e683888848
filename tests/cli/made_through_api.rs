//! How the commands treat metrics that were created through the API in addition to those of the file.

use daymark::{
    metric::Definition,
    store::{DefinitionChange, Origin},
};
use serde_json::json;

use crate::site::{DEFINITIONS, Site};

/// The metric that [`make_through_api`] makes, as the file would declare it.
const DECLARED: &str = "
[metrics.further]
measure = \"created\"
source = \"articles\"
";

async fn make_through_api(site: &Site) {
    let store = site.store();
    let stored = store.definitions().await.unwrap();
    let published = stored.iter().find(|stored| stored.definition.category == "articles_published").unwrap();
    let further = Definition {
        category: "further".to_owned(),
        display_name: "Further".to_owned(),
        ..published.definition.clone()
    };
    let now = "2025-01-15T00:00:00Z".parse().unwrap();
    store.change_definitions(&[DefinitionChange::Add(further)], Origin::Api, now).await.unwrap();
}

fn stdout(site: &Site, arguments: &[&str]) -> String {
    site.run(arguments).expect_code(0).stdout
}

async fn apply_reports_the_metrics_of_the_api_that_it_leaves_unchanged(site: Site) {
    let site = site.ready().await;
    make_through_api(&site).await;
    let left = "Nothing to change; 6 metrics unchanged; made through the API: 1, left as they are.\n";
    for arguments in [&["apply", "--dry-run"][..], &["apply"]] {
        assert_eq!(stdout(&site, arguments), left);
    }
    assert_eq!(site.json(&["apply"])["made_through_api"], 1);
    assert_eq!(site.json(&["check"])["metrics"], 7);
    let ready = match site.is_postgres() {
        // The role of the tests is a superuser.
        true => "Ready for the next collection, with 1 warning.\n",
        false => "All is well: 7 metrics ready for the next collection.\n",
    };
    assert!(stdout(&site, &["check"]).ends_with(ready));
    assert_eq!(site.json(&["status"])["active_metrics"], 7);
    assert_eq!(site.json(&["collect"])["metrics_collected"], 7);

    // A change of the time zone revises the metrics of the API as well.
    let berlin = ["apply", "--time-zone", "Europe/Berlin"];
    let moved = stdout(&site, &berlin);
    assert!(moved.contains("~ revise      further  (made through the API)\n"), "{moved}");
    assert!(moved.ends_with("7 changes applied; 0 metrics unchanged.\n"), "{moved}");
    assert!(stdout(&site, &berlin).ends_with("made through the API: 1, left as they are.\n"));
}

async fn apply_adopts_metrics_of_the_api_that_the_file_declares(site: Site) {
    let site = site.ready().await;
    make_through_api(&site).await;
    site.write_config(&(DEFINITIONS.to_owned() + DECLARED));
    let adopted =
        "= adopt       further  (made through the API until now)\n1 change applied; 6 metrics unchanged.\n";
    let change =
        json!({"change": "adopt", "metric_category": "further", "made_through_api": true, "fields": []});
    assert_eq!(site.json(&["apply", "--dry-run"])["changes"], json!([change]));
    assert_eq!(stdout(&site, &["apply"]), adopted);
    assert_eq!(stdout(&site, &["apply"]), "Nothing to change; 7 metrics unchanged.\n");
    // The metric belongs to the file now, so removing it from the file deactivates it.
    site.write_config(DEFINITIONS);
    assert!(stdout(&site, &["apply"]).starts_with("- deactivate  further\n"));

    make_through_api(&site).await;
    site.write_config(&(DEFINITIONS.to_owned() + DECLARED + "unit = \"pages\"\n"));
    let revised = stdout(&site, &["apply"]);
    assert!(
        revised.starts_with("~ revise      further  (made through the API until now)\n      unit: "),
        "{revised}"
    );
}

async fn plan_includes_metrics_made_through_the_api(site: Site) {
    site.write_config(
        "preset = \"none\"\n[sources.articles]\ntable = \"articles\"\ntime_column = \"published_on\"\n",
    );
    let without_store = site.run(&["plan"]).expect_code(0);
    assert_eq!(without_store.stderr, "", "there is no store yet");
    let site = site.ready().await;
    let before = stdout(&site, &["plan"]);
    make_through_api(&site).await;
    assert_eq!(stdout(&site, &["plan"]), before, "the same statement serves it");
    // Only the metric that was made through the API is left.
    site.write_config(
        "preset = \"none\"\n[sources.articles]\ntable = \"articles\"\ntime_column = \"published_on\"\n",
    );
    site.run(&["apply"]).expect_code(0);
    assert!(stdout(&site, &["plan"]).contains("articles"));
    assert_eq!(site.json(&["check"])["metrics"], 1);
}

crate::on_both!(
    apply_reports_the_metrics_of_the_api_that_it_leaves_unchanged,
    apply_adopts_metrics_of_the_api_that_the_file_declares,
    plan_includes_metrics_made_through_the_api
);
