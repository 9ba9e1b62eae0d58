//! Inter-annotator agreement on fields that several reviewers reviewed in the same document.

use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use crate::inspect::error::InspectError;
use crate::inspect::snapshot_record::SnapshotRecord;

const MAX_LISTED_PAIRS: i64 = 20;

/// Agreement of the reviewers of a snapshot.
///
/// The latest review of each reviewer as of the position counts. "No value" counts as a value, undone reviews do not count, and values are
/// compared as sets, in their comparable form.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Agreement {
    /// Fields with several reviewers in at least one document, sorted by name.
    pub fields: Vec<FieldAgreement>,
    /// Pairs of reviewers with the most disagreements, at most 20.
    pub most_disagreeing: Vec<ReviewerPair>,
}

/// Agreement on one field.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct FieldAgreement {
    /// Name of the field.
    pub field: String,
    /// Documents in which several reviewers reviewed the field.
    pub documents: i64,
    /// Number of reviewers of these documents.
    pub reviewers: i64,
    /// Pairs of reviews of the same document.
    pub pairs: i64,
    /// Fraction of these pairs that agree; null without pairs.
    pub observed_agreement: Option<f64>,
    /// Krippendorff's alpha for nominal data: 1 is perfect agreement, 0 is agreement by chance. Null if all reviews have the same value,
    /// because the expected disagreement is then 0.
    pub krippendorff_alpha: Option<f64>,
}

/// Two reviewers who reviewed the same fields of the same documents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ReviewerPair {
    /// The reviewer whose name sorts first by code point.
    pub reviewer: String,
    /// The other reviewer.
    pub other: String,
    /// Number of fields that both reviewed, counted per document.
    pub judged: i64,
    /// Number of these that they reviewed differently.
    pub disagreements: i64,
}

/// AlphaSums for the alpha of one field. A unit is a document with several reviewers of the field.
#[derive(Debug, Clone, Copy)]
struct AlphaSums {
    /// Reviews in all units.
    reviews: f64,
    /// Diagonal of the coincidence matrix: the sum over units and values of n (n - 1) / (m - 1), where n of the m reviews of the unit have
    /// the value.
    coincidences: f64,
    /// Sum over the values of N (N - 1), where N reviews in all units have the value.
    expected: f64,
}

/// Krippendorff's alpha: 1 - observed / expected disagreement, for nominal data, any number of reviewers and missing reviews (Krippendorff,
/// Computing Krippendorff's Alpha-Reliability, 2011, section D).
fn krippendorff_alpha(sums: AlphaSums) -> Option<f64> {
    let AlphaSums { reviews, coincidences, expected } = sums;
    let all = reviews * (reviews - 1.0);
    // integers below 2^53 are exact, so they can be compared
    (reviews > 1.0 && all > expected).then(|| ((reviews - 1.0) * coincidences - expected) / (all - expected))
}

/// Computes the agreement in SQL, with one pass over the events of the snapshot per query.
///
/// # Errors
/// [`InspectError::Database`].
pub async fn agreement(conn: &mut PgConnection, record: &SnapshotRecord) -> Result<Agreement, InspectError> {
    let selection = &record.selection;
    let rows = sqlx::query!(
        r#"
        WITH latest AS (
            -- the latest review of each reviewer, field and document
            SELECT DISTINCT ON (e.document_id, e.field, e.reviewer) e.document_id, e.field, e.reviewer, e.value, e.review_status
            FROM chosen_documents($1, $2, $3, $4, $6) c
            JOIN annotation_events e ON e.document_id = c.id AND e.field = ANY($5) AND e.position <= $1 AND counts_at(e.withdrawals, $1)
                                     AND e.reviewer IS NOT NULL
            ORDER BY e.document_id, e.field, e.reviewer, e.occurred_at DESC, octet_length(e.source_ref) DESC, e.source_ref COLLATE "C" DESC, e.source COLLATE "C" DESC
        ), reviews AS (
            SELECT document_id, field, reviewer, comparable_values(value) AS value
            FROM latest
            WHERE review_status <> 'UNREVIEWED'
        ), by_value AS (
            SELECT document_id, field, value, count(*) AS n
            FROM reviews
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
            SELECT field, sum(n)::float8 AS reviews, sum(coincidences) AS coincidences, sum(n * (n - 1))::float8 AS expected,
                   sum(agreeing)::bigint AS agreeing
            FROM by_field_value
            GROUP BY field
        ), sizes AS (
            SELECT field, count(*) AS documents, sum(m * (m - 1) / 2)::bigint AS pairs
            FROM (SELECT DISTINCT document_id, field, m FROM units WHERE m > 1) unit
            GROUP BY field
        ), reviewers AS (
            SELECT s.field, count(DISTINCT s.reviewer) AS reviewers
            FROM reviews s
            WHERE EXISTS (SELECT FROM units u WHERE u.document_id = s.document_id AND u.field = s.field AND u.m > 1)
            GROUP BY s.field
        )
        SELECT f.field AS "field!", f.reviews AS "reviews!", f.coincidences AS "coincidences!", f.expected AS "expected!",
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
        record.created_at,
    )
    .fetch_all(&mut *conn)
    .await?;
    #[expect(clippy::cast_precision_loss, reason = "counts of pairs are far below 2^52")]
    let fields = rows.into_iter().map(|row| FieldAgreement {
        documents: row.documents,
        reviewers: row.reviewers,
        pairs: row.pairs,
        observed_agreement: (row.pairs > 0).then(|| row.agreeing as f64 / row.pairs as f64),
        krippendorff_alpha: krippendorff_alpha(AlphaSums { reviews: row.reviews, coincidences: row.coincidences, expected: row.expected }),
        field: row.field,
    });
    let fields = fields.collect();
    let most_disagreeing = sqlx::query_as!(
        ReviewerPair,
        r#"
        WITH latest AS (
            -- the latest review of each reviewer, field and document
            SELECT DISTINCT ON (e.document_id, e.field, e.reviewer) e.document_id, e.field, e.reviewer, e.value, e.review_status
            FROM chosen_documents($1, $2, $3, $4, $6) c
            JOIN annotation_events e ON e.document_id = c.id AND e.field = ANY($5) AND e.position <= $1 AND counts_at(e.withdrawals, $1)
                                     AND e.reviewer IS NOT NULL
            ORDER BY e.document_id, e.field, e.reviewer, e.occurred_at DESC, octet_length(e.source_ref) DESC, e.source_ref COLLATE "C" DESC, e.source COLLATE "C" DESC
        ), reviews AS (
            SELECT document_id, field, reviewer, comparable_values(value) AS value
            FROM latest
            WHERE review_status <> 'UNREVIEWED'
        )
        SELECT one.reviewer AS "reviewer!", other.reviewer AS "other!", count(*) AS "judged!",
               count(*) FILTER (WHERE one.value <> other.value) AS "disagreements!"
        FROM reviews one
        JOIN reviews other ON other.document_id = one.document_id AND other.field = one.field
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
        record.created_at,
        MAX_LISTED_PAIRS,
    )
    .fetch_all(conn)
    .await?;
    Ok(Agreement { fields, most_disagreeing })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alpha_of_two_reviewers_matches_the_literature() {
        // Krippendorff 2011, section A: o_00 = 10, o_11 = 2, n_0 = 14, n_1 = 6
        let alpha = krippendorff_alpha(AlphaSums { reviews: 20.0, coincidences: 12.0, expected: 14.0 * 13.0 + 6.0 * 5.0 }).unwrap();
        assert!((alpha - 0.095).abs() < 0.0005, "{alpha}");
    }

    #[test]
    fn alpha_with_missing_reviews_matches_the_literature() {
        // section C: the diagonal is 7, 10, 8, 4, 3; the totals are 9, 13, 10, 5, 3
        let expected = [9.0_f64, 13.0, 10.0, 5.0, 3.0].map(|n| n * (n - 1.0)).iter().sum();
        let alpha = krippendorff_alpha(AlphaSums { reviews: 40.0, coincidences: 32.0, expected }).unwrap();
        assert!((alpha - 0.743).abs() < 0.0005, "{alpha}");
    }

    #[test]
    fn alpha_is_undefined_if_all_reviews_have_the_same_value() {
        assert_eq!(krippendorff_alpha(AlphaSums { reviews: 4.0, coincidences: 4.0, expected: 12.0 }), None);
        assert_eq!(krippendorff_alpha(AlphaSums { reviews: 0.0, coincidences: 0.0, expected: 0.0 }), None);
    }
}
