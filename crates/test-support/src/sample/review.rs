//! Draws the history of a document: the extractor's prediction and the reviews, including their mistakes.

use chrono::{DateTime, TimeDelta, Utc};

use super::contract::Values;
use super::labels::FIELDS;
use super::random::Random;

/// The reviews and the prediction of one document.
pub(crate) struct History {
    pub(crate) predicted_at: DateTime<Utc>,
    /// Value and confidence by field.
    pub(crate) predicted: Vec<(&'static str, String, f64)>,
    pub(crate) reviews: Vec<Review>,
    /// A review that was started but not submitted.
    pub(crate) draft: Option<Review>,
}

/// One annotation of a task.
pub(crate) struct Review {
    pub(crate) reviewer: u64,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    /// Whether the reviewer skipped the task; a skipped review has no values.
    pub(crate) skipped: bool,
    pub(crate) values: Values,
}

/// Minutes between two documents.
const DOCUMENT_INTERVAL_MINUTES: i64 = 7;

/// Draws the history of the document with this number.
pub(crate) fn draw(truth: &Values, number: u64, random: &mut Random) -> History {
    let epoch = DateTime::from_timestamp(1_736_150_400, 0).expect("a valid timestamp");
    let predicted_at = epoch + TimeDelta::minutes(DOCUMENT_INTERVAL_MINUTES * number as i64);
    let predicted = truth.iter().filter_map(|(field, value)| predict(field, value.as_deref(), random)).collect();
    let mut time = predicted_at;
    let mut reviews = Vec::new();
    if random.chance(0.03) {
        reviews.push(Review { skipped: true, values: Vec::new(), ..review(truth, 0.0, &mut time, random) });
    } else if !random.chance(0.02) {
        // a hasty first review is corrected by a second reviewer, and sometimes by a third
        let rounds = [1, 2, 3][random.weighted([82, 14, 4].into_iter())];
        for round in 1..=rounds {
            let error_rate = if round == rounds { 0.01 } else { 0.15 };
            reviews.push(review(truth, error_rate, &mut time, random));
        }
    }
    let draft = random.chance(0.03).then(|| review(truth, 0.3, &mut time, random));
    History { predicted_at, predicted, reviews, draft }
}

/// Draws a prediction: mostly correct, sometimes wrong, missing, or a false positive.
fn predict(field: &&'static str, truth: Option<&str>, random: &mut Random) -> Option<(&'static str, String, f64)> {
    let high_confidence = 0.5 + random.below(50) as f64 / 100.0;
    let low_confidence = 0.2 + random.below(55) as f64 / 100.0;
    match truth {
        Some(_) if random.chance(0.10) => None,
        Some(truth) if random.chance(0.13) => Some((*field, wrong_value(field, Some(truth), random), low_confidence)),
        Some(truth) => Some((*field, truth.to_owned(), high_confidence)),
        None => random.chance(0.3).then(|| (*field, wrong_value(field, None, random), low_confidence)),
    }
}

fn review(truth: &Values, error_rate: f64, time: &mut DateTime<Utc>, random: &mut Random) -> Review {
    let created_at = *time + TimeDelta::minutes(30 + random.below(3000) as i64);
    let updated_at = created_at + TimeDelta::seconds(40 + random.below(900) as i64);
    *time = updated_at;
    let mut values = truth.clone();
    for (field, value) in &mut values {
        if random.chance(error_rate) {
            *value = (!random.chance(0.4)).then(|| wrong_value(field, value.as_deref(), random));
        }
    }
    Review { reviewer: 1 + random.below(5), created_at, updated_at, skipped: false, values }
}

/// Draws a value other than `truth`.
fn wrong_value(field: &str, truth: Option<&str>, random: &mut Random) -> String {
    if let Some(field) = FIELDS.iter().find(|candidate| candidate.name == field) {
        loop {
            let drawn = field.classes[random.weighted(field.classes.iter().map(|class| class.weight))].name;
            if Some(drawn) != truth {
                return drawn.to_owned();
            }
        }
    }
    match (field, truth) {
        ("pwo_number", _) => format!("PWO-{:05}", random.below(100_000)),
        ("sow_value_eur", _) => format!("{}.50", 100 + random.below(90_000)),
        ("contract_start_date" | "contract_end_date", _) => {
            format!("20{}-0{}-15", 10 + random.below(9), 1 + random.below(9))
        }
        (_, Some(truth)) => truth.split(' ').take(3).collect::<Vec<_>>().join(" ") + " (draft)",
        (_, None) => "see annex".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::contract;

    #[test]
    fn every_kind_of_review_occurs_in_three_hundred_documents() {
        let [mut ok, mut corrected, mut new, mut rejected, mut missing] = [0; 5];
        let (mut skipped, mut unreviewed, mut several, mut drafts) = (0, 0, 0, 0);
        for number in 0..300 {
            let mut random = Random::new(7, number);
            let truth = contract::draw(&mut random).values;
            let history = draw(&truth, number, &mut random);
            drafts += usize::from(history.draft.is_some());
            several += usize::from(history.reviews.len() > 1);
            assert!(history.reviews.is_sorted_by_key(|review| review.updated_at));
            let Some(last) = history.reviews.last() else {
                unreviewed += 1;
                continue;
            };
            skipped += usize::from(last.skipped);
            for (field, accepted) in &last.values {
                let predicted = history.predicted.iter().find(|(name, ..)| name == field).map(|(_, value, _)| value);
                match (predicted, accepted) {
                    (Some(predicted), Some(accepted)) if predicted == accepted => ok += 1,
                    (Some(_), Some(_)) => corrected += 1,
                    (None, Some(_)) => new += 1,
                    (Some(_), None) => rejected += 1,
                    (None, None) => missing += 1,
                }
            }
        }
        for count in [ok, corrected, new, rejected, missing, skipped, unreviewed, several, drafts] {
            assert!(count > 0);
        }
        assert!(ok > corrected + new + rejected, "{ok} {corrected} {new} {rejected} {missing}");
    }
}
