//! The section of `README.md` about the slices in which a model is worse than elsewhere.

use std::fmt::Write as _;

use aprendiz_evaluation::WorstSlices;

use crate::pipeline::evaluate::card::markdown::escape;

/// What the list contains, for the README and the page.
pub(crate) fn describe(worst: &WorstSlices) -> String {
    let found = match worst.significant {
        0 => "None of them is significantly less accurate than the rest of its field".to_owned(),
        1 => "One of them is significantly less accurate than the rest of its field".to_owned(),
        count if count > worst.slices.len() as u64 => {
            format!(
                "{count} of them are significantly less accurate than the rest of their fields; these are the {} most significant",
                worst.slices.len()
            )
        }
        count => format!("{count} of them are significantly less accurate than the rest of their fields"),
    };
    format!(
        "Slices of the test split with at least 5 independent examples that were compared with the rest of their fields: {}. {found} (Fisher's \
         exact test, one-sided, 5 %, adjusted for the number of comparisons).",
        worst.compared
    )
}

/// The section.
pub(crate) fn section(worst: &WorstSlices) -> String {
    let mut text = format!("\n## Worst slices\n\n{}\n", describe(worst));
    if worst.slices.is_empty() {
        return text;
    }
    text.push_str("\n| Field | Slice | n | Accuracy | 95 % interval | Rest, n | Rest, accuracy | p, adjusted |\n");
    text.push_str("| --- | --- | --- | --- | --- | --- | --- | --- |\n");
    for slice in &worst.slices {
        let interval = slice.interval.map_or_else(|| "–".to_owned(), |interval| format!("{:.3}–{:.3}", interval.low, interval.high));
        // writing to a String cannot fail
        let _ = writeln!(
            text,
            "| {} | {}: {} | {} | {:.4} | {interval} | {} | {:.4} | {:.2e} |",
            escape(&slice.field),
            escape(&slice.dimension),
            escape(&slice.value),
            slice.n,
            slice.accuracy,
            slice.rest_n,
            slice.rest_accuracy,
            slice.adjusted_p_value
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use aprendiz_evaluation::WorstSlice;

    use super::*;

    #[test]
    fn the_section_names_slices_without_markup_and_the_number_of_comparisons() {
        let slice = WorstSlice {
            field: "law".to_owned(),
            dimension: "source".to_owned(),
            value: "a|b".to_owned(),
            n: 40,
            accuracy: 0.5,
            interval: None,
            rest_n: 60,
            rest_accuracy: 0.9,
            p_value: 0.000_01,
            adjusted_p_value: 0.000_12,
        };
        let text = section(&WorstSlices { compared: 12, significant: 1, slices: vec![slice] });
        assert!(
            text.contains("fields: 12. One of them") && text.contains("| law | source: a\\|b | 40 | 0.5000 | – | 60 | 0.9000 | 1.20e-4 |"),
            "{text}"
        );
        let none = section(&WorstSlices::default());
        assert!(none.contains("None of them") && !none.contains("| Field"), "{none}");
    }
}
