//! Contents with which templates are tried before they are needed: with one alert and with several, with and without labels, of each
//! kind.

use super::{AlertNotice, MessageKind, NotificationContent};

pub fn alert() -> AlertNotice {
    let at = |seconds| jiff::Timestamp::from_second(seconds).unwrap_or_default();
    AlertNotice {
        rule: "collection_failing".to_owned(),
        severity: "critical".to_owned(),
        summary: "3 runs failed in a row: <no & answer>".to_owned(),
        labels: [("team".to_owned(), "data".to_owned())].into(),
        started_at: at(1_738_369_200),
        ended_at: None,
        valid_until: Some(at(1_738_461_600)),
        ended_silence: None,
    }
}

/// The contents, each with its kind.
pub fn samples() -> Vec<(MessageKind, NotificationContent)> {
    let content = |alerts| NotificationContent { tenant: "default".to_owned(), alerts };
    let plain = AlertNotice {
        rule: "day_missing".to_owned(),
        labels: [].into(),
        ended_silence: Some("moving the database".to_owned()),
        ..alert()
    };
    let ended = |alert: AlertNotice| AlertNotice { ended_at: alert.valid_until, valid_until: None, ..alert };
    vec![
        (MessageKind::Firing, content(vec![alert()])),
        (MessageKind::Firing, content(vec![alert(), plain.clone()])),
        (MessageKind::Resolved, content(vec![ended(plain.clone())])),
        (MessageKind::Resolved, content(vec![ended(alert()), ended(plain)])),
        (MessageKind::Test, content(Vec::new())),
    ]
}
