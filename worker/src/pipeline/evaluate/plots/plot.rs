//! A finished plot, and the name of its file.

/// A finished plot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plot {
    /// Path below the directory of the model.
    pub(crate) file: String,
    pub(crate) title: String,
    /// What the plot shows, in words.
    pub(crate) description: String,
    /// The image.
    pub(crate) svg: String,
}

/// Path of the plot of a field. The number makes it unique, the rest readable.
pub(crate) fn field_file(plot: &str, number: usize, field: &str) -> String {
    let safe: String = field.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' }).take(40).collect();
    format!("plots/{plot}-{number:02}-{}.svg", safe.trim_matches('-'))
}
