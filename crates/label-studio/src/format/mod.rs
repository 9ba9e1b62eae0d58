//! The structures of Label Studio files as they appear in JSON.

pub(crate) mod annotation;
pub(crate) mod controls;
pub(crate) mod json_min;
pub(crate) mod task;
pub(crate) mod task_extension;
pub(crate) mod unknown_keys;
