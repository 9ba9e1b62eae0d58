//! Training loss by step, as the training process reported it.

use std::collections::BTreeMap;

use plotters::element::{Circle, PathElement};
use plotters::style::Color as _;

use crate::pipeline::evaluate::plots::canvas::{Axis, Canvas, HEADER, HEIGHT, Header};
use crate::pipeline::evaluate::plots::label::shorten;
use crate::pipeline::evaluate::plots::palette::SERIES;
use crate::pipeline::evaluate::plots::plot::Plot;

/// A reported loss.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LossPoint {
    pub(crate) step: u64,
    pub(crate) loss: f64,
    /// The field, if each is trained on its own.
    pub(crate) field: Option<String>,
    /// What else distinguishes one fit from the next, such as the fold.
    pub(crate) fit: String,
}

/// A fit: its field, and what else distinguishes it.
type Fit<'a> = (Option<&'a str>, &'a str);

/// The loss of a run; `None` below two points.
pub(crate) fn loss_plot(file: String, points: &[LossPoint]) -> Option<Plot> {
    let points: Vec<&LossPoint> = points.iter().filter(|point| point.loss.is_finite()).collect();
    if points.len() < 2 {
        return None;
    }
    let steps = points.iter().map(|point| point.step);
    let (first, last) = (steps.clone().min()? as f64, steps.max()? as f64);
    let highest = points.iter().map(|point| point.loss).fold(0.0, f64::max);
    if highest <= 0.0 || first >= last {
        return None;
    }
    // a fit is a line of its own: the loss starts again from above
    let mut fits: BTreeMap<Fit<'_>, Vec<(f64, f64)>> = BTreeMap::new();
    for point in &points {
        fits.entry((point.field.as_deref(), point.fit.as_str())).or_default().push((point.step as f64, point.loss));
    }
    let mut fields: Vec<Option<&str>> = fits.keys().map(|(field, _)| *field).collect();
    fields.dedup();
    let color = |field: Option<&str>| SERIES[fields.iter().position(|other| *other == field).unwrap_or(0) % SERIES.len()];
    let newest = points.last().map_or(0.0, |point| point.loss);
    let subtitle = format!("{} reported values up to step {last}; the last one is {newest:.4}. Each line is one fit.", points.len());
    let header = Header { title: "Training loss", subtitle: &subtitle, description: &subtitle };
    Canvas::plot(file, HEIGHT, &header, |canvas| {
        let legend: Vec<_> = fields.iter().filter_map(|field| Some((shorten((*field)?, 20), color(*field)))).collect();
        canvas.legend(&legend, HEADER + 24)?;
        let top = if legend.is_empty() { HEADER + 20 } else { HEADER + 62 };
        let x = Axis { name: "Step", range: first..last, format: |step| format!("{step:.0}"), ticks: 9 };
        let y = Axis { name: "Loss", range: 0.0..highest * 1.05, format: short_number, ticks: 6 };
        let mut chart = Canvas::chart(&canvas.area, top, x, y)?;
        for ((field, _), line) in &fits {
            let color = color(*field);
            chart.draw_series(line.iter().filter(|_| line.len() < 60).map(|point| Circle::new(*point, 5, color.filled())))?;
            chart.draw_series([PathElement::new(line.clone(), color.stroke_width(3))])?;
        }
        Ok(())
    })
}

fn short_number(value: &f64) -> String {
    let digits = if value.abs() < 0.1 { 3 } else { 2 };
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}
