//! What reviewers said up to the position: of every field of every document the latest.

use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use sqlx::PgConnection;
use uuid::Uuid;

use annotations::ReviewStatus;

use crate::example::ReviewedField;
use crate::read::chunk::{Sender, Stop};
use crate::selection::Selection;

/// The reviewed fields of one document, by the place of the field in the selection.
#[derive(Debug)]
pub(crate) struct Reviews {
    pub(crate) document_id: Uuid,
    pub(crate) fields: Vec<ReviewedField>,
}

struct EventRow {
    document_id: Uuid,
    field: String,
    value: Vec<String>,
    status: ReviewStatus,
    position: i64,
    reviewer: Option<String>,
    occurred_at: DateTime<Utc>,
}

/// Sends the reviews by the bytes of the ids of their documents.
pub(super) async fn read(mut conn: PgConnection, selection: Selection, mut to: Sender<Reviews>) {
    let outcome = read_all(&mut conn, &selection, &mut to).await;
    to.end(outcome).await;
}

async fn read_all(conn: &mut PgConnection, selection: &Selection, to: &mut Sender<Reviews>) -> Result<(), Stop> {
    // The order of the index `annotation_events_latest`: nothing is sorted, and of each field only the greatest
    // (`occurred_at`, `position`) is sent
    let mut rows = sqlx::query_as!(
        EventRow,
        r#"
        SELECT DISTINCT ON (e.document_id, e.field)
               e.document_id,
               e.field,
               e.value,
               e.review_status AS "status: ReviewStatus",
               e.position,
               e.reviewer,
               e.occurred_at
        FROM annotation_events e
        WHERE e.position <= $1
          AND e.field = ANY($5)
          AND ($2::uuid[] IS NULL OR e.document_id = ANY($2))
          AND (($3::text IS NULL AND $4::text IS NULL) OR e.document_id IN (
              SELECT d.id
              FROM documents d
              WHERE ($3::text IS NULL OR d.source = $3) AND ($4::text IS NULL OR d.project = $4)
          ))
        ORDER BY e.document_id, e.field, e.occurred_at DESC, e.position DESC
        "#,
        selection.position,
        selection.documents.as_deref(),
        selection.source,
        selection.project,
        &selection.fields,
    )
    .fetch(conn);
    let mut complete: Option<Reviews> = None;
    while let Some(row) = rows.try_next().await? {
        let document_id = row.document_id;
        if complete.as_ref().is_none_or(|reviews| reviews.document_id != document_id) {
            let next = Reviews { document_id, fields: Vec::with_capacity(selection.fields.len()) };
            if let Some(reviews) = complete.replace(next) {
                to.push(reviews.sorted(), 0).await?;
            }
        }
        // a review that was undone leaves its field unreviewed
        if row.status != ReviewStatus::Unreviewed {
            let reviews = complete.as_mut().expect("it was just put there");
            reviews.fields.push(row.in_place(&selection.fields));
        }
    }
    if let Some(reviews) = complete {
        to.push(reviews.sorted(), 0).await?;
    }
    Ok(())
}

impl Reviews {
    /// The server's collation has its own order of names.
    fn sorted(mut self) -> Self {
        self.fields.sort_unstable_by_key(|field| field.place);
        self
    }
}

impl EventRow {
    /// With the place of its field among those of the selection, which are sorted.
    fn in_place(self, fields: &[String]) -> ReviewedField {
        ReviewedField {
            place: fields.binary_search(&self.field).expect("only events of these fields were asked for"),
            value: self.value,
            status: self.status,
            position: self.position,
            reviewer: self.reviewer,
            occurred_at: self.occurred_at,
        }
    }
}
