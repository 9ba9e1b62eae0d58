//! Confusion matrix: accepted values in rows, predictions in columns, with counts in the cells.

use aprendiz_evaluation::Confusion;
use plotters::style::Color as _;

use crate::pipeline::evaluate::plots::canvas::{
    CENTER, Canvas, Drawn, HEADER, Header, RIGHT, SMALL_SIZE, TEXT_SIZE, TextLook, WIDTH, text_width,
};
use crate::pipeline::evaluate::plots::label::{class_name, shorten};
use crate::pipeline::evaluate::plots::palette::{GRID, INK, MUTED, PAPER, shade};
use crate::pipeline::evaluate::plots::plot::Plot;

/// Classes with a row of their own; the others share one.
const MAX_CLASSES: usize = 12;
/// Length of a class name, in columns.
const MAX_NAME_COLUMNS: usize = 24;
const LEFT_EDGE: i32 = 360;
/// Space right of the matrix for the totals of the rows.
const TOTALS: i32 = 110;
const MAX_CELL: i32 = 84;
/// Above this share, dark cells need light text.
const DARK_SHARE: f64 = 0.55;

/// The matrix of the classes with the most examples; `None` without examples.
pub(crate) fn confusion_plot(file: String, field: &str, confusion: &Confusion) -> Option<Plot> {
    let matrix = Matrix::new(confusion)?;
    let size = i32::try_from(matrix.names.len()).ok()?;
    let longest = matrix.names.iter().map(|name| text_width(name, SMALL_SIZE)).max().unwrap_or(0);
    let cell = ((WIDTH - LEFT_EDGE - TOTALS) / size).min(MAX_CELL);
    let top = HEADER + 48;
    let height = top + size * cell + longest + 90;
    let total: u64 = matrix.counts.iter().flatten().sum();
    let right: u64 = matrix.right;
    let title = format!("Confusion matrix of {}", shorten(field, 40));
    let others = match matrix.others {
        0 => String::new(),
        others => format!(" The {others} rarest classes are combined as “other”."),
    };
    let combined = if matrix.others == 0 { String::new() } else { format!("; the {} rarest classes are combined", matrix.others) };
    let subtitle = format!("{right} of {total} test examples are right. Darker: a larger share of the row{combined}.");
    let description = format!(
        "Rows are accepted values, columns predictions. {right} of {total} test examples of {field} are predicted correctly.{others}"
    );
    let header = Header { title: &title, subtitle: &subtitle, description: &description };
    Canvas::plot(file, height, &header, |canvas| matrix.draw(canvas, top, cell, height))
}

/// The drawn part of a confusion matrix.
struct Matrix {
    names: Vec<String>,
    counts: Vec<Vec<u64>>,
    /// Number of classes in the last row; 0 if it is a class like the others.
    others: usize,
    /// Correct predictions. Mistakes among the combined classes are none, although they are on the diagonal.
    right: u64,
}

impl Matrix {
    fn new(confusion: &Confusion) -> Option<Self> {
        let Confusion { labels, counts } = confusion;
        let support = |class: usize| -> u64 { counts[class].iter().sum::<u64>() + counts.iter().map(|row| row[class]).sum::<u64>() };
        let mut order: Vec<usize> = (0..labels.len()).collect();
        order.retain(|class| support(*class) > 0);
        if order.is_empty() {
            return None;
        }
        order.sort_by_key(|class| (std::cmp::Reverse(support(*class)), *class));
        let shown = if order.len() > MAX_CLASSES + 1 { MAX_CLASSES } else { order.len() };
        let others = order.len() - shown;
        let mut place = vec![shown; labels.len()];
        order.iter().take(shown).enumerate().for_each(|(row, class)| place[*class] = row);
        let mut names: Vec<String> =
            order.iter().take(shown).map(|class| class_name(labels[*class].as_deref(), MAX_NAME_COLUMNS)).collect();
        if others > 0 {
            names.push(format!("other ({others} classes)"));
        }
        let mut combined = vec![vec![0; names.len()]; names.len()];
        for (gold, row) in counts.iter().enumerate() {
            for (predicted, count) in row.iter().enumerate().filter(|(_, count)| **count > 0) {
                combined[place[gold]][place[predicted]] += count;
            }
        }
        let right = (0..labels.len()).map(|class| counts[class][class]).sum();
        Some(Self { names, counts: combined, others, right })
    }

    fn draw(&self, canvas: &Canvas<'_>, top: i32, cell: i32, height: i32) -> Drawn {
        let small = TextLook::sized(SMALL_SIZE);
        let size = self.names.len() as i32 * cell;
        let right = LEFT_EDGE + size;
        canvas.text("Accepted value", (LEFT_EDGE - 14, top - 22), TextLook { anchor: RIGHT, bold: true, ..small })?;
        canvas.text("Sum", (right + TOTALS - 34, top - 22), TextLook { anchor: RIGHT, color: MUTED, ..small })?;
        for (row, (name, counts)) in self.names.iter().zip(&self.counts).enumerate() {
            let y = top + row as i32 * cell;
            let sum: u64 = counts.iter().sum();
            canvas.text(name, (LEFT_EDGE - 14, y + cell / 2), TextLook { anchor: RIGHT, ..small })?;
            canvas.text(&sum.to_string(), (right + TOTALS - 34, y + cell / 2), TextLook { anchor: RIGHT, color: MUTED, ..small })?;
            for (column, count) in counts.iter().enumerate() {
                let x = LEFT_EDGE + column as i32 * cell;
                let share = if sum > 0 { *count as f64 / sum as f64 } else { 0.0 };
                let corners = [(x, y), (x + cell, y + cell)];
                canvas.rectangle(corners, shade(share).filled())?;
                canvas.rectangle(corners, GRID.stroke_width(1))?;
                if *count > 0 {
                    let color = if share > DARK_SHARE { PAPER } else { INK };
                    let text = short_count(*count);
                    let fitting = (f64::from(cell) * 1.75 / text.chars().count().max(3) as f64) as i32;
                    let look = TextLook { anchor: CENTER, color, ..TextLook::sized(fitting.min(TEXT_SIZE)) };
                    canvas.text(&text, (x + cell / 2, y + cell / 2), look)?;
                }
            }
        }
        for class in 0..self.names.len() - usize::from(self.others > 0) {
            let (x, y) = (LEFT_EDGE + class as i32 * cell, top + class as i32 * cell);
            let outline = vec![(x, y), (x + cell, y), (x + cell, y + cell), (x, y + cell), (x, y)];
            canvas.line(outline, INK.stroke_width(2))?;
        }
        for (column, name) in self.names.iter().enumerate() {
            let x = LEFT_EDGE + column as i32 * cell + cell / 2;
            canvas.text(name, (x, top + size + 14), TextLook { anchor: RIGHT, upwards: true, ..small })?;
        }
        canvas.text("Prediction", (LEFT_EDGE + size / 2, height - 28), TextLook { anchor: CENTER, bold: true, ..small })
    }
}

/// A count in at most five characters.
fn short_count(count: u64) -> String {
    match count {
        0..=99_999 => count.to_string(),
        100_000..=999_999 => format!("{}k", count / 1000),
        _ => format!("{:.1}M", count as f64 / 1e6),
    }
}
