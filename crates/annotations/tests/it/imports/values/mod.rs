//! Names, values and places.

mod canonical_text;
mod field_names;
mod labels;
mod places;
mod real_values;
mod whole_numbers;
