//! Decisions about which annotation of a task counts that may surprise.

use crate::parsed_task::ParsedReview;

/// Describes why the latest review counts, where that is not obvious. Each reason has its place in the task.
pub(super) fn describe_latest(reviews: &[ParsedReview]) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    let Some(latest) = reviews.iter().max_by_key(|review| review.order()).filter(|_| reviews.len() > 1) else {
        return found;
    };
    let name = |review: &ParsedReview| review.source_ref.replacen(':', " ", 1);
    if reviews.iter().any(|review| review.occurred_at == latest.occurred_at && review.source_ref != latest.source_ref) {
        found.push(("several annotations have the same newest time: the one with the greatest id counts", name(latest)));
    }
    let has_value = |review: &ParsedReview| review.values.values().any(|field| !field.stored_value().is_empty());
    if latest.unresolved.is_empty() && !has_value(latest) && reviews.iter().any(has_value) {
        found.push(("the newest annotation has no values and counts as \"no value\", although an older one has values", name(latest)));
    }
    found
}
