//! Names of sources. With project and task id, the source identifies a document.

/// Maximum number of characters of a name.
pub(super) const MAX_SOURCE_CHARS: usize = 100;

/// Checks the name of a source.
///
/// # Errors
/// With a sentence that says which names are valid.
pub fn check_source_name(name: &str) -> Result<(), String> {
    if name.trim().is_empty() || name.chars().count() > MAX_SOURCE_CHARS || name.contains(char::is_control) {
        return Err(format!("use 1 to {MAX_SOURCE_CHARS} characters without control characters"));
    }
    if name.trim() != name {
        return Err("remove the white space at its ends".to_owned());
    }
    if name.contains('/') {
        return Err("remove the `/`: documents are named SOURCE/PROJECT/TASK".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_fits_into_the_name_of_a_document() {
        for valid in ["label-studio", "Label Studio 2", "são paulo", &"x".repeat(100)] {
            assert_eq!(check_source_name(valid), Ok(()), "{valid}");
        }
        for invalid in ["", "  ", " a", "a/b", "a\nb", &"x".repeat(101)] {
            assert!(check_source_name(invalid).is_err(), "{invalid:?}");
        }
    }
}
