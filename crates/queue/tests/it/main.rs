//! Tests of publisher and listener against a real Redis.

#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod acl;
mod cleanup;
mod fixture;
mod health;
mod malformed;
mod outage;
mod publishing;
