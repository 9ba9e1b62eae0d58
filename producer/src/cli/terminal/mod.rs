//! Terminal output and input: formats, tables, progress bars, prompts.

mod output;
mod progress;
mod prompt;
mod table;

pub(crate) use self::output::{Output, format_minute, format_time, human_bytes, print_line};
pub(crate) use self::progress::{Spinner, TICK_INTERVAL, byte_bar, style_bar};
pub(crate) use self::prompt::confirm;
pub(crate) use self::table::table;
