//! A real Alertmanager takes alerts and their resolutions.

use std::{
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use daymark::store::{NewNotification, NotificationKind};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    deliveries::{config, deliverer, firing, shown},
    on,
    packages::{directory, run},
    world::World,
};

on! { [sqlite]
    an_alertmanager_shows_firing_and_resolved_alerts,
}

const DEADLINE: Duration = Duration::from_secs(60);

/// Ends with the test.
struct Alertmanager {
    child: Child,
    url: String,
    _directory: tempfile::TempDir,
}

impl Alertmanager {
    fn start() -> Self {
        let program = run(&mut Command::new(directory("scripts/alertmanager-program")));
        let data = tempfile::tempdir().unwrap();
        let file = data.path().join("alertmanager.yml");
        std::fs::write(&file, "route: {receiver: none}\nreceivers: [{name: none}]\n").unwrap();
        // The port is free when it is looked up, and Alertmanager takes it a moment later.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new(program.trim())
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.path={}", data.path().display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--cluster.listen-address=")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let started = Self { child, url: format!("http://127.0.0.1:{port}"), _directory: data };
        let begun = Instant::now();
        while ureq::get(format!("{}/-/ready", started.url)).call().is_err() {
            assert!(begun.elapsed() < DEADLINE, "Alertmanager does not start");
        }
        started
    }

    fn alerts(&self) -> Vec<Value> {
        let url = format!("{}/api/v2/alerts", self.url);
        let text = ureq::get(url).call().unwrap().body_mut().read_to_string().unwrap();
        serde_json::from_str(&text).unwrap()
    }
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn an_alertmanager_shows_firing_and_resolved_alerts(world: World) {
    let alertmanager = Alertmanager::start();
    let config = config(&format!("[channels.am]\nkind = 'alertmanager'\nurl = '{}/'", alertmanager.url), &[]);
    // Alertmanager has the real time.
    let mut content = firing();
    content.alerts[0].valid_until = Some("2200-01-01T00:00:00Z".parse().unwrap());
    let send = async |kind, content: daymark::message::NotificationContent| {
        let new = NewNotification {
            id: Uuid::new_v4(),
            channel: "am".to_owned(),
            kind,
            content: content.into_object(),
            created_at: world.context.now(),
        };
        world.context.tenant.store.commit_alerts(&[], &[new]).await.unwrap();
        deliverer(&world, &config).deliver_due().await.unwrap();
    };
    send(NotificationKind::Firing, content.clone()).await;
    let alerts = alertmanager.alerts();
    assert_eq!(alerts.len(), 1, "{:?}", shown(&world).await);
    let labels = serde_json::json!({"alertname": "collection_failing", "severity": "critical", "team": "data", "tenant": "default"});
    assert_eq!(alerts[0]["labels"], labels);
    assert_eq!(alerts[0]["annotations"]["summary"], "3 runs failed in a row: no <answer>");

    content.alerts[0].ended_at = Some("2025-01-11T06:00:00Z".parse().unwrap());
    send(NotificationKind::Resolved, content).await;
    assert_eq!(alertmanager.alerts(), Vec::<Value>::new());
    assert!(shown(&world).await.iter().all(|delivery| delivery.status == "delivered"));
}
