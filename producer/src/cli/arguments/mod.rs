//! Arguments that several commands share.

mod id;
mod wait;

pub(crate) use self::id::{IdArg, IdKind, choose_among};
pub(crate) use self::wait::{WaitArgs, interruptible};
