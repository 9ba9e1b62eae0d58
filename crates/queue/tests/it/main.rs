//! Announcing and hearing, through a real Redis.

#![expect(clippy::unwrap_used, reason = "whatever fails here fails the test")]

mod announcing;
mod fixture;
mod garbage;
mod outage;
mod tidying;
