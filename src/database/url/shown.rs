//! The parts of a connection that messages and logs may show.

use super::connection_string::ConnectionParameters;

/// Returns the parts of the parameters that may be shown, as a URL, and whether other parts were left out.
pub(super) fn shown(parameters: &ConnectionParameters) -> (String, bool) {
    let value = |name: &str| {
        let found = parameters.iter().rev().find(|(known, value)| known == name && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    };
    let mut shown = "postgres://".to_owned();
    if let Some(user) = value("user") {
        shown += &format!("{}@", encoded(user));
    }
    if let Some(host) = value("host").or(value("hostaddr")) {
        shown += &if host.contains(':') { format!("[{host}]") } else { encoded(host) };
    }
    if let Some(port) = value("port") {
        shown += &format!(":{port}");
    }
    if let Some(database) = value("dbname") {
        shown += &format!("/{}", encoded(database));
    }
    let is_shown = |name: &str| matches!(name, "user" | "host" | "hostaddr" | "port" | "dbname");
    (shown, parameters.iter().any(|(name, _)| !is_shown(name)))
}

/// Percent-encodes the characters of `text` that have a meaning in a URL, and replaces control characters with U+FFFD.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '/' | '?' | '#' | '@' | ':' | '%' | '[' | ']' | ' ' => {
                encoded += &format!("%{:02X}", character as u32)
            }
            _ if character.is_control() => encoded.push('\u{fffd}'),
            _ => encoded.push(character),
        }
    }
    encoded
}
