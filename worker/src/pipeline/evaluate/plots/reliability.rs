//! Reliability diagram: how often predictions of a confidence are right, with the number of predictions below.

use aprendiz_evaluation::ReliabilityBin;
use plotters::element::{Circle, DashedPathElement, PathElement, Rectangle};
use plotters::style::Color as _;

use crate::pipeline::evaluate::plots::canvas::{Axis, Canvas, HEADER, HEIGHT, Header, LEFT, SMALL_SIZE, TextLook, percent};
use crate::pipeline::evaluate::plots::label::shorten;
use crate::pipeline::evaluate::plots::palette::{BLUE, MUTED, SKY};
use crate::pipeline::evaluate::plots::plot::Plot;

/// Height of the histogram of confidences below the diagram.
const HISTOGRAM: i32 = 230;

/// The diagram of a field on the test split; `None` without examples.
pub(crate) fn reliability_plot(file: String, field: &str, bins: &[ReliabilityBin], ece: Option<f64>) -> Option<Plot> {
    let most = bins.iter().map(|bin| bin.examples).max().filter(|most| *most > 0)?;
    let total: u64 = bins.iter().map(|bin| bin.examples).sum();
    let title = format!("Reliability of {}", shorten(field, 40));
    let error = ece.map(|ece| format!("Expected calibration error: {ece:.3}. ")).unwrap_or_default();
    let subtitle = format!("{error}Points below the dashed line: the model is surer than it should be.");
    let description = format!("{error}Accuracy by confidence of {total} test examples, in {} intervals of the confidence.", bins.len());
    let header = Header { title: &title, subtitle: &subtitle, description: &description };
    Canvas::plot(file, HEIGHT + HISTOGRAM - 60, &header, |canvas| {
        let (upper, lower) = canvas.area.split_vertically(HEIGHT - 60);
        let x = |name| Axis { name, range: 0.0..1.0, format: percent, ticks: 11 };
        let y = Axis { name: "Accuracy", range: 0.0..1.02, format: percent, ticks: 6 };
        let mut chart = Canvas::chart(&upper, HEADER + 62, x("Confidence of the prediction"), y)?;
        chart.draw_series([DashedPathElement::new([(0.0, 0.0), (1.0, 1.0)], 12, 9, MUTED.stroke_width(3))])?;
        for bin in bins {
            let (Some(interval), Some(accuracy)) = (bin.interval, bin.accuracy) else { continue };
            chart.draw_series([PathElement::new(
                vec![(bin.confidence, interval.low), (bin.confidence, interval.high)],
                BLUE.stroke_width(3),
            )])?;
            chart.draw_series([Circle::new((bin.confidence, accuracy), 9, BLUE.filled())])?;
        }
        let look = TextLook { anchor: LEFT, ..TextLook::sized(SMALL_SIZE) };
        let key = HEADER + 24;
        canvas.circle((40, key), 9, BLUE.filled())?;
        canvas.text("accuracy with Wilson's 95 % interval", (64, key), look)?;
        canvas.line(vec![(560, key), (576, key)], MUTED.stroke_width(3))?;
        canvas.line(vec![(584, key), (600, key)], MUTED.stroke_width(3))?;
        canvas.text("perfectly calibrated", (614, key), look)?;
        let counts = Axis { name: "Examples", range: 0.0..most as f64 * 1.1, format: |count| format!("{count:.0}"), ticks: 3 };
        let mut histogram = Canvas::chart(&lower, 10, x("Confidence (intervals)"), counts)?;
        histogram.draw_series(
            bins.iter()
                .filter(|bin| bin.examples > 0)
                .map(|bin| Rectangle::new([(bin.low + 0.003, 0.0), (bin.high - 0.003, bin.examples as f64)], SKY.filled())),
        )?;
        Ok(())
    })
}
