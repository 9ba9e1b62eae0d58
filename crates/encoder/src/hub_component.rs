//! Parts of the names of models and revisions.

/// Whether a text can be the owner or name of a model, or a revision, and so the name of a folder.
pub(crate) fn is_valid_component(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 128
        && !name.starts_with('.')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}
