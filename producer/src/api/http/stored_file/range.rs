//! The `Range` header of a download. A single byte range is supported; any other header is ignored, as RFC 9110 allows.

use http_range_header::parse_range_header;

/// The part of a file that a client requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RangeRequest {
    /// The whole file.
    Full,
    /// From the first to the last byte, both included.
    Partial(u64, u64),
    /// A range that lies beyond the end of the file.
    Unsatisfiable,
}

/// Parses the header for a file of `bytes` bytes.
pub(crate) fn parse_range(header: Option<&str>, bytes: u64) -> RangeRequest {
    let Some(ranges) = header.and_then(|value| parse_range_header(value).ok()).filter(|ranges| ranges.len() == 1) else {
        return RangeRequest::Full;
    };
    match ranges.validate(bytes).as_deref() {
        Ok([range]) => RangeRequest::Partial(*range.start(), *range.end()),
        // for an empty file the list of valid ranges is empty
        _ => RangeRequest::Unsatisfiable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_the_three_forms_of_a_single_range() {
        assert_eq!(parse_range(Some("bytes=0-9"), 100), RangeRequest::Partial(0, 9));
        assert_eq!(parse_range(Some("bytes=90-"), 100), RangeRequest::Partial(90, 99));
        assert_eq!(parse_range(Some("bytes=-10"), 100), RangeRequest::Partial(90, 99));
        assert_eq!(parse_range(Some("bytes=90-1000"), 100), RangeRequest::Partial(90, 99));
        assert_eq!(parse_range(Some("bytes=-1000"), 100), RangeRequest::Partial(0, 99));
    }

    #[test]
    fn a_range_beyond_the_end_is_unsatisfiable() {
        assert_eq!(parse_range(Some("bytes=100-"), 100), RangeRequest::Unsatisfiable);
        assert_eq!(parse_range(Some("bytes=100-200"), 100), RangeRequest::Unsatisfiable);
        assert_eq!(parse_range(Some("bytes=-0"), 100), RangeRequest::Unsatisfiable);
        assert_eq!(parse_range(Some("bytes=0-"), 0), RangeRequest::Unsatisfiable);
    }

    #[test]
    fn an_unsupported_header_selects_the_whole_file() {
        for header in [None, Some("bytes=0-1,3-4"), Some("items=0-1"), Some("bytes=9-1"), Some("bytes=x-y"), Some("bytes=-")] {
            assert_eq!(parse_range(header, 100), RangeRequest::Full, "{header:?}");
        }
    }
}
