//! Channels and rules of alerts: valid ones are read, and every mistake is reported with its line.

use jiff::SignedDuration;

use super::*;
use crate::config::{
    AlertCondition, AlertRule, AlertSeverity, ChannelKind, EmailTls, Environment, GivenFlags, GivenSecret,
    MetricTest, load_with_problems,
};

fn rules(text: &str) -> Vec<AlertRule> {
    let read = read(text);
    assert_eq!(read.problems, []);
    read.declarations.alerts
}

fn rule(rules: &[AlertRule], name: &str) -> AlertRule {
    rules.iter().find(|rule| rule.name == name).unwrap().clone()
}

#[test]
fn every_mistake_in_channels_and_rules_is_reported_with_its_line() {
    let problems = read(include_str!("alert_mistakes.toml")).problems;
    insta::assert_snapshot!(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
}

#[test]
fn a_threshold_that_is_no_number_is_refused_by_its_name() {
    for (value, message) in [
        ("nan", "`value` must be a finite number, not nan"),
        ("-inf", "`value` must be a finite number, not infinity"),
        ("\"10\"", "`value` must be a finite number, not a string"),
    ] {
        let text = format!("[alerts.a]\nmetric = \"m\"\ncondition = \"above\"\nvalue = {value}");
        let problems = read(&text).problems;
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].to_string().ends_with(message), "{}", problems[0]);
    }
}

#[test]
fn built_in_rules_are_there_and_can_be_changed() {
    let rules = rules(
        "[alerts.collection_failing]\nruns = 5\nseverity = \"warning\"\n[alerts.day_missing]\nenabled = false\n\
         [alerts.slow_collection]\nfor_minutes = 3\nlabels = { team = \"data\" }",
    );
    let failing = rule(&rules, "collection_failing");
    assert_eq!(failing.condition, AlertCondition::CollectionFailing { runs: 5 });
    assert_eq!(
        (failing.severity, failing.place.as_str()),
        (AlertSeverity::Warning, "daymark.toml:1: [alerts.collection_failing]")
    );
    assert!(rules.iter().all(|rule| rule.name != "day_missing"));
    let slow = rule(&rules, "slow_collection");
    assert_eq!(slow.condition, AlertCondition::SlowCollection { seconds: 60 });
    assert_eq!((slow.holds_for, slow.labels["team"].as_str()), (SignedDuration::from_mins(3), "data"));
    assert_eq!(rule(&rules, "nothing_recorded").place, "built in");
}

#[test]
fn rules_about_metrics_have_their_conditions() {
    let rules = rules(
        "[alerts.a]\nmetric = \"m\"\ncondition = \"above\"\nvalue = 1.50\nfor_days = 3\n\
         [alerts.b]\nmetric = \"m\"\ncondition = \"falls\"\npercent = 50\n\
         [alerts.c]\nmetric = \"m\"\ncondition = \"missing\"",
    );
    let metric = |name: &str| match rule(&rules, name).condition {
        AlertCondition::Metric(condition) => condition,
        other => panic!("{other:?}"),
    };
    assert_eq!(metric("a").test, MetricTest::Above("1.5".parse().unwrap()));
    assert_eq!(metric("a").days, 3);
    assert_eq!(metric("b").test, MetricTest::Falls { percent: 50.into(), window_days: 7 });
    assert_eq!(rule(&rules, "c").holds_for, SignedDuration::from_hours(1));
}

#[test]
fn secrets_come_from_the_environment_and_are_not_shown() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("daymark.toml");
    let text = "[channels.a]\nkind = \"slack\"\nurl_env = \"DAYMARK_A\"\n[channels.b]\nkind = \"email\"\nhost = \"mail.example\"\n\
                user = \"u\"\npassword_env = \"DAYMARK_B\"\nfrom = \"A <a@b.example>\"\nto = [\"c@d.example\"]";
    std::fs::write(&file, text).unwrap();
    let environment: Environment = [("DAYMARK_A".to_owned(), "https://hooks.example/secret".into())].into();
    let loaded = load_with_problems(Some(&file), &GivenFlags::new(), &environment);
    assert_eq!(loaded.problems, []);
    let channels = loaded.config.unwrap().declarations.channels;
    let ChannelKind::Slack { url } = &channels[0].kind else { panic!("{channels:?}") };
    assert_eq!(url.reveal(), Ok("https://hooks.example/secret"));
    assert!(!format!("{channels:?}").contains("hooks.example"), "{channels:?}");
    assert_eq!(channels[0].missing_secret(), None);
    let missing = channels[1].missing_secret();
    assert_eq!(missing.as_deref(), Some("the environment variable DAYMARK_B is not set"));
    let ChannelKind::Email(email) = &channels[1].kind else { panic!("{channels:?}") };
    assert_eq!((email.port, email.tls), (587, EmailTls::StartTls));
    assert!(matches!(&email.login, Some((user, GivenSecret::Variable { .. })) if user == "u"));
}
