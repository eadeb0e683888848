//! E-mail, with a real mail server.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use daymark::store::NotificationKind;
use serde_json::Value;

use crate::{
    deliveries::{config, deliverer, notify, shown},
    on,
    packages::{directory, python_packages},
    world::World,
};

on! { [sqlite]
    mails_of_a_batch_share_a_connection,
    a_mail_server_that_answers_byte_by_byte_is_timed_out,
}

/// Ends with the test.
struct MailServer {
    child: Child,
    port: u16,
    lines: Arc<Mutex<Vec<Value>>>,
}

impl MailServer {
    fn start() -> Self {
        let python = python_packages("tests/alerts").join("python");
        let mut child = Command::new(python)
            .arg(directory("tests/alerts/smtp_server.py"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let port = lines.next().unwrap().parse().unwrap();
        let read = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&read);
        std::thread::spawn(move || {
            lines.for_each(|line| shared.lock().unwrap().push(serde_json::from_str(&line).unwrap()));
        });
        Self { child, port, lines: read }
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Each byte comes in time, the line that they would make never.
async fn a_mail_server_that_answers_byte_by_byte_is_timed_out(world: World) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        while stream.write_all(b"2").is_ok() {
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    let text = format!(
        "[channels.mail]\nkind = 'email'\nhost = '127.0.0.1'\nport = {port}\ntls = 'none'
         from = 'daymark@app.example'\nto = ['ops@app.example']"
    );
    notify(&world, "mail", NotificationKind::Firing).await;
    let delivering = tokio::time::timeout(Duration::from_secs(30), async {
        deliverer(&world, &config(&text, &[])).deliver_due().await.unwrap();
    });
    delivering.await.expect("the time limit of a message holds for the whole of it");
    let attempt = shown(&world).await.remove(0).attempts.remove(0);
    assert_eq!(attempt.answer, "timeout: the message was not accepted within 1 s");
    assert!((900..5000).contains(&attempt.duration_ms), "{attempt:?}");
}

async fn mails_of_a_batch_share_a_connection(world: World) {
    let server = MailServer::start();
    let text = format!(
        "[channels.mail]\nkind = 'email'\nhost = '127.0.0.1'\nport = {}\ntls = 'none'
         from = 'Daymark <daymark@app.example>'\nto = ['ops@app.example', 'on-call@app.example']",
        server.port
    );
    let config = config(&text, &[]);
    let mut ids = Vec::new();
    for kind in [NotificationKind::Firing, NotificationKind::Resolved] {
        ids.push(notify(&world, "mail", kind).await);
    }
    deliverer(&world, &config).deliver_due().await.unwrap();
    for delivery in shown(&world).await {
        assert_eq!(delivery.status, "delivered", "{delivery:?}");
        assert_eq!(delivery.attempts[0].answer, "250 taken");
    }
    // The server prints a message before it answers.
    let lines = server.lines.lock().unwrap().clone();
    let is_message = |line: &&Value| line.get("text").is_some();
    assert_eq!(lines.iter().filter(|line| !is_message(line)).count(), 1, "one connection: {lines:?}");
    let messages: Vec<_> = lines.iter().filter(is_message).collect();
    assert_eq!(messages.len(), 2);
    for id in ids {
        let text = format!("Message-ID: <{id}@app.example>");
        assert!(
            messages.iter().any(|message| message["text"].as_str().unwrap().contains(&text)),
            "{messages:?}"
        );
    }
    assert_eq!(messages[0]["to"], serde_json::json!(["ops@app.example", "on-call@app.example"]));
    let texts: String = messages.iter().map(|message| message["text"].as_str().unwrap()).collect();
    assert!(texts.contains("Subject: Daymark (default): critical: collection_failing"), "{texts}");
}
