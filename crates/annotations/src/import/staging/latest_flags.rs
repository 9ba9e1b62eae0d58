//! Flags that mark the latest predictions of a task.

/// Determines the flags of predicted values. Whether labelled spans alone predict a field is known only after the whole file was read, so
/// the latest value is marked for both cases: among all values, and among those with a control.
#[derive(Debug, Default)]
pub(super) struct LatestFlags<'t> {
    fields: Vec<&'t str>,
    fields_by_control: Vec<&'t str>,
    versions: Vec<(&'t str, &'t str)>,
    versions_by_control: Vec<(&'t str, &'t str)>,
}

impl<'t> LatestFlags<'t> {
    /// The latest value of its field in its task.
    const FIELD: i16 = 1;
    /// The same among values with a control.
    const FIELD_BY_CONTROL: i16 = 2;
    /// The latest value of its extractor version for its field.
    const VERSION: i16 = 4;
    /// The same among values with a control.
    const VERSION_BY_CONTROL: i16 = 8;

    /// Returns the flags of a value. Must be called from the latest value to the oldest.
    pub(super) fn flags(&mut self, version: &'t str, field: &'t str, has_control: bool) -> i16 {
        fn is_first<K: PartialEq>(seen: &mut Vec<K>, key: K) -> bool {
            let is_first = !seen.contains(&key);
            if is_first {
                seen.push(key);
            }
            is_first
        }
        let mut flags = 0;
        if is_first(&mut self.fields, field) {
            flags |= Self::FIELD;
        }
        if is_first(&mut self.versions, (version, field)) {
            flags |= Self::VERSION;
        }
        if has_control && is_first(&mut self.fields_by_control, field) {
            flags |= Self::FIELD_BY_CONTROL;
        }
        if has_control && is_first(&mut self.versions_by_control, (version, field)) {
            flags |= Self::VERSION_BY_CONTROL;
        }
        flags
    }
}
