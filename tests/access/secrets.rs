//! Secrets appear neither in formatted values nor in the log nor in answers.

use daymark::access::{Credentials, Role};
use serde_json::json;

use crate::world::{Log, SECRET, World, rsa_token, show, token};

#[tokio::test]
async fn secrets_appear_in_no_log_error_or_debug_output() {
    let log = Log::catch();

    let world = World::new().await.with(|settings| {
        settings.admin_column = Some(("profiles".to_owned(), "is_admin".to_owned()));
        settings.jwks = Some(daymark::config::KeySetLocation::Url(
            "http://user:pa55word@127.0.0.1:1/keys?key=s3cretquery".parse().unwrap(),
        ));
    });
    let access = world.access();
    let created = world.key("dashboard", Role::Reader).await;
    let key = created.text.reveal().to_owned();
    let key_secret = key[36..].to_owned();
    let good = token(json!({}));
    let wrong = format!("{}x", token(json!({"sub": "a user"})));
    let elsewhere = rsa_token(Some("1"), crate::world::RSA_1);

    let mut seen = format!("{access:?} {:?} {created:?} {:?}", world.settings, created.key);
    for text in [&good, &key, &wrong, &elsewhere, &format!("{key}x"), &key.replace("dm_", "dm_x")] {
        let outcome = show(&access, text).await;
        let address = "192.0.2.9".parse().unwrap();
        let credentials = Credentials { authorization: Some(text), api_key: Some(text), address };
        seen += &format!("{outcome:?} {credentials:?}");
        if let Err(denied) = outcome {
            seen += &denied.to_string();
        }
    }
    seen += &log.text();
    assert!(seen.contains("the key set cannot be read"), "the log was not caught: {seen}");

    let hash: Vec<_> = created.key.hash.0.iter().map(u8::to_string).collect();
    let signatures = [&good, &wrong, &elsewhere].map(|token| token.rsplit('.').next().unwrap().to_owned());
    let secrets =
        [SECRET.to_owned(), key_secret, hash.join(", "), "pa55word".to_owned(), "s3cretquery".to_owned()];
    for secret in secrets.iter().chain(&signatures) {
        assert!(!seen.contains(secret), "{secret} is in {seen}");
    }
}
