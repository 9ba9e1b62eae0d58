//! The program whose spans are exported.

/// The program that exports spans.
#[derive(Debug, Clone, Copy)]
pub struct Service {
    /// `service.name`, unless the environment has another one.
    pub name: &'static str,
    /// `service.version`.
    pub version: &'static str,
}
