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
    place: i32,
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
    // All events, in the order of an index: choosing the latest of them there would mean to sort them by time as well
    let mut rows = sqlx::query_as!(
        EventRow,
        r#"
        SELECT e.document_id,
               array_position($5::text[], e.field) AS "place!",
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
        ORDER BY e.document_id
        "#,
        selection.position,
        selection.documents.as_deref(),
        selection.source,
        selection.project,
        &selection.fields,
    )
    .fetch(conn);
    let mut latest: Option<Latest> = None;
    while let Some(row) = rows.try_next().await? {
        match &mut latest {
            Some(latest) if latest.document_id == row.document_id => latest.hear(row),
            latest => {
                let complete = latest.replace(Latest { document_id: row.document_id, events: Vec::with_capacity(selection.fields.len()) });
                latest.as_mut().expect("it was just put there").hear(row);
                if let Some(complete) = complete {
                    to.push(complete.reviews(), 0).await?;
                }
            }
        }
    }
    if let Some(complete) = latest {
        to.push(complete.reviews(), 0).await?;
    }
    Ok(())
}

/// The latest event of each field of one document so far.
struct Latest {
    document_id: Uuid,
    events: Vec<EventRow>,
}

impl Latest {
    /// The greatest (`occurred_at`, `position`) wins.
    fn hear(&mut self, row: EventRow) {
        match self.events.iter_mut().find(|known| known.place == row.place) {
            Some(known) if (known.occurred_at, known.position) < (row.occurred_at, row.position) => *known = row,
            Some(_) => {}
            None => self.events.push(row),
        }
    }

    /// A review that was undone leaves its field unreviewed.
    fn reviews(self) -> Reviews {
        let reviewed = self.events.into_iter().filter(|event| event.status != ReviewStatus::Unreviewed);
        let mut fields: Vec<ReviewedField> = reviewed.map(ReviewedField::from).collect();
        fields.sort_unstable_by_key(|field| field.place);
        Reviews { document_id: self.document_id, fields }
    }
}

impl From<EventRow> for ReviewedField {
    fn from(row: EventRow) -> Self {
        Self {
            place: usize::try_from(row.place).expect("places of an array count from 1") - 1,
            value: row.value,
            status: row.status,
            position: row.position,
            reviewer: row.reviewer,
            occurred_at: row.occurred_at,
        }
    }
}
