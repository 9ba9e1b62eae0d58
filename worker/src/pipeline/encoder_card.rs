//! An encoder in words: for people who open its directory, and in short for lists. That training made it worse stands at the top.

use std::fmt::Write as _;

use runs::BaseModelName;
use serde_json::{Value, json};
use training::{EncoderReport, MOST_TEST_PAIRS, NEIGHBOURS};

use crate::pipeline::base_model::Base;
use crate::pipeline::evaluate_encoder::Trained;

/// What training did to the encoder, by its average precision on the pairs of test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// More than the base model.
    Better,
    /// As much as the base model.
    Same,
    /// Less than the base model.
    Worse,
    /// There are no pairs of both kinds to tell by.
    Unknown,
}

impl Verdict {
    pub(crate) fn of(report: &EncoderReport) -> Self {
        match (report.base, report.trained) {
            (Some(base), Some(trained)) if trained.average_precision > base.average_precision => Self::Better,
            (Some(base), Some(trained)) if trained.average_precision < base.average_precision => Self::Worse,
            (Some(_), Some(_)) => Self::Same,
            _ => Self::Unknown,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Same => "same",
            Self::Worse => "worse",
            Self::Unknown => "unknown",
        }
    }
}

/// The verdict as a sentence.
pub(crate) fn in_words(verdict: Verdict, report: &EncoderReport) -> String {
    let figures = report.base.zip(report.trained).map_or(String::new(), |(base, trained)| {
        format!(": average precision on test {:.4}, the base model has {:.4}", trained.average_precision, base.average_precision)
    });
    match verdict {
        Verdict::Better => format!("training made the encoder better{figures}"),
        Verdict::Same => format!("training changed nothing that can be measured{figures}"),
        Verdict::Worse => format!("TRAINING MADE THE ENCODER WORSE{figures}: use the base model, or train with other parameters"),
        Verdict::Unknown => "whether training made the encoder better is not known: the test split has no pairs of both kinds".to_owned(),
    }
}

/// The base model as model hubs know it.
fn hub_name(base: &Base) -> String {
    match &base.name {
        BaseModelName::Hub(name) if !name.contains('/') => format!("sentence-transformers/{name}"),
        name => name.to_string(),
    }
}

/// Fields whose classes neighbours tell less well than before.
fn worse_fields(report: &EncoderReport) -> Vec<&str> {
    let worse = report.fields.iter().filter(|field| field.neighbours.is_some_and(|figures| figures.trained < figures.base));
    worse.map(|field| field.field.as_str()).collect()
}

/// What lists show of a version.
pub(crate) fn card(trained: &Trained<'_>, verdict: Verdict, report: &EncoderReport) -> Value {
    let Trained { run, dataset, summary, base, .. } = trained;
    let fields: Vec<Value> = report
        .fields
        .iter()
        .map(|field| {
            let figures = field.neighbours;
            json!({
                "field": field.field, "n": figures.map_or(0, |figures| figures.asked), "pairs": field.pairs,
                "knn_accuracy": figures.map(|figures| figures.trained), "base_knn_accuracy": figures.map(|figures| figures.base),
                "majority_baseline": figures.map(|figures| figures.majority),
            })
        })
        .collect();
    json!({
        "kind": run.kind, "verdict": verdict.name(), "says": in_words(verdict, report), "worse_fields": worse_fields(report),
        "base_model": base.card(), "pairs": report.pairs, "average_precision": report.trained.map(|figures| figures.average_precision),
        "base_average_precision": report.base.map(|figures| figures.average_precision),
        "spearman": report.trained.map(|figures| figures.spearman), "base_spearman": report.base.map(|figures| figures.spearman),
        "fields": fields, "left_out": dataset.left_out, "dataset_hash": dataset.canonical_hash, "training": summary.encoder,
        "backend": summary.backend, "cpu_kernel": summary.cpu_kernel,
    })
}

/// The README of the model directory, with the front matter that model hubs read.
pub(crate) fn readme(trained: &Trained<'_>, verdict: Verdict, report: &EncoderReport) -> String {
    let Trained { run, spec, dataset, summary, base } = trained;
    let mut text = format!(
        "---\nlibrary_name: sentence-transformers\npipeline_tag: sentence-similarity\ntags: [sentence-transformers, feature-extraction]\n\
         base_model: {}\nmetrics: [average_precision, spearman, accuracy]\n---\n\n# {}\n\n",
        hub_name(base),
        run.model
    );
    let loud = if verdict == Verdict::Worse { "> **Warning.** " } else { "" };
    // writing to a String cannot fail
    let _ = writeln!(text, "{loud}{}.\n", in_words(verdict, report));
    let worse = worse_fields(report);
    if !worse.is_empty() {
        let _ = writeln!(
            text,
            "> **Warning.** Nearest neighbours tell these fields less well than with the base model: {}.\n",
            worse.join(", ")
        );
    }
    if let Some(encoder) = &summary.encoder {
        let best = encoder.best_epoch.map_or_else(|| "the last".to_owned(), |epoch| format!("epoch {epoch}"));
        let _ = writeln!(
            text,
            "A sentence encoder, trained by run `{}` on {} pairs of {} texts; {} epochs, of which {best} was kept.\n",
            run.id, encoder.pairs, encoder.texts, encoder.epochs
        );
    }
    let _ = writeln!(
        text,
        "- starts from `{}`, sha256 over configuration, tokenizer and weights `{}`\n- dataset snapshot `{}`, canonical hash `{}`\n\
         - seed {}, parameters `{}`, back end {} on {}\n- only the text of a document, and the values of its fields, are learned from\n",
        base.name,
        base.found.hash,
        dataset.id,
        dataset.canonical_hash,
        spec.seed,
        Value::Object(spec.params.clone()),
        summary.backend,
        summary.cpu_kernel,
    );
    let _ = writeln!(
        text,
        "## Test split\n\nPairs of texts that belong together stand before those that do not (average precision; at most {MOST_TEST_PAIRS} pairs), \
         and the {NEIGHBOURS} nearest documents of train tell the class of a document (accuracy).\n\n\
         | | pairs | average precision, base | trained | Spearman, base | trained |\n| --- | --- | --- | --- | --- | --- |"
    );
    let shown = |figure: Option<f64>| figure.map_or_else(|| "–".to_owned(), |figure| format!("{figure:.4}"));
    let all = ("all fields", report.pairs, report.base, report.trained);
    let rows = report.fields.iter().map(|field| (field.field.as_str(), field.pairs, field.base, field.trained));
    for (name, pairs, base, trained) in std::iter::once(all).chain(rows) {
        let precision = [base, trained].map(|figures| shown(figures.map(|figures| figures.average_precision)));
        let spearman = [base, trained].map(|figures| shown(figures.map(|figures| figures.spearman)));
        let _ = writeln!(text, "| {name} | {pairs} | {} | {} |", precision.join(" | "), spearman.join(" | "));
    }
    text.push_str("\n| field | documents | majority class | neighbours, base | neighbours, trained |\n| --- | --- | --- | --- | --- |\n");
    for field in &report.fields {
        let figures = field.neighbours;
        let cells = [figures.map(|figures| figures.majority), figures.map(|figures| figures.base), figures.map(|figures| figures.trained)];
        let _ = writeln!(text, "| {} | {} | {} |", field.field, figures.map_or(0, |figures| figures.asked), cells.map(shown).join(" | "));
    }
    text.push_str(
        "\nRead it with `SentenceTransformer(DIRECTORY)` of Python's sentence-transformers, or with `aprendiz embed`.\n\
         Files beside those of sentence-transformers: `metrics.json`, `test_pairs.jsonl` (cosines of the test pairs), `manifest.json` (sizes and hashes).\n",
    );
    text
}

#[cfg(test)]
mod tests {
    use training::{EncoderFieldReport, NeighbourFigures, PairFigures};

    use super::*;

    fn report(base: f64, trained: f64) -> EncoderReport {
        let figures = |average_precision| Some(PairFigures { average_precision, spearman: 0.5 });
        let neighbours = Some(NeighbourFigures { known: 4, asked: 2, base: 1.0, trained: 0.5, majority: 0.5 });
        let field = EncoderFieldReport { field: "law".to_owned(), pairs: 2, base: None, trained: None, neighbours };
        EncoderReport { pairs: 2, base: figures(base), trained: figures(trained), fields: vec![field] }
    }

    #[test]
    fn an_encoder_that_became_worse_says_so_loudly() {
        let worse = report(0.8, 0.7);
        assert_eq!(Verdict::of(&worse), Verdict::Worse);
        let words = in_words(Verdict::Worse, &worse);
        assert!(words.contains("WORSE") && words.contains("0.7000") && words.contains("0.8000"), "{words}");
        assert_eq!(worse_fields(&worse), ["law"]);
        assert_eq!(Verdict::of(&report(0.7, 0.8)), Verdict::Better);
        assert_eq!(Verdict::of(&EncoderReport { base: None, ..report(0.7, 0.8) }), Verdict::Unknown);
    }
}
