//! Terminal output and input: formats, tables, progress bars, prompts.

mod output;
mod progress;
mod prompt;
mod table;

pub(crate) use self::output::{Output, escape_lines, format_minute, format_time, human_bytes, print_json_line, print_message, print_text};
pub(crate) use self::progress::{Spinner, TICK_INTERVAL, byte_bar, style_bar};
pub(crate) use self::prompt::confirm;
pub(crate) use self::table::table;
