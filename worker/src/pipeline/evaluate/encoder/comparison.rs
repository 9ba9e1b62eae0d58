//! Compares a trained encoder with its base model.

use aprendiz_training::EncoderReport;

/// The effect of training, by average precision on the pairs of the test split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    /// Higher than the base model.
    Better,
    /// Equal to the base model.
    Same,
    /// Lower than the base model.
    Worse,
    /// Undefined, because the test split lacks positive or negative pairs.
    Unknown,
}

impl Comparison {
    pub(super) fn from_report(report: &EncoderReport) -> Self {
        match (report.base, report.trained) {
            (Some(base), Some(trained)) if trained.average_precision > base.average_precision => Self::Better,
            (Some(base), Some(trained)) if trained.average_precision < base.average_precision => Self::Worse,
            (Some(_), Some(_)) => Self::Same,
            _ => Self::Unknown,
        }
    }

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Same => "same",
            Self::Worse => "worse",
            Self::Unknown => "unknown",
        }
    }

    /// The comparison as a sentence without a full stop.
    pub(super) fn describe(self, report: &EncoderReport) -> String {
        let values = report.base.zip(report.trained).map_or(String::new(), |(base, trained)| {
            format!(": average precision on the test split {:.4}, base model {:.4}", trained.average_precision, base.average_precision)
        });
        match self {
            Self::Better => format!("training improved the encoder{values}"),
            Self::Same => format!("training made no measurable difference{values}"),
            Self::Worse => format!("training made the encoder worse{values}; use the base model or train with other parameters"),
            Self::Unknown if report.pairs == 0 && report.fields.iter().all(|field| field.neighbours.is_none()) => {
                "nothing was measured: the test split has neither pairs nor documents of the trained fields; import and review documents \
                 that are not near-duplicates of these"
                    .to_owned()
            }
            Self::Unknown => {
                "it is unknown whether training improved the encoder: the test split lacks positive or negative pairs".to_owned()
            }
        }
    }
}

/// What a reader of the metrics must know first, as sentences without a full stop.
pub(super) fn quality_warnings(comparison: Comparison, report: &EncoderReport) -> Vec<String> {
    let mut warnings = Vec::new();
    if matches!(comparison, Comparison::Worse | Comparison::Unknown) {
        warnings.push(comparison.describe(report));
    }
    let worse = worse_fields(report);
    if !worse.is_empty() {
        warnings.push(format!("the k-nearest-neighbour accuracy of these fields is lower than with the base model: {}", worse.join(", ")));
    }
    warnings
}

/// Fields with a lower k-nearest-neighbour accuracy than with the base model.
pub(super) fn worse_fields(report: &EncoderReport) -> Vec<&str> {
    let worse = report.fields.iter().filter(|field| field.neighbours.is_some_and(|accuracy| accuracy.trained < accuracy.base));
    worse.map(|field| field.field.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use aprendiz_training::{EncoderFieldReport, KnnMetrics, PairMetrics};

    use super::*;

    fn report(base: f64, trained: f64) -> EncoderReport {
        let metrics = |average_precision| Some(PairMetrics { average_precision, spearman: 0.5 });
        let neighbours = Some(KnnMetrics { index: 4, queries: 2, groups: 2, base: 1.0, trained: 0.5, majority: 0.5 });
        let field = EncoderFieldReport { field: "law".to_owned(), pairs: 2, copies: 0, base: None, trained: None, neighbours };
        EncoderReport { pairs: 2, copies: 0, base: metrics(base), trained: metrics(trained), fields: vec![field] }
    }

    #[test]
    fn a_regression_is_reported_prominently() {
        let worse = report(0.8, 0.7);
        assert_eq!(Comparison::from_report(&worse), Comparison::Worse);
        let text = Comparison::Worse.describe(&worse);
        assert!(text.contains("worse") && text.contains("0.7000") && text.contains("0.8000"), "{text}");
        assert_eq!(worse_fields(&worse), ["law"]);
        let warnings = quality_warnings(Comparison::Worse, &worse);
        assert!(warnings.len() == 2 && warnings[0] == text && warnings[1].ends_with("base model: law"), "{warnings:?}");
        assert_eq!(Comparison::from_report(&report(0.7, 0.8)), Comparison::Better);
        let empty = EncoderReport { pairs: 0, copies: 0, base: None, trained: None, fields: Vec::new() };
        assert!(Comparison::from_report(&empty).describe(&empty).starts_with("nothing was measured"));
        assert_eq!(Comparison::from_report(&EncoderReport { base: None, ..report(0.7, 0.8) }), Comparison::Unknown);
    }
}
