//! Tests of the rendered messages and of refused templates.

use super::*;
use crate::message::{check_templates, samples::alert};

fn content(alerts: Vec<AlertNotice>) -> NotificationContent {
    NotificationContent { tenant: "default".to_owned(), alerts }
}

fn rendered(medium: Medium, templates: &Templates, alerts: Vec<AlertNotice>) -> Message {
    let kind = match alerts.first() {
        None => MessageKind::Test,
        Some(alert) if alert.ended_at.is_some() => MessageKind::Resolved,
        Some(_) => MessageKind::Firing,
    };
    Renderer::new(medium, templates).unwrap().render(kind, &content(alerts)).unwrap()
}

fn by_default(alerts: Vec<AlertNotice>) -> Message {
    rendered(Medium::Mail, &Templates::default(), alerts)
}

#[test]
fn the_defaults_name_rule_severity_and_time() {
    let message = by_default(vec![alert()]);
    assert_eq!(message.subject, "Daymark (default): critical: collection_failing");
    assert_eq!(
        message.text,
        "critical collection_failing [team=data]: 3 runs failed in a row: <no & answer> (since 2025-02-01 00:20 UTC)"
    );
    let ended = AlertNotice { ended_at: Some("2025-02-01T06:00:00Z".parse().unwrap()), ..alert() };
    let message = by_default(vec![ended.clone()]);
    assert_eq!(message.subject, "Daymark (default): resolved: collection_failing");
    assert!(message.text.starts_with("resolved collection_failing [team=data]: 3 runs"), "{}", message.text);
    assert!(
        message.text.ends_with("(from 2025-02-01 00:20 UTC to 2025-02-01 06:00 UTC)"),
        "{}",
        message.text
    );
    let two = [("b".to_owned(), "2".to_owned()), ("a".to_owned(), "1".to_owned())].into();
    let message = by_default(vec![ended, AlertNotice { labels: two, ..alert() }]);
    assert_eq!(message.subject, "Daymark (default): 2 alerts are resolved");
    assert_eq!(message.text.lines().count(), 2);
    assert!(message.text.contains("collection_failing [a=1, b=2]: 3 runs"), "{}", message.text);
    let silenced = AlertNotice { ended_silence: Some("moving".to_owned()), labels: [].into(), ..alert() };
    let message = by_default(vec![silenced]);
    assert!(message.text.starts_with("critical collection_failing: 3 runs"), "{}", message.text);
    assert!(message.text.ends_with("UTC; told now because a silence has ended: moving)"), "{}", message.text);
    let message = by_default(Vec::new());
    assert_eq!(message.subject, "Daymark (default): a test");
    assert_eq!(message.text, "This message tries the channel; nothing is wrong.");
}

#[test]
fn a_chat_has_its_values_escaped_and_its_markup_not() {
    let message = rendered(Medium::Chat, &Templates::default(), vec![alert()]);
    assert!(message.text.starts_with("*Daymark (default): critical: collection_failing*\ncritical "));
    assert!(message.text.contains("&lt;no &amp; answer&gt;"), "{}", message.text);
    let text = Some("<https://x.example|{{ alerts[0].summary }}>".to_owned());
    let message = rendered(Medium::Chat, &Templates { subject: None, text }, vec![alert()]);
    assert_eq!(message.text, "<https://x.example|3 runs failed in a row: &lt;no &amp; answer&gt;>");
}

#[test]
fn long_texts_are_cut_with_a_note() {
    let long = AlertNotice { summary: "&".repeat(4096), ..alert() };
    for offset in 0..6 {
        let long = AlertNotice { rule: "r".repeat(1 + offset), ..long.clone() };
        let text = rendered(Medium::Chat, &Templates::default(), vec![long]).text;
        let cut = text.strip_suffix(CUT).unwrap();
        assert!(text.chars().count() <= 2000 && text.chars().count() > 1990, "{}", text.chars().count());
        assert!(cut.ends_with("&amp;"), "{cut}");
    }
    let subject = Some("{{ alerts[0].summary }}\r\nBcc: all@app.example".to_owned());
    let templates = Templates { subject, text: None };
    let long = AlertNotice { summary: "x\ny ".repeat(1000), ..alert() };
    let subject = rendered(Medium::Mail, &templates, vec![long]).subject;
    assert_eq!(subject.chars().count(), 200);
    assert!(!subject.contains(['\r', '\n']), "{subject}");
}

fn problems(text: &str) -> Vec<String> {
    let templates = Templates { subject: None, text: Some(text.to_owned()) };
    check_templates(Medium::Mail, &templates).iter().map(ToString::to_string).collect()
}

#[test]
fn mistakes_in_a_template_are_found_before_it_is_needed() {
    for medium in [Medium::Mail, Medium::Chat, Medium::Webhook] {
        assert_eq!(check_templates(medium, &Templates::default()), []);
    }
    assert_eq!(
        problems("{{ summary }}"),
        ["there is no variable `summary`; there are kind, tenant, alerts, subject"]
    );
    let found = problems("one\n{{ alerts[7].rule }}");
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("line 2 of the template: undefined value"), "{found:?}");
    for (text, part) in [
        ("{% if %}", "syntax error"),
        ("{{ kind", "syntax error"),
        ("{{ kind | shout }}", "shout"),
        ("{{ alerts[0].rool }}", "undefined value"),
        ("{% include 'etc/passwd' %}", "include"),
        ("{{ debug() }}", "debug"),
        ("{% for n in range(100000) %}{% for m in range(100000) %}x{% endfor %}{% endfor %}", "fuel"),
        ("{{ 'x' * 90000000 }}", "fuel"),
        ("{{ 'x' | indent(90000000) }}", "fuel"),
        (
            "{% for alert in alerts %}{{ alert.rule }}{% endfor %}",
            "empty text of a notification of the kind test",
        ),
    ] {
        let found = problems(text);
        assert!(found.len() == 1 && found[0].contains(part), "{text}: {found:?}");
    }
    let long = problems(&"x".repeat(MAX_TEMPLATE_CHARS + 1));
    assert_eq!(long, ["it is longer than 20000 characters"]);
    for (subject, text) in
        [("{{", "{%"), ("{{ subject }}", "{{ kind | shout }}"), ("{{ x }}", "{{"), ("{%", "{{ x }}")]
    {
        let both = Templates { subject: Some(subject.to_owned()), text: Some(text.to_owned()) };
        let keys: Vec<_> = check_templates(Medium::Mail, &both).iter().map(|problem| problem.key).collect();
        assert_eq!(keys, ["subject", "text"], "all problems are found at once");
    }
}
