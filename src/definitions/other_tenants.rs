//! Which tenants of the store have metrics, for a tenant that has none: its name may be a mistake.

use crate::{collect::Context, config::shown};

/// How many tenants are named.
const NAMED: usize = 5;

/// As in ``the setting `tenant` is `default`, and the store has metrics of `acme` ``; `None` where no other tenant has metrics, or the
/// store does not tell. It names other tenants, so it is for those who run commands, and not for clients of the API.
pub async fn other_tenants(context: &Context) -> Option<String> {
    let own = &context.tenant.name;
    // One more is its own, and one more tells whether there are others.
    let tenants = context.tenant.store.tenants_with_metrics(NAMED as i64 + 2).await.ok()?;
    let others: Vec<_> = tenants.iter().filter(|tenant| *tenant != own).map(|tenant| shown(tenant)).collect();
    if others.is_empty() {
        return None;
    }
    let named = others.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = if others.len() > NAMED { " and others" } else { "" };
    Some(format!("the setting `tenant` is {}, and the store has metrics of {named}{more}", shown(own)))
}
