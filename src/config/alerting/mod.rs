//! The alerts that a file declares: the channels that notifications go to, and the rules that are evaluated.

mod channel;
mod rule;

pub use channel::{Channel, ChannelKind, EmailChannel, EmailTls, GivenSecret, HEARTBEAT_CHANNEL};
pub use rule::{
    AlertCondition, AlertRule, AlertSeverity, BUILT_IN, BUILT_IN_RULES, MetricCondition, MetricTest,
    built_in_rules,
};
