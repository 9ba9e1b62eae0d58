//! The whole system from outside: the real binaries, on real Postgres, Redis and S3, each test with its own.
//!
//! A test starts what it needs ([`site::Site`]), waits for conditions and never for time, holds processes where it acts on them ([`hold::Hold`]), and breaks things with signals.

#![expect(clippy::unwrap_used, reason = "whatever fails here fails the test")]

mod annotation_export;
mod audit;
mod child;
mod commands;
mod crowd;
mod cuad;
mod datasets;
mod disk;
mod embeddings;
mod encoders;
mod events;
mod export;
mod faults;
mod gate;
mod hold;
mod hub;
mod imports;
mod interruption;
mod keys;
mod legacy_csv;
mod objects;
mod operations;
mod phases;
mod redis;
mod repetition;
mod resume;
mod review_queue;
mod reviewing;
mod run_errors;
mod site;
mod snapshots;
mod start;
mod supervision;
mod sweeping;
mod upload_errors;
mod whole_way;
