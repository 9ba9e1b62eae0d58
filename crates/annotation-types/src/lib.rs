//! Types shared by the readers of annotation files and by the database layer. No I/O.
//!
//! The feature `sqlx` implements the sqlx traits for the types that are stored in columns; the readers build without it.

mod canonical;
mod comparison;
mod display;
mod field;
mod field_kind;
mod field_name;
mod json_lines;
mod missing;
mod normalization;
mod places;
mod quarantined_task;
mod reading;
mod reason_groups;
mod review_order;
mod review_status;
mod scalars;
mod spans;
mod texts;
mod time;

pub use canonical::{
    IdReading, canonical_date, canonical_number, canonical_value, canonical_values, is_iso_date, is_plain_number, read_id, same_value,
};
pub use comparison::{canonical, canonical_label, comparable, comparable_lowercase, is_blank, is_invisible, same_on_screen, same_values};
pub use display::{NO_VALUE, display_label, display_optional_label, display_values, escape_unprintable, look_alike_groups, look_alike_key};
pub use field::{Cardinality, FieldType, is_number, is_valid_field_name};
pub use field_kind::FieldKind;
pub use field_name::{FieldNames, UNUSABLE_NAME, derive_field_name};
pub use json_lines::escape_line_breaks;
pub use missing::{is_missing_word, resembles_missing_word};
pub use normalization::{Case, Normalization, Normalizer};
pub use places::{BadPlace, Place, resolve_places};
pub use quarantined_task::QuarantinedTask;
pub use reason_groups::{ReasonGroup, ReasonGroups};
pub use review_order::review_order;
pub use review_status::ReviewStatus;
pub use scalars::{MAX_ID_CHARS, remove_nul, truncate_printable};
pub use spans::{IndexedText, Span};
pub use texts::{HTML_TEXT, MOJIBAKE_TEXT, describe_address, has_mojibake, is_html, rendered_text};
pub use time::{Clock, deserialize_time, parse_time};
