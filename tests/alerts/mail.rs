//! E-mail, with a real mail server.

use std::{
    io::{BufRead, BufReader, Lines, Write},
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

use daymark::store::NotificationKind;
use serde_json::Value;

use crate::{
    deliveries::{config, deliverer, notify, notify_of, shown},
    on,
    packages::{directory, python_packages, run},
    world::World,
};

on! { [sqlite]
    mails_of_a_batch_share_a_connection,
    a_mail_that_the_server_refuses_holds_up_no_other,
    a_mail_server_that_answers_byte_by_byte_is_timed_out,
    mails_go_over_tls_to_a_server_that_requires_a_login,
}

/// Makes the certificate of an authority, and one that it signed for 127.0.0.1.
const CERTIFICATES: &str = "
openssl req -new -nodes -text -out root.csr -keyout root.key -subj /CN=root.example
printf 'basicConstraints = critical, CA:true\nkeyUsage = keyCertSign\nsubjectKeyIdentifier = hash\n' >ca.ext
openssl x509 -req -in root.csr -text -days 3650 -extfile ca.ext -signkey root.key -out root.crt
openssl req -new -nodes -text -out named.csr -keyout named.key -subj /CN=mail.example
printf 'subjectAltName = IP:127.0.0.1\n' >named.ext
openssl x509 -req -in named.csr -text -days 365 -CA root.crt -CAkey root.key -CAcreateserial -extfile named.ext -out named.crt
";

/// Ends with the test.
struct MailServer {
    child: Child,
    port: u16,
    lines: Lines<BufReader<ChildStdout>>,
}

impl MailServer {
    fn start() -> Self {
        Self::started(&mut Self::command("none"))
    }

    fn command(encryption: &str) -> Command {
        let mut command = Command::new(python_packages("tests/alerts").join("python"));
        command.arg(directory("tests/alerts/smtp_server.py")).arg(encryption);
        command
    }

    fn started(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines.next().unwrap().unwrap().parse().unwrap();
        Self { child, port, lines }
    }

    /// Ends the server, and returns all that it printed: a line for each connection and each message. The server prints a message
    /// before it answers, so that the pipe holds the message by the time its client has the answer.
    fn printed(&mut self) -> Vec<Value> {
        self.child.kill().unwrap();
        let lines = self.lines.by_ref().map(Result::unwrap);
        lines.map(|line| serde_json::from_str(&line).unwrap()).collect()
    }

    /// Ends the server, and returns the messages that it took.
    fn messages(&mut self) -> Vec<Value> {
        self.printed().into_iter().filter(is_message).collect()
    }
}

fn is_message(line: &Value) -> bool {
    line.get("text").is_some()
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
    let mut server = MailServer::start();
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
    let (messages, connections): (Vec<_>, Vec<_>) = server.printed().into_iter().partition(is_message);
    assert_eq!(connections.len(), 1, "one connection: {connections:?}");
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

async fn a_mail_that_the_server_refuses_holds_up_no_other(world: World) {
    let server = MailServer::started(MailServer::command("none").env("REFUSE", "collection_failing"));
    let text = format!(
        "[channels.mail]\nkind = 'email'\nhost = 'localhost'\nport = {}\ntls = 'none'
         from = 'daymark@app.example'\nto = ['ops@app.example']",
        server.port
    );
    let refused = notify(&world, "mail", NotificationKind::Firing).await;
    let taken = notify_of(&world, "mail", NotificationKind::Firing, "slow_collection").await;
    deliverer(&world, &config(&text, &[])).deliver_due().await.unwrap();
    for delivery in shown(&world).await {
        let answer = &delivery.attempts[0].answer;
        match delivery.id {
            id if id == taken => assert_eq!((delivery.status, answer.as_str()), ("delivered", "250 taken")),
            id => {
                assert_eq!((id, delivery.status), (refused, "pending"));
                assert!(answer.contains("554") && answer.contains("not this one"), "{answer}");
            }
        }
    }
}

/// The built program, which reads the certificate of the authority from its environment.
async fn mails_go_over_tls_to_a_server_that_requires_a_login(world: World) {
    let place = tempfile::tempdir().unwrap();
    run(Command::new("sh").args(["-ec", CERTIFICATES]).current_dir(place.path()));
    let send = |port: u16, encryption: &str, password: &str, authority: &str| {
        let text = format!(
            "[delivery]\nallow_private = true\n[channels.mail]\nkind = 'email'\nhost = '127.0.0.1'\nport = {port}
             tls = '{encryption}'\nuser = 'daymark'\npassword_env = 'DAYMARK_MAIL_PASSWORD'
             from = 'daymark@app.example'\nto = ['ops@app.example']\n"
        );
        std::fs::write(place.path().join("daymark.toml"), text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_daymark"));
        command.args(["alerts", "test", "mail"]).env_clear().current_dir(place.path());
        command.env("DAYMARK_PLATFORM_URL", &world.platform_url).env("DAYMARK_STORE_URL", &world.store_url);
        command.env("DAYMARK_MAIL_PASSWORD", password).env("SSL_CERT_FILE", place.path().join(authority));
        let ended = command.output().unwrap();
        let said = [ended.stdout, ended.stderr].concat();
        (ended.status.code(), String::from_utf8(said).unwrap())
    };
    for encryption in ["starttls", "implicit"] {
        let mut server = MailServer::started(MailServer::command(encryption).current_dir(place.path()));
        let (code, said) = send(server.port, encryption, "wrong", "root.crt");
        assert!(code == Some(1) && said.contains("535"), "{said}");
        // The certificate is not signed by this one.
        let (code, said) = send(server.port, encryption, "secret", "named.crt");
        assert!(code == Some(1) && said.contains("certificate"), "{said}");
        let (code, said) = send(server.port, encryption, "secret", "root.crt");
        assert_eq!((code, said.trim()), (Some(0), "Delivered to mail (email): 250 taken"));
        let messages = server.messages();
        // Neither of the two attempts that failed has sent a message.
        assert_eq!((messages.len(), &messages[0]["encrypted"]), (1, &true.into()), "{messages:?}");
    }
    let mut plain = MailServer::start();
    let (code, said) = send(plain.port, "starttls", "secret", "root.crt");
    assert!(code == Some(1) && said.contains("STARTTLS"), "{said}");
    assert!(plain.messages().is_empty(), "without encryption nothing is sent, not even the password");
}
