//! Arguments that several commands share.

mod id;
pub(crate) mod time;
mod wait;

pub(crate) use self::id::{IdArg, IdKind, choose_among};
pub(crate) use self::wait::{WaitArgs, interruptible};
