//! Times from outside: reading them, and rejecting those in the future.

mod clock;
mod deserialize;
mod parse;

pub use self::clock::Clock;
pub use self::deserialize::deserialize_time;
pub use self::parse::parse_time;
