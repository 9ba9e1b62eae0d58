//! The source of what comes from Label Studio.

/// Source name of documents and reviews that come from Label Studio.
pub const SOURCE: &str = "label-studio";
