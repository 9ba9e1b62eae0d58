//! How far reviewers agree where several of them judged the same field of the same document.

use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use crate::inspect::error::InspectError;
use crate::inspect::recorded::Recorded;

/// Pairs of reviewers that are listed.
const LISTED: i64 = 20;

/// Agreement of the reviewers of a snapshot. The latest answer of each reviewer as of the position counts; reviews that were undone
/// do not; "no value" is an answer; values are compared as sets.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Agreement {
    /// Fields that several reviewers judged in one document at least, by name.
    pub fields: Vec<FieldAgreement>,
    /// The pairs of reviewers that disagree most often, at most 20.
    pub most_disagreeing: Vec<ReviewerPair>,
}

/// Agreement about one field.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct FieldAgreement {
    /// The field.
    pub field: String,
    /// Documents in which several reviewers judged it.
    pub documents: i64,
    /// Reviewers of these documents.
    pub reviewers: i64,
    /// Pairs of answers to the same document.
    pub pairs: i64,
    /// Share of these pairs that agree; null without a pair.
    pub observed_agreement: Option<f64>,
    /// Krippendorff's alpha for nominal data: 1 = they agree, 0 = as by chance; null when all answers are the same value, for then
    /// there is no chance to disagree.
    pub krippendorff_alpha: Option<f64>,
}

/// Two reviewers of the same fields of the same documents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ReviewerPair {
    /// One of them, the lesser by code points.
    pub reviewer: String,
    /// The other.
    pub other: String,
    /// Fields of documents that both judged.
    pub judged: i64,
    /// Of these, those that they judged differently.
    pub disagreements: i64,
}

/// What the statement counts for a field; a unit is a document that several reviewers judged.
#[derive(Debug, Clone, Copy)]
struct Sums {
    /// Answers in all units.
    answers: f64,
    /// Sum over the units and values of n (n - 1) / (m - 1), n being how many of the m answers of the unit are the value: the
    /// diagonal of the coincidence matrix.
    coincidences: f64,
    /// Sum over the values of N (N - 1), N being how many answers in all units are the value.
    expected: f64,
}

/// Krippendorff's alpha for nominal data, any number of reviewers, answers missing (Krippendorff, Computing Krippendorff's
/// Alpha-Reliability, 2011, section D): 1 - observed over expected disagreement.
fn krippendorff_alpha(sums: Sums) -> Option<f64> {
    let Sums { answers, coincidences, expected } = sums;
    let all = answers * (answers - 1.0);
    // whole numbers below 2^53: equal means equal
    (answers > 1.0 && all > expected).then(|| ((answers - 1.0) * coincidences - expected) / (all - expected))
}

/// Counts in SQL, one pass over the events of the snapshot.
///
/// # Errors
/// When Postgres does not answer.
pub async fn agreement(conn: &mut PgConnection, recorded: &Recorded) -> Result<Agreement, InspectError> {
    let selection = &recorded.selection;
    let rows = sqlx::query!(
        r#"
        WITH latest AS (
            -- the last word of each reviewer on each field of each document
            SELECT DISTINCT ON (e.document_id, e.field, e.reviewer) e.document_id, e.field, e.reviewer, e.value, e.review_status
            FROM chosen_documents($1, $2, $3, $4, $6) c
            JOIN annotation_events e ON e.document_id = c.id AND e.field = ANY($5) AND e.position <= $1 AND e.reviewer IS NOT NULL
            ORDER BY e.document_id, e.field, e.reviewer, e.occurred_at DESC, e.position DESC
        ), said AS (
            SELECT document_id, field, reviewer, ARRAY(SELECT unnest(value) ORDER BY 1) AS value
            FROM latest
            WHERE review_status <> 'UNREVIEWED'
        ), by_value AS (
            SELECT document_id, field, value, count(*) AS n
            FROM said
            GROUP BY document_id, field, value
        ), units AS (
            SELECT by_value.*, sum(n) OVER (PARTITION BY document_id, field) AS m
            FROM by_value
        ), by_field_value AS (
            SELECT field, value, sum(n) AS n, sum(n * (n - 1)::float8 / (m - 1)::float8) AS coincidences, sum(n * (n - 1) / 2) AS agreeing
            FROM units
            WHERE m > 1
            GROUP BY field, value
        ), by_field AS (
            SELECT field, sum(n)::float8 AS answers, sum(coincidences) AS coincidences, sum(n * (n - 1))::float8 AS expected,
                   sum(agreeing)::bigint AS agreeing
            FROM by_field_value
            GROUP BY field
        ), sizes AS (
            SELECT field, count(*) AS documents, sum(m * (m - 1) / 2)::bigint AS pairs
            FROM (SELECT DISTINCT document_id, field, m FROM units WHERE m > 1) unit
            GROUP BY field
        ), reviewers AS (
            SELECT s.field, count(DISTINCT s.reviewer) AS reviewers
            FROM said s
            WHERE EXISTS (SELECT FROM units u WHERE u.document_id = s.document_id AND u.field = s.field AND u.m > 1)
            GROUP BY s.field
        )
        SELECT f.field AS "field!", f.answers AS "answers!", f.coincidences AS "coincidences!", f.expected AS "expected!",
               f.agreeing AS "agreeing!", z.documents AS "documents!", z.pairs AS "pairs!", r.reviewers AS "reviewers!"
        FROM by_field f
        JOIN sizes z USING (field)
        JOIN reviewers r USING (field)
        ORDER BY f.field COLLATE "C"
        "#,
        selection.position,
        selection.documents.as_deref(),
        selection.source,
        selection.project,
        &selection.fields,
        recorded.created_at,
    )
    .fetch_all(&mut *conn)
    .await?;
    #[expect(clippy::cast_precision_loss, reason = "counts of pairs are far below 2^52")]
    let fields = rows.into_iter().map(|row| FieldAgreement {
        documents: row.documents,
        reviewers: row.reviewers,
        pairs: row.pairs,
        observed_agreement: (row.pairs > 0).then(|| row.agreeing as f64 / row.pairs as f64),
        krippendorff_alpha: krippendorff_alpha(Sums { answers: row.answers, coincidences: row.coincidences, expected: row.expected }),
        field: row.field,
    });
    let fields = fields.collect();
    let most_disagreeing = sqlx::query_as!(
        ReviewerPair,
        r#"
        WITH latest AS (
            -- the last word of each reviewer on each field of each document
            SELECT DISTINCT ON (e.document_id, e.field, e.reviewer) e.document_id, e.field, e.reviewer, e.value, e.review_status
            FROM chosen_documents($1, $2, $3, $4, $6) c
            JOIN annotation_events e ON e.document_id = c.id AND e.field = ANY($5) AND e.position <= $1 AND e.reviewer IS NOT NULL
            ORDER BY e.document_id, e.field, e.reviewer, e.occurred_at DESC, e.position DESC
        ), said AS (
            SELECT document_id, field, reviewer, ARRAY(SELECT unnest(value) ORDER BY 1) AS value
            FROM latest
            WHERE review_status <> 'UNREVIEWED'
        )
        SELECT one.reviewer AS "reviewer!", other.reviewer AS "other!", count(*) AS "judged!",
               count(*) FILTER (WHERE one.value <> other.value) AS "disagreements!"
        FROM said one
        JOIN said other ON other.document_id = one.document_id AND other.field = one.field
            AND other.reviewer COLLATE "C" > one.reviewer COLLATE "C"
        GROUP BY 1, 2
        HAVING count(*) FILTER (WHERE one.value <> other.value) > 0
        ORDER BY 4 DESC, 3, 1, 2
        LIMIT $7
        "#,
        selection.position,
        selection.documents.as_deref(),
        selection.source,
        selection.project,
        &selection.fields,
        recorded.created_at,
        LISTED,
    )
    .fetch_all(conn)
    .await?;
    Ok(Agreement { fields, most_disagreeing })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alpha_of_two_observers_is_that_of_the_literature() {
        // Krippendorff 2011, section A: o_00 = 10, o_11 = 2, n_0 = 14, n_1 = 6
        let alpha = krippendorff_alpha(Sums { answers: 20.0, coincidences: 12.0, expected: 14.0 * 13.0 + 6.0 * 5.0 }).unwrap();
        assert!((alpha - 0.095).abs() < 0.0005, "{alpha}");
    }

    #[test]
    fn alpha_of_many_observers_with_missing_answers_is_that_of_the_literature() {
        // section C: the diagonal is 7, 10, 8, 4, 3; the totals are 9, 13, 10, 5, 3
        let expected = [9.0_f64, 13.0, 10.0, 5.0, 3.0].map(|n| n * (n - 1.0)).iter().sum();
        let alpha = krippendorff_alpha(Sums { answers: 40.0, coincidences: 32.0, expected }).unwrap();
        assert!((alpha - 0.743).abs() < 0.0005, "{alpha}");
    }

    #[test]
    fn where_only_one_value_was_ever_given_there_is_no_alpha() {
        assert_eq!(krippendorff_alpha(Sums { answers: 4.0, coincidences: 4.0, expected: 12.0 }), None);
        assert_eq!(krippendorff_alpha(Sums { answers: 0.0, coincidences: 0.0, expected: 0.0 }), None);
    }
}
