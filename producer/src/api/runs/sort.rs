//! Order of a list of runs, as written in the query parameter `sort`.

use aprendiz_runs::MetricOrder;

use crate::api::http::error::ApiError;

const FORM: &str = "expected metric:FIELD/NAME, or metric:NAME over all fields, with @SPLIT for another split than test, such as \
                    metric:contract_type/accuracy or metric:accuracy@reviewed";
const SPLITS: [&str; 4] = ["test", "validation", "train", "reviewed"];

/// Parses `metric:[FIELD/]NAME[@SPLIT]`.
pub(super) fn parse_sort(text: &str, ascending: bool) -> Result<MetricOrder, ApiError> {
    let reject = || ApiError::unprocessable("invalid_query", format!("sort is `{text}`: {FORM}"));
    let metric = text.strip_prefix("metric:").ok_or_else(reject)?;
    let (metric, split) = metric.rsplit_once('@').unwrap_or((metric, "test"));
    let (field, name) = match metric.split_once('/') {
        Some((field, name)) => (Some(field), name),
        None => (None, metric),
    };
    if name.is_empty() || field == Some("") || !SPLITS.contains(&split) {
        return Err(reject());
    }
    Ok(MetricOrder { field: field.map(str::to_owned), name: name.to_owned(), split: split.to_owned(), ascending })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_has_a_name_and_may_have_a_field_and_a_split() {
        let order = |text: &str| parse_sort(text, false).map(|order| (order.field, order.name, order.split));
        let expected = |field: Option<&str>, name: &str, split: &str| (field.map(str::to_owned), name.to_owned(), split.to_owned());
        assert_eq!(order("metric:law/accuracy").unwrap(), expected(Some("law"), "accuracy", "test"));
        assert_eq!(order("metric:macro_f1").unwrap(), expected(None, "macro_f1", "test"));
        assert_eq!(order("metric:law/accuracy@reviewed").unwrap(), expected(Some("law"), "accuracy", "reviewed"));
        for text in ["accuracy", "metric:", "metric:/accuracy", "metric:law/", "metric:accuracy@later"] {
            assert!(order(text).is_err(), "{text}");
        }
    }
}
