//! The importer and the readers of documents and fields, against a real Postgres.

#![expect(clippy::unwrap_used, reason = "a failed step of a test should stop it there")]

mod background;
mod cuad;
mod database;
mod documents;
mod erasing;
mod export;
mod exporting;
mod failures;
mod hostile;
mod importing;
mod label_studio;
mod leasing;
mod legacy_csv;
mod mirroring;
mod near_duplicates;
mod normalizing;
mod overlapping;
mod prose;
mod repeating;
mod reviewing;
mod single_reviews;
mod variants;
mod versions;
