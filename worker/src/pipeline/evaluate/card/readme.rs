//! The sections of `README.md` that are the same for all kinds: plots, intended use and limits.

use std::fmt::Write as _;

use crate::pipeline::evaluate::card::champion::ChampionComparison;
use crate::pipeline::evaluate::card::document::Card;
use crate::pipeline::evaluate::card::markdown::escape;
use crate::pipeline::evaluate::card::slices::section;

/// Use, limits, the worst slices, the comparison with the champion, and the plots as relative images.
pub(crate) fn sections(card: &Card<'_>) -> String {
    let mut text = String::new();
    for (title, sentences) in [("Intended use", &card.intended_use), ("Limits", &card.limits)] {
        list(&mut text, title, sentences);
    }
    if let Some(worst) = &card.worst_slices {
        text.push_str(&section(worst));
    }
    if let Some(champion) = &card.champion {
        push_champion(&mut text, champion);
    }
    if !card.plots.is_empty() {
        text.push_str("\n## Plots\n");
    }
    for plot in &card.plots {
        // writing to a String cannot fail
        let _ = write!(text, "\n![{}]({})\n\n{}\n", escape(&plot.title), plot.file, escape(&plot.description));
    }
    text.push_str(
        "\n`card.json` holds the content of this card for programs, `card.html` all of it with its plots in one file. Neither contains texts of \
         documents.\n",
    );
    text
}

fn list(text: &mut String, title: &str, sentences: &[String]) {
    if sentences.is_empty() {
        return;
    }
    let _ = write!(text, "\n## {title}\n\n");
    for sentence in sentences {
        let _ = writeln!(text, "- {}", escape(sentence));
    }
}

fn push_champion(text: &mut String, champion: &ChampionComparison) {
    let _ = write!(text, "\n## Compared with the champion, version {}\n\n", champion.number);
    if let Some(reason) = &champion.omitted {
        let _ = writeln!(text, "Not compared: {}.", escape(reason));
        return;
    }
    text.push_str(
        "On the test documents of both. In percentage points, with the 95 % interval.\n\n| Field | n | Accuracy, champion | Accuracy | Difference \
         |\n| --- | --- | --- | --- | --- |\n",
    );
    for field in &champion.fields {
        let Some(accuracy) = field.metrics.iter().find(|metric| metric.metric == "accuracy") else { continue };
        let share = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.4}"));
        let difference = accuracy.difference.map_or_else(|| "–".to_owned(), |difference| format!("{:+.1}", 100.0 * difference));
        let interval = accuracy
            .interval
            .map_or_else(String::new, |interval| format!(" ({:+.1} to {:+.1})", 100.0 * interval.low, 100.0 * interval.high));
        let (champion, own) = (share(accuracy.baseline), share(accuracy.candidate));
        let _ = writeln!(text, "| {} | {} | {champion} | {own} | {difference}{interval} |", escape(&field.field), field.n);
    }
}
