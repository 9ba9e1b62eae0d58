//! Coverage–accuracy curve: how many answers a field gives at a threshold, and how many of them are right.

use aprendiz_evaluation::CurvePoint;
use plotters::element::{Circle, DashedPathElement, PathElement};
use plotters::style::{Color as _, ShapeStyle};

use crate::pipeline::evaluate::plots::canvas::{Axis, Canvas, Drawn, HEADER, HEIGHT, Header, LEFT, SMALL_SIZE, TextLook, percent};
use crate::pipeline::evaluate::plots::label::shorten;
use crate::pipeline::evaluate::plots::palette::{BLUE, MUTED, ORANGE, PAPER, VERMILION};
use crate::pipeline::evaluate::plots::plot::Plot;

/// How a field is used.
pub(crate) struct Operating {
    /// Target accuracy of the answers.
    pub(crate) target: f64,
    /// The threshold of the model; `None` = it answers nothing.
    pub(crate) threshold: Option<f64>,
    /// Coverage and accuracy on the test split at the threshold.
    pub(crate) coverage: Option<f64>,
    pub(crate) selective_accuracy: Option<f64>,
    /// Thresholds of other targets, as target and threshold.
    pub(crate) others: Vec<(f64, f64)>,
}

/// The curve of a field on the test split; `None` without examples.
pub(crate) fn coverage_plot(file: String, field: &str, curve: &[CurvePoint], operating: &Operating) -> Option<Plot> {
    let lowest = curve.iter().map(|point| point.accuracy).fold(operating.target, f64::min);
    let last = curve.last()?;
    let bottom = ((lowest - 0.03) * 20.0).floor().max(0.0) / 20.0;
    let target = percent(&operating.target);
    let state = match (operating.threshold, operating.coverage, operating.selective_accuracy) {
        (Some(threshold), Some(coverage), Some(accuracy)) => {
            format!("At the threshold {threshold:.3}, {} are answered and {} of these are right.", rounded(coverage), rounded(accuracy))
        }
        (Some(threshold), ..) => format!("At the threshold {threshold:.3}, no test example is answered."),
        (None, ..) => format!("Nothing is answered: no threshold is known to reach the target {target}."),
    };
    let everything = format!(" Without a threshold, {} are answered, {} right.", rounded(last.coverage), rounded(last.accuracy));
    let title = format!("Coverage and accuracy of {}", shorten(field, 40));
    let description = format!("{state}{everything} The target is {target}.");
    let header = Header { title: &title, subtitle: &state, description: &description };
    Canvas::plot(file, HEIGHT, &header, |canvas| {
        let x = Axis { name: "Coverage (share of test examples that is answered)", range: 0.0..1.0, format: percent, ticks: 11 };
        let y = Axis { name: "Accuracy of the answers", range: bottom..1.005, format: percent, ticks: 8 };
        let mut chart = Canvas::chart(&canvas.area, HEADER + 62, x, y)?;
        chart.draw_series([DashedPathElement::new([(0.0, operating.target), (1.0, operating.target)], 14, 10, ORANGE.stroke_width(4))])?;
        let points: Vec<(f64, f64)> = curve.iter().map(|point| (point.coverage, point.accuracy)).collect();
        if points.len() == 1 {
            chart.draw_series([Circle::new(points[0], 7, BLUE.filled())])?;
        }
        chart.draw_series([PathElement::new(points, BLUE.stroke_width(4))])?;
        for (_, threshold) in &operating.others {
            // the point of a thinned curve with the lowest confidence that is still answered
            if let Some(point) = curve.iter().rev().find(|point| point.threshold >= *threshold) {
                let at = (point.coverage, point.accuracy);
                chart.draw_series([Circle::new(at, 10, PAPER.filled()), Circle::new(at, 10, BLUE.stroke_width(4))])?;
            }
        }
        if let (Some(coverage), Some(accuracy)) = (operating.coverage, operating.selective_accuracy) {
            chart.draw_series([
                Circle::new((coverage, accuracy), 13, PAPER.filled()),
                Circle::new((coverage, accuracy), 11, VERMILION.filled()),
            ])?;
        }
        draw_key(canvas, operating, &target)
    })
}

/// The meaning of lines and points, above the curve.
fn draw_key(canvas: &Canvas<'_>, operating: &Operating, target: &str) -> Drawn {
    let y = HEADER + 24;
    let look = TextLook { anchor: LEFT, ..TextLook::sized(SMALL_SIZE) };
    let dash: ShapeStyle = ORANGE.stroke_width(4);
    canvas.line(vec![(28, y), (42, y)], dash)?;
    canvas.line(vec![(50, y), (64, y)], dash)?;
    canvas.text(&format!("target {target}"), (76, y), look)?;
    if operating.selective_accuracy.is_some() {
        canvas.circle((300, y), 11, VERMILION.filled())?;
        canvas.text("threshold of the model", (322, y), look)?;
    }
    if !operating.others.is_empty() {
        let others: Vec<String> = operating.others.iter().map(|(target, _)| percent(target)).collect();
        canvas.circle((660, y), 10, BLUE.stroke_width(4))?;
        let text = format!("thresholds of the targets {}", others.join(", "));
        canvas.text(&text, (682, y), TextLook { color: MUTED, ..look })?;
    }
    Ok(())
}

fn rounded(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}
