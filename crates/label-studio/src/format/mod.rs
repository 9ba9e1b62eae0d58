//! The structures of Label Studio files as they appear in JSON.

pub(crate) mod annotation;
pub(crate) mod controls;
pub(crate) mod items;
pub(crate) mod json_min;
pub(crate) mod lenient;
pub(crate) mod object;
pub(crate) mod result_item;
pub(crate) mod task;
pub(crate) mod task_extension;
pub(crate) mod unknown_keys;
