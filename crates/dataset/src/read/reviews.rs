//! Reads the latest review of every field of every document as of the position.

use std::borrow::Cow;
use std::collections::HashSet;

use aprendiz_annotation_types::{canonical, canonical_label};
use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use sqlx::PgConnection;
use uuid::Uuid;

use aprendiz_annotations::ReviewStatus;

use crate::read::channel::{ReadInterruption, Sender};
use crate::read::example::ReviewedField;
use crate::selection::Selection;

/// The reviewed fields of one document, sorted by their index in the selection.
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

/// Sends the reviews ordered by the bytes of their document ids.
pub(super) async fn read_reviews(mut conn: PgConnection, selection: Selection, mut sender: Sender<Reviews>) {
    let outcome = send_reviews(&mut conn, &selection, &mut sender).await;
    sender.close(outcome).await;
}

async fn send_reviews(conn: &mut PgConnection, selection: &Selection, sender: &mut Sender<Reviews>) -> Result<(), ReadInterruption> {
    // Follows the order of the index `annotation_events_latest`, so only events of equal times are sorted, and only the event that counts
    // of each field is sent.
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
          AND counts_at(e.withdrawals, $1)
          AND e.field = ANY($5)
          AND ($2::uuid[] IS NULL OR e.document_id = ANY($2))
          AND (($3::text IS NULL AND $4::text IS NULL) OR e.document_id IN (
              SELECT d.id
              FROM documents d
              WHERE ($3::text IS NULL OR d.source = $3) AND ($4::text IS NULL OR d.project = $4)
          ))
        ORDER BY e.document_id, e.field, e.occurred_at DESC, octet_length(e.source_ref) DESC, e.source_ref COLLATE "C" DESC, e.source COLLATE "C" DESC
        "#,
        selection.position,
        selection.documents.as_deref(),
        selection.source,
        selection.project,
        &selection.fields,
    )
    .fetch(conn);
    let untrainable = selection.untrainable_names();
    let mut current: Option<Reviews> = None;
    while let Some(row) = rows.try_next().await? {
        let document_id = row.document_id;
        if current.as_ref().is_none_or(|reviews| reviews.document_id != document_id) {
            let next = Reviews { document_id, fields: Vec::with_capacity(selection.fields.len()) };
            if let Some(reviews) = current.replace(next) {
                sender.push(reviews.sorted(), 0).await?;
            }
        }
        // an undone review leaves its field unreviewed
        if row.status != ReviewStatus::Unreviewed {
            let reviews = current.as_mut().expect("set above");
            reviews.fields.push(row.into_reviewed_field(&selection.fields, |field| !untrainable.iter().any(|name| name == field)));
        }
    }
    if let Some(reviews) = current {
        sender.push(reviews.sorted(), 0).await?;
    }
    Ok(())
}

impl Reviews {
    /// Sorts the fields by index; the server orders names by its own collation.
    fn sorted(mut self) -> Self {
        self.fields.sort_unstable_by_key(|field| field.field_index);
        self
    }
}

impl EventRow {
    /// `fields` are the sorted fields of the selection.
    fn into_reviewed_field(self, fields: &[String], is_label: impl Fn(&str) -> bool) -> ReviewedField {
        ReviewedField {
            field_index: fields.binary_search(&self.field).expect("the query selects only these fields"),
            value: stored_values(self.value, is_label(&self.field)),
            status: self.status,
            position: self.position,
            reviewer: self.reviewer,
            occurred_at: self.occurred_at,
        }
    }
}

/// Brings values to the form that new values have when they are stored; labels have single blanks, so that equal ones are one label. Older values, and values of fields that became categorical later, may have another form.
fn stored_values(values: Vec<String>, are_labels: bool) -> Vec<String> {
    let form: fn(&str) -> Cow<'_, str> = if are_labels { canonical_label } else { canonical };
    if values.iter().all(|value| form(value) == *value) {
        return values;
    }
    let mut seen = HashSet::new();
    values.iter().map(|value| form(value).into_owned()).filter(|value| seen.insert(value.clone())).collect()
}
