//! Learning curve: accuracy by the number of labels that a model was trained on.

use plotters::element::{Circle, PathElement, Polygon};
use plotters::style::Color as _;
use serde::{Deserialize, Serialize};

use crate::pipeline::evaluate::plots::canvas::{Axis, Canvas, HEADER, HEIGHT, Header, percent};
use crate::pipeline::evaluate::plots::label::shorten;
use crate::pipeline::evaluate::plots::palette::BLUE;
use crate::pipeline::evaluate::plots::plot::Plot;

/// Accuracy of a model that was trained on a part of the labels.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct LearningPoint {
    /// Number of labels.
    pub(crate) n: u64,
    pub(crate) value: f64,
    /// 95 % interval.
    pub(crate) lower: f64,
    pub(crate) upper: f64,
}

/// The curve of a field; `None` below two different numbers of labels.
pub(crate) fn learning_curve_plot(file: String, field: &str, points: &[LearningPoint]) -> Option<Plot> {
    let mut points: Vec<LearningPoint> =
        points.iter().copied().filter(|point| [point.value, point.lower, point.upper].iter().all(|value| value.is_finite())).collect();
    points.sort_by_key(|point| point.n);
    let (first, last) = (*points.first()?, *points.last()?);
    if first.n == last.n {
        return None;
    }
    let lowest = points.iter().map(|point| point.lower).fold(1.0, f64::min);
    let bottom = ((lowest - 0.03) * 10.0).floor().max(0.0) / 10.0;
    let title = format!("Learning curve of {}", shorten(field, 40));
    let subtitle = format!(
        "From {:.1} % with {} labels to {:.1} % with {}. The band is the 95 % interval.",
        100.0 * first.value,
        first.n,
        100.0 * last.value,
        last.n
    );
    let header = Header { title: &title, subtitle: &subtitle, description: &subtitle };
    Canvas::plot(file, HEIGHT, &header, |canvas| {
        let x = Axis { name: "Labels used for training", range: 0.0..last.n as f64 * 1.03, format: |n| format!("{n:.0}"), ticks: 8 };
        let y = Axis { name: "Accuracy on the validation split", range: bottom..1.0, format: percent, ticks: 7 };
        let mut chart = Canvas::chart(&canvas.area, HEADER + 20, x, y)?;
        let upper = points.iter().map(|point| (point.n as f64, point.upper.min(1.0)));
        let lower = points.iter().rev().map(|point| (point.n as f64, point.lower.max(bottom)));
        chart.draw_series([Polygon::new(upper.chain(lower).collect::<Vec<_>>(), BLUE.mix(0.18).filled())])?;
        let line: Vec<(f64, f64)> = points.iter().map(|point| (point.n as f64, point.value)).collect();
        chart.draw_series(line.iter().map(|point| Circle::new(*point, 8, BLUE.filled())))?;
        chart.draw_series([PathElement::new(line, BLUE.stroke_width(4))])?;
        Ok(())
    })
}
