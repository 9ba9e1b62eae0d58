//! Sequential commands: the model predicts the content of the database at every position.

use std::collections::BTreeMap;

use aprendiz_annotations::import::ImportError;
use aprendiz_annotations::reviews::{NewReview, ReviewError};
use aprendiz_dataset::ExclusionReason;
use aprendiz_db::Session;
use aprendiz_test_support::TestDatabase;
use chrono::{DateTime, Utc};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use sqlx::{Connection as _, PgConnection};

use super::command::{Command, Form, command, text};
use super::model::{Additions, Event, Model, version_at};
use super::{DOCUMENTS, FIELDS, runner, world};

const CASES: u32 = 12;
const MAX_COMMANDS: usize = 24;
/// Number of positions at which each history is compared afterwards.
const COMPARED_POSITIONS: usize = 8;

#[test]
fn the_database_agrees_with_the_model_at_every_position() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (database, conn) = runtime.block_on(async {
        let database = TestDatabase::create().await;
        let conn = PgConnection::connect(database.url()).await.unwrap();
        (database, conn)
    });
    let options = Session::new(database.url().parse().unwrap());
    let (mut runner, seed) = runner(CASES);
    let conn = std::cell::RefCell::new(conn);
    let histories = (prop::collection::vec(command(), 1..=MAX_COMMANDS), 0..MAX_COMMANDS, [any::<u16>(); COMPARED_POSITIONS]);
    let outcome = runner.run(&histories, |(commands, snapshot_after, samples)| {
        let mut conn = conn.borrow_mut();
        runtime.block_on(case(&options, &mut conn, &commands, snapshot_after, samples)).map_err(TestCaseError::fail)
    });
    if let Err(error) = outcome {
        panic!("PROPTEST_RNG_SEED={seed}: {error}");
    }
}

async fn case(
    database: &Session,
    conn: &mut PgConnection,
    commands: &[Command],
    snapshot_after: usize,
    samples: [u16; COMPARED_POSITIONS],
) -> Result<(), String> {
    world::empty(conn).await;
    let start = world::newest_position(conn).await;
    let mut history = History { model: Model::default(), newest: start, written: Vec::new(), moments: Vec::new(), database, conn };
    for field in 0..FIELDS.len() {
        history.model.forms[field].push((start, Form::Categorical));
    }
    let mut early = None;
    for (number, command) in commands.iter().enumerate() {
        history.apply(command).await.map_err(|error| format!("command {number}, {command:?}: {error}"))?;
        if number == snapshot_after % commands.len() {
            let position = history.newest;
            early = Some((position, history.snapshot(position).await?));
        }
    }
    history.compare_current().await?;
    for sample in samples {
        let position = start + (history.newest - start) * i64::from(sample) / i64::from(u16::MAX);
        history.compare_as_of(position).await.map_err(|error| format!("as of {position}: {error}"))?;
    }
    history.snapshot(start + (history.newest - start) * i64::from(samples[0]) / i64::from(u16::MAX)).await?;
    if let Some((position, hash)) = early {
        same("the canonical hash of a snapshot built before and after later commands", &history.snapshot(position).await?, &hash)?;
    }
    history.compare_times().await
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, expected: &T) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{what}: found {found:?}, expected {expected:?}")) }
}

/// Model and database, compared after every command.
struct History<'a> {
    model: Model,
    /// The newest position.
    newest: i64,
    /// Written reviews, with the position of their event.
    written: Vec<(NewReview, i64)>,
    /// Times, with the newest position at each.
    moments: Vec<(DateTime<Utc>, i64)>,
    database: &'a Session,
    conn: &'a mut PgConnection,
}

impl History<'_> {
    async fn apply(&mut self, command: &Command) -> Result<(), String> {
        let mut additions = Additions::default();
        match command {
            Command::Import(tasks) => {
                additions = self.model.import(tasks);
                world::import(self.conn, tasks).await.map_err(|error| error.to_string())?;
            }
            Command::Review(review) => {
                let reference = format!("key/{}", self.written.len());
                let outcome = match world::request(self.conn, review, &reference).await {
                    Ok(request) => world::write(self.conn, request.clone()).await.map(|reviewed| (request, reviewed)),
                    Err(error) => Err(error),
                };
                match (self.model.review(review, &reference), outcome) {
                    (Ok(event), Ok((request, reviewed))) => {
                        same("created", &reviewed.created, &true)?;
                        self.written.push((request, reviewed.event_position));
                        additions.events.push(event);
                    }
                    (Err("unknown"), Err(ReviewError::UnknownDocument(_)))
                    | (Err("stale"), Err(ReviewError::Stale { .. }))
                    | (Err("nothing to undo"), Err(ReviewError::NothingToUndo { .. })) => {}
                    (expected, found) => return Err(format!("found {found:?}, expected {expected:?}")),
                }
            }
            Command::Repeat(pick) => {
                if let Some((request, position)) = self.written.get(pick % self.written.len().max(1)).cloned() {
                    let again = world::write(self.conn, request).await.map_err(|error| error.to_string())?;
                    same("a repetition", &(again.event_position, again.created), &(position, false))?;
                }
            }
            Command::Create { document, text, title } => {
                let newest = |versions: &Vec<(i64, u8)>| versions.last().map(|(_, version)| *version);
                let existing = (newest(&self.model.texts[*document]), newest(&self.model.titles[*document]));
                if existing == (None, None) {
                    self.model.add_versions(*document, *text, *title, &mut additions);
                }
                match (world::create(self.conn, *document, *text, *title).await, existing) {
                    (Ok(created), (None, None)) if created.created => {}
                    (Ok(created), existing) if !created.created && existing == (Some(*text), Some(*title)) => {}
                    (Err(ImportError::DocumentExists { .. }), (Some(_), Some(_))) if existing != (Some(*text), Some(*title)) => {}
                    (found, existing) => return Err(format!("found {found:?}, but {existing:?} existed")),
                }
            }
            Command::Redefine { field, form } => {
                let position = world::redefine(self.conn, *field, *form).await;
                let forms = &mut self.model.forms[*field];
                if forms.last().is_some_and(|(_, newest)| newest != form) {
                    forms.push((position, *form));
                }
            }
        }
        self.compare_additions(additions).await
    }

    /// Compares the new rows with the expected ones, and adds their positions to the model.
    async fn compare_additions(&mut self, additions: Additions) -> Result<(), String> {
        let mut expected = additions.events;
        let mut found: Vec<Event> = world::events_after(self.conn, self.newest)
            .await
            .into_iter()
            .map(|row| Event {
                key: (row.task_id.parse().unwrap(), FIELDS.iter().position(|field| *field == row.field).unwrap()),
                accepted: (row.status != "UNREVIEWED").then_some(row.value),
                status: status_name(&row.status),
                reference: row.source_ref,
                at: Some(row.occurred_at),
                position: row.position,
            })
            .collect();
        found.sort_by(|one, other| (one.key, &one.reference, one.at).cmp(&(other.key, &other.reference, other.at)));
        expected.sort_by(|one, other| (one.key, &one.reference, one.at).cmp(&(other.key, &other.reference, other.at)));
        same("number of events", &found.len(), &expected.len())?;
        for (found, expected) in found.iter().zip(&mut expected) {
            expected.position = found.position;
            expected.at = expected.at.or(found.at);
            same("event", found, expected)?;
        }
        self.model.events.extend(found);

        let [texts, titles] = world::versions_after(self.conn, self.newest).await;
        let contents = |rows: &[(i64, String, String)]| -> Vec<(usize, String)> {
            let mut contents: Vec<_> = rows.iter().map(|(_, task, content)| (task.parse().unwrap(), content.clone())).collect();
            contents.sort();
            contents
        };
        let mut new_texts: Vec<_> = additions.texts.iter().map(|(document, wording)| (*document, text(*document, *wording))).collect();
        let mut new_titles: Vec<_> = additions.titles.iter().map(|(document, title)| (*document, title.to_string())).collect();
        new_texts.sort();
        new_titles.sort();
        same("texts", &contents(&texts), &new_texts)?;
        same("titles", &contents(&titles), &new_titles)?;
        for (rows, added, versions) in [(texts, additions.texts, &mut self.model.texts), (titles, additions.titles, &mut self.model.titles)]
        {
            for (position, task, _) in rows {
                let document: usize = task.parse().unwrap();
                let version = added.iter().find(|(added, _)| *added == document).unwrap().1;
                versions[document].push((position, version));
            }
        }
        self.newest = world::newest_position(self.conn).await;
        let now = sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(&mut *self.conn).await.unwrap();
        self.moments.push((now, self.newest));
        Ok(())
    }

    /// Compares the current state of every field of every document.
    async fn compare_current(&mut self) -> Result<(), String> {
        type Row = (String, String, Option<Vec<String>>, Option<Vec<String>>, String, Option<DateTime<Utc>>, Option<i64>);
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT d.task_id, a.field, a.predicted_value, a.accepted_value, a.review_status::text, a.occurred_at, a.event_position
             FROM annotations a JOIN documents d ON d.id = a.document_id
             ORDER BY 1, 2",
        )
        .fetch_all(&mut *self.conn)
        .await
        .unwrap();
        let mut expected = Vec::new();
        for (document, field) in document_fields() {
            let key = (document, field);
            let (event, predicted) = (self.model.latest(key, i64::MAX), self.model.predicted(key));
            if event.is_none() && predicted.is_none() {
                continue;
            }
            let accepted = event.and_then(|event| event.accepted.clone());
            let status = self.model.status(key, accepted.as_deref()).to_owned();
            let (at, position) = (event.and_then(|event| event.at), event.map(|event| event.position));
            expected.push((document.to_string(), FIELDS[field].to_owned(), predicted, accepted, status, at, position));
        }
        same("current state", &rows, &expected)
    }

    async fn compare_as_of(&mut self, position: i64) -> Result<(), String> {
        let mut scored = Vec::new();
        for (document, field) in document_fields() {
            let event = self.model.latest((document, field), position);
            if let Some(accepted) = event.and_then(|event| event.accepted.clone()) {
                scored.push((FIELDS[field].to_owned(), accepted, self.model.predicted((document, field))));
            }
            if let Some(id) = world::document_id(self.conn, document).await {
                let found = world::accepted_as_of(self.conn, id, field, position).await;
                let found = found.map(|found| (found.position, found.accepted_value, Some(found.occurred_at)));
                let expected = event.map(|event| (event.position, event.accepted.clone(), event.at));
                same(&format!("{} of document {document}", FIELDS[field]), &found, &expected)?;
            }
        }
        scored.sort();
        let selection = world::selection(self.conn, position).await;
        same("reviewed predictions", &world::scored(self.conn, &selection).await, &scored)?;
        let mut excluded = Vec::new();
        for (field, forms) in self.model.forms.iter().enumerate() {
            match version_at(forms, position).unwrap_or(forms[0].1) {
                Form::Categorical => {}
                Form::ManyValues => excluded.push((FIELDS[field].to_owned(), ExclusionReason::ManyValues)),
                Form::Text => excluded.push((FIELDS[field].to_owned(), ExclusionReason::Kind)),
            }
        }
        let found: Vec<_> = selection.untrainable.into_iter().map(|field| (field.field, field.reason)).collect();
        same("fields that cannot be trained", &found, &excluded)?;

        let titles: Vec<(String, String)> = sqlx::query_as(
            "SELECT DISTINCT ON (d.task_id) d.task_id, v.metadata->>'title'
             FROM document_details v JOIN documents d ON d.id = v.document_id
             WHERE v.position <= $1
             ORDER BY d.task_id, v.version DESC",
        )
        .bind(position)
        .fetch_all(&mut *self.conn)
        .await
        .unwrap();
        let title = |document: usize| Some((document.to_string(), version_at(&self.model.titles[document], position)?.to_string()));
        same("titles", &titles, &(0..DOCUMENTS).filter_map(title).collect())
    }

    /// Builds a snapshot, compares its examples with the model and returns its canonical hash.
    async fn snapshot(&mut self, position: i64) -> Result<Option<String>, String> {
        let selection = world::selection(self.conn, position).await;
        let mut expected: BTreeMap<String, (String, BTreeMap<&str, Vec<String>>)> = BTreeMap::new();
        for (document, field) in document_fields() {
            let accepted = self.model.latest((document, field), position).and_then(|event| event.accepted.clone());
            if let (Some(accepted), Some(wording)) = (accepted, version_at(&self.model.texts[document], position)) {
                let example = expected.entry(document.to_string()).or_insert_with(|| (text(document, wording), BTreeMap::new()));
                example.1.insert(FIELDS[field], accepted);
            }
        }
        let Some((hash, examples)) = world::snapshot(self.database, &selection).await else {
            return same("examples", &0, &expected.len()).map(|()| None);
        };
        same("examples", &examples.len(), &expected.len())?;
        for (task, (text, fields)) in &expected {
            let example = &examples[task];
            same("text", &example["text"].as_str(), &Some(text.as_str()))?;
            for field in FIELDS {
                let expected = fields.get(field).map(|value| serde_json::json!(value));
                same(
                    "value",
                    &example["fields"].get(field).filter(|field| !field.is_null()).map(|field| field["value"].clone()),
                    &expected,
                )?;
            }
        }
        Ok(Some(hash))
    }

    /// Checks that every time resolves to the position that was the newest at that time.
    async fn compare_times(&mut self) -> Result<(), String> {
        for (time, position) in std::mem::take(&mut self.moments) {
            same(&format!("position as of {time}"), &aprendiz_runs::resolve_position(self.conn, Some(time)).await.unwrap(), &position)?;
        }
        Ok(())
    }
}

fn document_fields() -> impl Iterator<Item = (usize, usize)> {
    (0..DOCUMENTS).flat_map(|document| (0..FIELDS.len()).map(move |field| (document, field)))
}

/// The static name used by the model.
fn status_name(status: &str) -> &'static str {
    ["OK", "CORRECTED", "NEW", "REJECTED", "MISSING", "UNREVIEWED"].into_iter().find(|known| *known == status).unwrap()
}
