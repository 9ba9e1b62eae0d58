//! The `Range` header of a download: one range of bytes; anything else is answered with the whole file, as RFC 9110 allows.

/// What a client wants of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// The whole file.
    All,
    /// From the first to the last byte, both included.
    Part(u64, u64),
    /// A range that the file does not have.
    Impossible,
}

/// Reads the header for a file of so many bytes.
pub(crate) fn wanted_range(header: Option<&str>, bytes: u64) -> Wanted {
    let Some((first, last)) = header.and_then(|value| value.strip_prefix("bytes=")).and_then(|range| range.trim().split_once('-')) else {
        return Wanted::All;
    };
    match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if first > last => Wanted::All,
        (Ok(first), _) if first >= bytes && (last.is_empty() || last.parse::<u64>().is_ok()) => Wanted::Impossible,
        (Ok(first), Ok(last)) => Wanted::Part(first, last.min(bytes - 1)),
        (Ok(first), Err(_)) if last.is_empty() => Wanted::Part(first, bytes - 1),
        (Err(_), Ok(length)) if first.is_empty() => {
            if length == 0 || bytes == 0 {
                Wanted::Impossible
            } else {
                Wanted::Part(bytes.saturating_sub(length), bytes - 1)
            }
        }
        _ => Wanted::All,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_understood_in_its_three_forms() {
        assert_eq!(wanted_range(Some("bytes=0-9"), 100), Wanted::Part(0, 9));
        assert_eq!(wanted_range(Some("bytes=90-"), 100), Wanted::Part(90, 99));
        assert_eq!(wanted_range(Some("bytes=-10"), 100), Wanted::Part(90, 99));
        assert_eq!(wanted_range(Some("bytes=90-1000"), 100), Wanted::Part(90, 99));
        assert_eq!(wanted_range(Some("bytes=-1000"), 100), Wanted::Part(0, 99));
    }

    #[test]
    fn a_range_beyond_the_file_is_refused() {
        assert_eq!(wanted_range(Some("bytes=100-"), 100), Wanted::Impossible);
        assert_eq!(wanted_range(Some("bytes=100-200"), 100), Wanted::Impossible);
        assert_eq!(wanted_range(Some("bytes=-0"), 100), Wanted::Impossible);
        assert_eq!(wanted_range(Some("bytes=0-"), 0), Wanted::Impossible);
    }

    #[test]
    fn what_is_not_understood_gives_the_whole_file() {
        for header in [None, Some("bytes=0-1,3-4"), Some("items=0-1"), Some("bytes=9-1"), Some("bytes=x-y"), Some("bytes=-")] {
            assert_eq!(wanted_range(header, 100), Wanted::All, "{header:?}");
        }
    }
}
