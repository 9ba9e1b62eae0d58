//! Wrong predictions of runs, with the documents they are about.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use aprendiz_db::AdvisoryLock;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::{Acquire as _, PgConnection};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::error::RunsError;
use crate::ids::RunId;
use crate::run::attempt::AttemptId;
use crate::run::lease::lock_attempt;

/// Maximum number of wrong predictions that are kept of one split of a run.
pub const MAX_ERRORS_PER_SPLIT: usize = 10_000;
/// Name of the metric with the number of wrong predictions of a split, kept or not.
pub const ERRORS_METRIC: &str = "errors";
/// Maximum number of classes that are kept of one prediction.
pub const MAX_TOP_CLASSES: usize = 5;
/// Rows inserted by one statement.
const BATCH: usize = 1_000;

/// A class with its probability.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ClassScore {
    /// The class; an empty list means "no value".
    pub value: Vec<String>,
    /// Its probability, 0 to 1.
    pub probability: f64,
}

/// A wrong prediction to be recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct NewRunError {
    /// `validation`, `test`, or `reviewed` for stored predictions.
    pub split: &'static str,
    /// The field.
    pub field: String,
    /// The document.
    pub document_id: Uuid,
    /// Accepted value; empty = "no value".
    pub gold: Vec<String>,
    /// Predicted value; empty = "no value".
    pub predicted: Vec<String>,
    /// Confidence of the prediction, if it has one.
    pub confidence: Option<f64>,
    /// Negative natural logarithm of the probability of the accepted value, if it is known and not 0.
    pub loss: Option<f64>,
    /// Whether the confidence reached the threshold of the field; `None` for stored predictions.
    pub answered: Option<bool>,
    /// Most probable classes, at most [`MAX_TOP_CLASSES`].
    pub top: Option<Vec<ClassScore>>,
    /// Value of every dimension by which the metrics of the split are computed; `None` if they are not.
    pub slices: Option<BTreeMap<String, String>>,
}

impl NewRunError {
    /// The order in which errors are kept: the most confident ones first. It does not depend on the order in which they are found.
    fn rank(&self, other: &Self) -> Ordering {
        let confidence = |error: &Self| error.confidence.unwrap_or(-1.0);
        let key = |error: &Self| (error.field.clone(), error.document_id);
        confidence(other).total_cmp(&confidence(self)).then_with(|| key(self).cmp(&key(other)))
    }
}

/// Collects the wrong predictions of one split; memory is bounded, whatever their number.
#[derive(Debug, Default)]
pub struct ErrorCollector {
    kept: Vec<NewRunError>,
    total: u64,
}

impl ErrorCollector {
    /// Adds a wrong prediction.
    pub fn push(&mut self, error: NewRunError) {
        self.total += 1;
        self.kept.push(error);
        if self.kept.len() >= 2 * MAX_ERRORS_PER_SPLIT {
            self.truncate();
        }
    }

    /// The kept errors in their order, and the number of all.
    #[must_use]
    pub fn finish(mut self) -> (Vec<NewRunError>, u64) {
        self.truncate();
        (self.kept, self.total)
    }

    fn truncate(&mut self) {
        self.kept.sort_by(NewRunError::rank);
        self.kept.truncate(MAX_ERRORS_PER_SPLIT);
    }
}

/// Records the wrong predictions of a run, in the transaction that completes it and before [`publish`](crate::publish).
///
/// Errors about documents that were erased meanwhile are left out. Erasures wait for the commit, and then delete the rows.
///
/// # Errors
/// [`RunsError::LeaseLost`] when the attempt no longer owns the run or cancellation was requested. Nothing is written then.
pub async fn record_errors(conn: &mut PgConnection, attempt: AttemptId, errors: &[NewRunError]) -> Result<(), RunsError> {
    let mut tx = conn.begin().await?;
    lock_attempt(&mut tx, attempt).await?;
    // before the snapshot is locked, as in every transaction that records something derived from documents
    AdvisoryLock::Erasure.lock_shared(&mut tx).await?;
    for batch in errors.chunks(BATCH) {
        let column = |value: fn(&NewRunError) -> String| batch.iter().map(value).collect::<Vec<String>>();
        let json = |value: &Vec<String>| serde_json::to_string(value).unwrap_or_default();
        let documents: Vec<Uuid> = batch.iter().map(|error| error.document_id).collect();
        let gold: Vec<String> = batch.iter().map(|error| json(&error.gold)).collect();
        let predicted: Vec<String> = batch.iter().map(|error| json(&error.predicted)).collect();
        let confidence: Vec<Option<f64>> = batch.iter().map(|error| error.confidence).collect();
        let loss: Vec<Option<f64>> = batch.iter().map(|error| error.loss).collect();
        let answered: Vec<Option<bool>> = batch.iter().map(|error| error.answered).collect();
        let top: Vec<Option<Value>> = batch.iter().map(|error| error.top.as_ref().map(|top| serde_json::json!(top))).collect();
        let slices: Vec<Option<Value>> = batch.iter().map(|error| error.slices.as_ref().map(|slices| serde_json::json!(slices))).collect();
        sqlx::query!(
            r#"
            INSERT INTO run_errors (run_id, attempt_number, split, field, document_id, gold, predicted, confidence, loss, answered, top, slices)
            SELECT $1, $2, e.split, e.field, e.document_id,
                ARRAY(SELECT jsonb_array_elements_text(e.gold::jsonb)), ARRAY(SELECT jsonb_array_elements_text(e.predicted::jsonb)),
                e.confidence, e.loss, e.answered, e.top, e.slices
            FROM unnest($3::text[], $4::text[], $5::uuid[], $6::text[], $7::text[], $8::float8[], $9::float8[], $10::bool[], $11::jsonb[],
                $12::jsonb[]) AS e (split, field, document_id, gold, predicted, confidence, loss, answered, top, slices)
            WHERE NOT EXISTS (SELECT FROM erasures x WHERE x.document_id = e.document_id)
            "#,
            attempt.run_id as RunId,
            attempt.number,
            &column(|error| error.split.to_owned()),
            &column(|error| error.field.clone()),
            &documents,
            &gold,
            &predicted,
            &confidence as &[Option<f64>],
            &loss as &[Option<f64>],
            &answered as &[Option<bool>],
            &top as &[Option<Value>],
            &slices as &[Option<Value>]
        )
        .execute(&mut *tx)
        .await?;
    }
    tx.commit().await?;
    Ok(())
}

/// A wrong prediction of a run.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RunErrorRow {
    /// Id of the document.
    pub document_id: Uuid,
    /// Source of the document.
    pub source: String,
    /// Its project.
    pub project: String,
    /// Its id within the project.
    pub task_id: String,
    /// Its file name.
    pub file_name: Option<String>,
    /// `test`, `validation`, or `reviewed` for stored predictions. Validation chose between candidates, so its errors are not evidence.
    pub split: String,
    /// The field.
    pub field: String,
    /// Accepted value; an empty list means "no value".
    pub gold: Vec<String>,
    /// Predicted value; an empty list means "no value".
    pub predicted: Vec<String>,
    /// Confidence of the prediction, 0 to 1; null if it was stored without one.
    pub confidence: Option<f64>,
    /// Negative natural logarithm of the probability of the accepted value; null if that is unknown, or if the model cannot predict the value.
    pub loss: Option<f64>,
    /// Whether the confidence reached the threshold of the field; null for stored predictions.
    pub answered: Option<bool>,
    /// Most probable classes; null if only the prediction is known.
    #[schema(value_type = Option<Vec<ClassScore>>)]
    pub top: Option<Value>,
}

/// A slice of the metrics of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SliceFilter {
    /// Name of the dimension.
    pub dimension: String,
    /// The value; `(other)` = every value without a slice of its own.
    pub value: String,
}

/// Order of a list of errors.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ErrorOrder {
    /// Highest confidence first.
    #[default]
    Confidence,
    /// Highest loss first; a value that the model cannot predict has the highest.
    Loss,
}

/// Conditions of [`list_errors`]; all of them must hold.
#[derive(Debug, Default)]
pub struct ErrorFilter {
    /// Only this split.
    pub split: Option<String>,
    /// Only this field.
    pub field: Option<String>,
    /// Only this accepted value; empty = "no value".
    pub gold: Option<String>,
    /// Only this predicted value; empty = "no value".
    pub predicted: Option<String>,
    /// Only predictions with at least this confidence.
    pub min_confidence: Option<f64>,
    /// Only predictions in this slice.
    pub slice: Option<SliceFilter>,
    /// Order of the list.
    pub order: ErrorOrder,
    /// Only errors after this one in the list.
    pub after: Option<ErrorCursor>,
}

/// The last error of a page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ErrorCursor {
    rank: f64,
    split: String,
    field: String,
    document_id: Uuid,
}

impl RunErrorRow {
    /// The cursor that continues after this error.
    #[must_use]
    pub fn cursor(&self, order: ErrorOrder) -> ErrorCursor {
        let rank = match order {
            ErrorOrder::Confidence => self.confidence.unwrap_or(-1.0),
            ErrorOrder::Loss => self.loss.unwrap_or(MAX_LOSS),
        };
        ErrorCursor { rank, split: self.split.clone(), field: self.field.clone(), document_id: self.document_id }
    }
}

/// Rank of an unknown loss: higher than the loss of any probability.
const MAX_LOSS: f64 = 1e300;

/// Lists at most `limit` wrong predictions of a run.
///
/// # Errors
/// When Postgres does not answer.
pub async fn list_errors(conn: &mut PgConnection, run_id: RunId, filter: &ErrorFilter, limit: i64) -> Result<Vec<RunErrorRow>, RunsError> {
    let after = filter.after.as_ref();
    let rows = sqlx::query_as!(
        RunErrorRow,
        r#"
        SELECT e.document_id, d.source, d.project, d.task_id, d.file_name, e.split, e.field, e.gold, e.predicted, e.confidence, e.loss,
            e.answered, e.top
        FROM (
            SELECT *, CASE WHEN $7 THEN coalesce(loss, 1e300) ELSE coalesce(confidence, -1) END AS rank
            FROM run_errors
            WHERE run_id = $1
                AND ($2::text IS NULL OR split = $2)
                AND ($3::text IS NULL OR field = $3)
                AND ($4::text IS NULL OR CASE WHEN $4 = '' THEN gold = '{}' ELSE $4 = ANY(gold) END)
                AND ($5::text IS NULL OR CASE WHEN $5 = '' THEN predicted = '{}' ELSE $5 = ANY(predicted) END)
                AND ($6::float8 IS NULL OR confidence >= $6)
                AND ($13::text IS NULL OR CASE WHEN $14 = '(other)' THEN
                    slices ->> $13 IS NOT NULL AND slices ->> $13 <> ALL (ARRAY(
                        SELECT s.slice ->> 'value'
                        FROM metrics m, jsonb_array_elements(m.details -> 'dimensions') AS d (dimension),
                            jsonb_array_elements(d.dimension -> 'slices') AS s (slice)
                        WHERE m.run_id = $1 AND m.name = 'slices' AND d.dimension ->> 'dimension' = $13
                    ))
                    ELSE slices ->> $13 = $14::text END)
        ) e
        JOIN documents d ON d.id = e.document_id
        WHERE $8::float8 IS NULL
            OR e.rank < $8
            OR (e.rank = $8 AND (e.split COLLATE "C", e.field COLLATE "C", e.document_id) > ($9::text COLLATE "C", $10::text COLLATE "C", $11))
        ORDER BY e.rank DESC, e.split COLLATE "C", e.field COLLATE "C", e.document_id
        LIMIT $12
        "#,
        run_id as RunId,
        filter.split.as_deref(),
        filter.field.as_deref(),
        filter.gold.as_deref(),
        filter.predicted.as_deref(),
        filter.min_confidence,
        filter.order == ErrorOrder::Loss,
        after.map(|cursor| cursor.rank),
        after.map(|cursor| cursor.split.as_str()),
        after.map(|cursor| cursor.field.as_str()),
        after.map(|cursor| cursor.document_id),
        limit,
        filter.slice.as_ref().map(|slice| slice.dimension.as_str()),
        filter.slice.as_ref().map(|slice| slice.value.as_str())
    )
    .fetch_all(conn)
    .await?;
    Ok(rows)
}

/// Numbers of wrong predictions of a split.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ErrorCounts {
    /// The split.
    pub split: String,
    /// All wrong predictions.
    pub total: i64,
    /// Those that were recorded: at most 10,000, with the highest confidence.
    pub recorded: i64,
}

/// Counts the wrong predictions of a run per split. Empty for a run whose predictions were not recorded.
///
/// # Errors
/// When Postgres does not answer.
pub async fn count_errors(conn: &mut PgConnection, run_id: RunId) -> Result<Vec<ErrorCounts>, RunsError> {
    let counts = sqlx::query_as!(
        ErrorCounts,
        r#"
        SELECT split, coalesce(value, 0)::bigint AS "total!", coalesce((details ->> 'recorded')::bigint, 0) AS "recorded!"
        FROM metrics
        WHERE run_id = $1 AND name = $2 AND field IS NULL
        ORDER BY split
        "#,
        run_id as RunId,
        ERRORS_METRIC
    )
    .fetch_all(conn)
    .await?;
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(confidence: Option<f64>, document: u128) -> NewRunError {
        NewRunError {
            split: "test",
            field: "law".to_owned(),
            document_id: Uuid::from_u128(document),
            gold: vec!["Texas".to_owned()],
            predicted: Vec::new(),
            confidence,
            loss: None,
            answered: None,
            top: None,
            slices: None,
        }
    }

    #[test]
    fn the_most_confident_errors_are_kept_in_whatever_order_they_are_found() {
        let count = 3 * MAX_ERRORS_PER_SPLIT as u128;
        let confidence = |document: u128| (!document.is_multiple_of(7)).then(|| (document % 101) as f64 / 101.0);
        let collect = |documents: &mut dyn Iterator<Item = u128>| {
            let mut collector = ErrorCollector::default();
            documents.for_each(|document| collector.push(error(confidence(document), document)));
            collector.finish()
        };
        let (kept, total) = collect(&mut (0..count));
        assert_eq!((kept.len(), total), (MAX_ERRORS_PER_SPLIT, count as u64));
        assert_eq!(collect(&mut (0..count).rev()).0, kept);
        assert!(kept.iter().all(|error| error.confidence.is_some_and(|confidence| confidence > 0.6)));
    }
}
