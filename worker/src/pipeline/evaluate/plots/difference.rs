//! Forest plot: by field, the difference of the accuracy from that of another version, with its interval.

use aprendiz_evaluation::Interval;
use plotters::style::{Color as _, RGBColor};

use crate::pipeline::evaluate::plots::canvas::{CENTER, Canvas, HEADER, Header, LEFT, RIGHT, SMALL_SIZE, TEXT_SIZE, TextLook, WIDTH};
use crate::pipeline::evaluate::plots::label::shorten;
use crate::pipeline::evaluate::plots::palette::{BLUE, GRID, MUTED, VERMILION};
use crate::pipeline::evaluate::plots::plot::Plot;

/// The difference of one field.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Difference {
    pub(crate) field: String,
    /// Compared independent examples.
    pub(crate) n: u64,
    /// Accuracy minus that of the other version.
    pub(crate) difference: f64,
    /// Its 95 % interval; `None` if there are too few examples.
    pub(crate) interval: Option<Interval>,
}

/// Rows of one plot; the others are counted.
const MAX_ROWS: usize = 30;
const ROW: i32 = 52;
const LEFT_EDGE: i32 = 330;
const RIGHT_EDGE: i32 = WIDTH - 380;
/// Smallest half width of the axis, as a difference.
const MIN_REACH: f64 = 0.02;

/// The differences of all fields; `None` without any.
pub(crate) fn difference_plot(file: String, other: &str, differences: &[Difference]) -> Option<Plot> {
    if differences.is_empty() {
        return None;
    }
    let shown = &differences[..differences.len().min(MAX_ROWS)];
    let ends = shown.iter().flat_map(|row| {
        let interval = row.interval.unwrap_or(Interval { low: row.difference, high: row.difference });
        [interval.low.abs(), interval.high.abs(), row.difference.abs()]
    });
    let reach = ends.filter(|end| end.is_finite()).fold(MIN_REACH, f64::max) * 1.08;
    let title = format!("Accuracy compared with {}", shorten(other, 40));
    let better = differences.iter().filter(|row| row.is_better()).count();
    let worse = differences.iter().filter(|row| row.is_worse()).count();
    let count = differences.len();
    let summary = format!("{better} of {count} fields are better, {worse} worse; the others are not clearly different.");
    let hidden = count - shown.len();
    let subtitle = if hidden == 0 { summary } else { format!("{summary} {hidden} more fields are not drawn.") };
    let description = format!("{subtitle} Difference in percentage points with its 95 % interval, on the test documents of both versions.");
    let header = Header { title: &title, subtitle: &subtitle, description: &description };
    let rows = i32::try_from(shown.len()).ok()?;
    let top = HEADER + 60;
    let height = top + rows * ROW + 110;
    Canvas::plot(file, height, &header, |canvas| {
        let small = TextLook::sized(SMALL_SIZE);
        let muted = TextLook { color: MUTED, anchor: CENTER, ..small };
        let place = |value: f64| {
            let share = (value.clamp(-reach, reach) + reach) / (2.0 * reach);
            LEFT_EDGE + (share * f64::from(RIGHT_EDGE - LEFT_EDGE)).round() as i32
        };
        let bottom = top + rows * ROW;
        let heads = [("worse", LEFT_EDGE, LEFT), ("better", RIGHT_EDGE, RIGHT)];
        for (text, x, anchor) in heads {
            canvas.text(text, (x, top - 24), TextLook { anchor, ..muted })?;
        }
        canvas.text("Points (95 % interval)", (RIGHT_EDGE + 24, top - 24), TextLook { anchor: LEFT, ..muted })?;
        canvas.text("n", (WIDTH - 30, top - 24), TextLook { anchor: RIGHT, ..muted })?;
        let step = tick_step(reach);
        let mut tick = -(reach / step).floor() * step;
        while tick <= reach {
            let x = place(tick);
            let style = if tick.abs() < step / 2.0 { MUTED.stroke_width(3) } else { GRID.stroke_width(2) };
            canvas.line(vec![(x, top - 4), (x, bottom)], style)?;
            canvas.text(&points(tick, if step < 0.01 { 1 } else { 0 }), (x, bottom + 24), muted)?;
            tick += step;
        }
        canvas.text(
            "Difference of the accuracy (percentage points)",
            ((LEFT_EDGE + RIGHT_EDGE) / 2, bottom + 70),
            TextLook { anchor: CENTER, ..TextLook::sized(TEXT_SIZE) },
        )?;
        for (row, difference) in (0..).zip(shown) {
            let y = top + row * ROW + ROW / 2;
            let color = difference.color();
            canvas.text(&shorten(&difference.field, 24), (LEFT_EDGE - 24, y), TextLook { anchor: RIGHT, ..small })?;
            if let Some(interval) = difference.interval {
                let (low, high) = (place(interval.low), place(interval.high));
                canvas.line(vec![(low, y), (high, y)], color.stroke_width(4))?;
                for end in [low, high] {
                    canvas.line(vec![(end, y - 9), (end, y + 9)], color.stroke_width(4))?;
                }
            }
            let x = place(difference.difference);
            canvas.rectangle([(x - 9, y - 9), (x + 9, y + 9)], color.filled())?;
            canvas.text(&difference.describe(), (RIGHT_EDGE + 24, y), TextLook { anchor: LEFT, ..small })?;
            canvas.text(&difference.n.to_string(), (WIDTH - 30, y), TextLook { anchor: RIGHT, ..small })?;
        }
        Ok(())
    })
}

impl Difference {
    fn is_better(&self) -> bool {
        self.interval.is_some_and(|interval| interval.low > 0.0)
    }

    fn is_worse(&self) -> bool {
        self.interval.is_some_and(|interval| interval.high < 0.0)
    }

    fn color(&self) -> RGBColor {
        match (self.is_better(), self.is_worse()) {
            (true, _) => BLUE,
            (_, true) => VERMILION,
            _ => MUTED,
        }
    }

    fn describe(&self) -> String {
        match self.interval {
            Some(interval) => format!("{} ({} to {})", points(self.difference, 1), points(interval.low, 1), points(interval.high, 1)),
            None => format!("{} (unknown)", points(self.difference, 1)),
        }
    }
}

/// A difference in percentage points, with its sign.
fn points(difference: f64, digits: usize) -> String {
    let text = format!("{:.digits$}", 100.0 * difference.abs());
    let is_zero = text.chars().all(|c| c == '0' || c == '.');
    match difference {
        _ if is_zero => text,
        difference if difference < 0.0 => format!("−{text}"),
        _ => format!("+{text}"),
    }
}

/// Distance of two ticks, so that there are two to five on each side.
fn tick_step(reach: f64) -> f64 {
    let steps = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.25];
    steps.into_iter().find(|step| reach / step <= 5.0).unwrap_or(0.5)
}
