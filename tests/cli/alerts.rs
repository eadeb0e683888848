//! `daymark alerts`, and what `daymark check` says of receivers and rules.

use crate::{
    sink::{Answer, Sink},
    site::{DEFINITIONS, Site},
};

async fn silences_are_made_listed_and_ended(site: Site) {
    let site = site.ready().await;
    let silence = ["alerts", "silence", "day_missing", "--reason", "moving the database", "--for", "4h"];
    let made = site.run(&silence).expect_code(0).stdout;
    assert!(made.starts_with("Silenced: day_missing, until 20"), "{made}");
    assert!(made.contains(": moving the database (by cli:"), "{made}");
    let listed = site.run(&["alerts"]).expect_code(0).stdout;
    assert!(listed.contains(made.trim()), "{listed}");
    let id = site.json(&["alerts"])["silences"][0]["id"].as_str().unwrap().to_owned();
    let ended = site.run(&["alerts", "unsilence", &id]).expect_code(0).stdout;
    assert_eq!(ended, "The silence has ended.\n");
    let again = site.run(&["alerts", "unsilence", &id]).expect_code(1).stdout;
    assert_eq!(again, "No silence with this id holds; `daymark alerts` lists those that do.\n");
    let listed = site.run(&["alerts"]).expect_code(0).stdout;
    assert!(!listed.contains("Silenced"), "{listed}");

    let wrong = site.run(&["alerts", "unsilence", "77"]).expect_code(2).stderr;
    assert!(wrong.contains("give the id of a silence, as `daymark alerts` shows it"), "{wrong}");
    let wrong = ["alerts", "silence", "day_mising", "--reason", "moving", "--for", "4h"];
    let wrong = site.run(&wrong).expect_code(2).stderr;
    assert!(wrong.contains("did you mean `day_missing`?"), "{wrong}");
    let wrong = site.run(&["alerts", "silence", "--reason", " ", "--for", "4h"]).expect_code(2).stderr;
    assert!(wrong.contains("say why it is silenced"), "{wrong}");
    let wrong = site.run(&["schedule", "pause", "--reason", ""]).expect_code(2).stderr;
    assert!(wrong.contains("give the reason of the pause"), "{wrong}");
}

crate::on_both!(silences_are_made_listed_and_ended);

#[tokio::test(flavor = "multi_thread")]
async fn a_test_message_is_sent_and_its_answer_is_shown() {
    let site = Site::sqlite().await.ready().await;
    let sink = Sink::start().await;
    site.write_config(&format!(
        "delivery.allow_private = true\n{DEFINITIONS}\n[channels.ops]\nkind = \"webhook\"\nurl = \"{}\"\n",
        sink.url
    ));
    let sent = site.run(&["alerts", "test", "ops"]).expect_code(0).stdout;
    assert!(sent.starts_with("Delivered to ops (webhook): HTTP 200"), "{sent}");
    assert_eq!(sink.received().len(), 1);
    assert_eq!(sink.received()[0].json()["type"], "alert.test");
    sink.answer_with(Answer::Status(500));
    let failed = site.run(&["alerts", "test", "ops"]).expect_code(1).stdout;
    assert!(failed.starts_with("Not delivered to ops (webhook): HTTP 500"), "{failed}");
    let unknown = site.run(&["alerts", "test", "op"]).expect_code(2).stdout;
    assert!(unknown.contains("There is no channel `op`; did you mean `ops`?"), "{unknown}");
    let listed = site.run(&["alerts", "deliveries"]).expect_code(0).stdout;
    assert!(listed.contains("delivered") && listed.contains("500"), "{listed}");
}

/// Receivers inside, which are refused, a rule about a metric that does not exist, and one that can never fire.
#[tokio::test]
async fn check_names_receivers_and_rules_that_cannot_work() {
    let site = Site::sqlite().await.ready().await;
    site.write_config(&format!(
        "{DEFINITIONS}
         [delivery]
         heartbeat_url = \"http://127.0.0.1:9/ping\"
         [channels.ops]
         kind = \"webhook\"
         url = \"http://10.1.2.3/hook\"
         [channels.mail]
         kind = \"email\"
         host = \"localhost\"
         port = 25
         tls = \"none\"
         from = \"daymark@app.example\"
         to = [\"ops@app.example\"]
         [alerts.few]
         metric = \"articles_publishd\"
         condition = \"below\"
         value = 1
         [alerts.fell]
         metric = \"members_total\"
         condition = \"falls\"
         percent = 150
         [alerts.negative]
         metric = \"members_total\"
         condition = \"below\"
         value = 0
         "
    ));
    let refused = "nothing can be delivered: its address is loopback, link-local or private";
    let checked = site.run(&["check"]).expect_code(1).stdout;
    for (place, message) in [
        ("[channels.ops]", refused),
        ("[channels.mail]", refused),
        ("delivery.heartbeat_url", "the heartbeat is refused"),
        ("[alerts.few]", "there is no active metric `articles_publishd`"),
        ("[alerts.fell]", "`members_total` is never below 0, so it cannot fall by 150 %"),
        ("[alerts.negative]", "`members_total` is never below 0, so it cannot be below 0"),
    ] {
        let is_named = |line: &str| line.contains(place) && line.contains(message);
        assert!(checked.lines().any(is_named), "{place}: {message}\n{checked}");
    }
    assert!(checked.contains("did you mean `articles_published`?"), "{checked}");
}
