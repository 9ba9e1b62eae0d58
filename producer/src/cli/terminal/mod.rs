//! Terminal output and input: formats, tables, colours, pager, progress bars, prompts.

mod cell;
mod columns;
mod id;
pub(crate) mod learning_curve_table;
mod names;
mod output;
mod pager;
mod progress;
mod prompt;
mod settings;
pub(crate) mod slice_tables;
mod style;
mod table;
pub(crate) mod target_table;
mod time;
mod yaml;

pub(crate) use self::cell::{cell, items, text_cell};
pub(crate) use self::columns::unknown_columns;
pub(crate) use self::id::{id_cell, id_value_cell};
pub(crate) use self::output::{Output, escape_lines, human_bytes, print_json_line, print_message, print_note, print_text};
pub(crate) use self::progress::{Spinner, TICK_INTERVAL, byte_bar, style_bar};
pub(crate) use self::prompt::{confirm, read_secret};
pub(crate) use self::settings::{Color, Wishes, set_up};
pub(crate) use self::table::table;
pub(crate) use self::time::{format_time, format_time_value, time_cell, time_value_cell};
