//! The attributes of an example by which metrics are computed, and how they are written.

/// Value of an attribute that an example does not have.
pub const NO_SLICE_VALUE: &str = "(none)";
/// Value under which the less frequent values of a dimension are combined.
pub const OTHER_SLICES: &str = "(other)";
/// Maximum length of a value in characters; longer values are cut, so values with the same beginning are one slice.
pub const MAX_SLICE_VALUE_CHARS: usize = 100;

/// The dimensions that every run has, in their order.
const DIMENSIONS: [&str; 5] = ["reviewer", "source", "project", "text_length", "review_date"];
/// Prefix of the dimension of a key of metadata.
const METADATA_PREFIX: &str = "metadata.";

/// The attributes of one example.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SliceAttributes<'a> {
    /// Who accepted the value.
    pub reviewer: Option<&'a str>,
    /// Source of the document.
    pub source: Option<&'a str>,
    /// Project of the source.
    pub project: Option<&'a str>,
    /// Length of the text in characters.
    pub text_chars: Option<usize>,
    /// Year and month (1 to 12) of the review in UTC.
    pub reviewed: Option<(i32, u32)>,
    /// Values of the keys of metadata, in the order of the keys. A value that is no string is written as JSON.
    pub metadata: &'a [Option<String>],
}

/// Names of all dimensions: those of every run, and one for each key of metadata.
#[must_use]
pub fn slice_dimensions(metadata_keys: &[String]) -> Vec<String> {
    let metadata = metadata_keys.iter().map(|key| format!("{METADATA_PREFIX}{key}"));
    DIMENSIONS.iter().map(|name| (*name).to_owned()).chain(metadata).collect()
}

impl SliceAttributes<'_> {
    /// The value of every dimension, in the order of [`slice_dimensions`].
    #[must_use]
    pub fn values(&self) -> Vec<String> {
        // the name of a project is unique within its source only
        let project = self.project.map(|project| format!("{}/{project}", self.source.unwrap_or_default()));
        let quarter = self.reviewed.map(|(year, month)| format!("{year:04}-Q{}", month.saturating_sub(1) / 3 + 1));
        let fixed = [
            value(self.reviewer),
            value(self.source),
            value(project.as_deref()),
            value(self.text_chars.map(length_bucket)),
            value(quarter.as_deref()),
        ];
        fixed.into_iter().chain(self.metadata.iter().map(|text| value(text.as_deref()))).collect()
    }
}

fn value(text: Option<&str>) -> String {
    match text {
        None | Some("") => NO_SLICE_VALUE.to_owned(),
        Some(text) => text.chars().take(MAX_SLICE_VALUE_CHARS).collect(),
    }
}

/// The bucket of a text with so many characters. The names need no quotes in a shell.
const fn length_bucket(chars: usize) -> &'static str {
    match chars {
        0..1_000 => "under-1k",
        1_000..5_000 => "1k-5k",
        5_000..20_000 => "5k-20k",
        20_000..100_000 => "20k-100k",
        _ => "100k-or-more",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_follow_the_order_of_the_dimensions() {
        let attributes = SliceAttributes {
            reviewer: Some("ana"),
            source: Some("label-studio"),
            project: Some("7"),
            text_chars: Some(5_000),
            reviewed: Some((2026, 3)),
            metadata: &[Some("ACME".to_owned()), None, Some(String::new())],
        };
        let expected = ["ana", "label-studio", "label-studio/7", "5k-20k", "2026-Q1", "ACME", "(none)", "(none)"];
        assert_eq!(attributes.values(), expected);
        let keys = ["customer", "region", "empty"].map(str::to_owned);
        assert_eq!(slice_dimensions(&keys)[4..], ["review_date", "metadata.customer", "metadata.region", "metadata.empty"]);
        assert_eq!(slice_dimensions(&keys).len(), attributes.values().len());
        assert_eq!(SliceAttributes::default().values(), ["(none)"; 5]);
    }

    #[test]
    fn a_text_belongs_to_the_bucket_that_starts_at_its_length() {
        let buckets = [0, 999, 1_000, 4_999, 5_000, 19_999, 20_000, 99_999, 100_000].map(length_bucket);
        let expected = ["under-1k", "under-1k", "1k-5k", "1k-5k", "5k-20k", "5k-20k", "20k-100k", "20k-100k", "100k-or-more"];
        assert_eq!(buckets, expected);
    }

    #[test]
    fn quarters_are_those_of_the_calendar_and_long_values_are_cut_by_characters() {
        let quarter = |month| SliceAttributes { reviewed: Some((2026, month)), ..SliceAttributes::default() }.values()[4].clone();
        assert_eq!([1, 3, 4, 6, 7, 9, 10, 12].map(quarter).map(|text| text[6..].to_owned()), ["1", "1", "2", "2", "3", "3", "4", "4"]);
        assert_eq!(value(Some(&"é".repeat(101))), "é".repeat(100));
    }
}
