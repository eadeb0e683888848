//! Taking back a revision: which one may be, and what is in force then.

use jiff::civil::Date;

use crate::{
    collect::Context,
    metric::MetricKey,
    store::{Revision, RevisionEffect, RevisionFilter, StoreError},
};

/// The most revisions of one day that are read.
const MAX_REVISIONS: i64 = 10_000;

/// The revisions of a day, the newest first.
pub(super) async fn revisions_of(
    context: &Context,
    key: &MetricKey,
    date: Date,
) -> Result<Vec<Revision>, StoreError> {
    let filter = RevisionFilter {
        from: Some(date),
        to: Some(date),
        categories: vec![key.category.clone()],
        limit: MAX_REVISIONS,
        ..RevisionFilter::default()
    };
    let mut revisions = context.tenant.store.revisions(&filter).await?;
    revisions.retain(|revision| revision.key == *key);
    revisions.sort_by_key(|revision| std::cmp::Reverse(revision.revision));
    Ok(revisions)
}

/// What is in force after the revision `number` is taken back: `None` is the record.
pub(super) fn after_taking_back(
    revisions: &[Revision],
    number: i32,
) -> Result<Option<&RevisionEffect>, String> {
    let taken_back = |revision: &Revision| {
        revisions
            .iter()
            .any(|other| other.effect == RevisionEffect::Reversal { takes_back: revision.revision })
    };
    let Some(found) = revisions.iter().find(|revision| revision.revision == number) else {
        return Err(format!("it has no revision {number}; `daymark corrections` lists them"));
    };
    if let RevisionEffect::Reversal { takes_back } = found.effect {
        return Err(format!(
            "revision {number} takes back revision {takes_back}, and cannot be taken back itself: correct the day again"
        ));
    }
    if taken_back(found) {
        return Err(format!("revision {number} was taken back already"));
    }
    let next = revisions.iter().find(|revision| {
        revision.revision != number
            && !matches!(revision.effect, RevisionEffect::Reversal { .. })
            && !taken_back(revision)
    });
    Ok(next.map(|revision| &revision.effect))
}
