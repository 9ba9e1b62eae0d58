//! The drawing surface of all plots: a scalable SVG with a title, texts and axes in one style.

use std::ops::Range;

use plotters::backend::SVGBackend;
use plotters::chart::{ChartBuilder, ChartContext};
use plotters::coord::Shift;
use plotters::coord::cartesian::Cartesian2d;
use plotters::coord::types::RangedCoordf64;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea as _};
use plotters::element::{Circle, PathElement, Rectangle, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color as _, FontStyle, FontTransform, IntoFont as _, RGBColor, ShapeStyle, TextStyle};

use crate::pipeline::evaluate::plots::label::{clean, columns, escape};
use crate::pipeline::evaluate::plots::palette::{GRID, INK, MUTED, PAPER};
use crate::pipeline::evaluate::plots::plot::Plot;

/// Width of every plot, in units of its `viewBox`.
pub(super) const WIDTH: i32 = 1200;
/// Height of plots with two numeric axes.
pub(super) const HEIGHT: i32 = 760;

/// Text sizes, in units of the `viewBox`.
pub(super) const TITLE_SIZE: i32 = 38;
pub(super) const TEXT_SIZE: i32 = 27;
pub(super) const SMALL_SIZE: i32 = 23;

/// Height of the title and the line below it.
pub(super) const HEADER: i32 = 96;
const MARGIN: i32 = 28;

/// Width of a character of the sans-serif fonts of browsers, as a part of the text size. Only used to leave enough space.
pub(super) const CHARACTER_WIDTH: f64 = 0.46;

pub(super) type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;
pub(super) type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// What stands above a plot.
pub(super) struct Header<'a> {
    pub(super) title: &'a str,
    /// The line below the title, and all that a reader hears who cannot see the plot.
    pub(super) subtitle: &'a str,
    pub(super) description: &'a str,
}

/// An axis with its name and unit.
pub(super) struct Axis<'a> {
    pub(super) name: &'a str,
    pub(super) range: Range<f64>,
    pub(super) format: fn(&f64) -> String,
    pub(super) ticks: usize,
}

/// The surface, in units of the `viewBox`.
pub(super) struct Canvas<'a> {
    pub(super) area: DrawingArea<SVGBackend<'a>, Shift>,
}

impl Canvas<'_> {
    /// Draws a plot below its header. `None` if it cannot be drawn; this is logged, and the card does without the plot.
    pub(super) fn plot(file: String, height: i32, header: &Header<'_>, draw: impl FnOnce(&Canvas<'_>) -> Drawn) -> Option<Plot> {
        let mut svg = String::new();
        let size = (WIDTH.unsigned_abs(), height.unsigned_abs());
        let drawn = {
            let canvas = Canvas { area: SVGBackend::with_string(&mut svg, size).into_drawing_area() };
            canvas.header(header).and_then(|()| draw(&canvas)).and_then(|()| canvas.area.present())
        };
        if let Err(error) = drawn {
            tracing::warn!(plot = file, %error, "cannot draw a plot of the model card");
            return None;
        }
        let (title, description) = (clean(header.title), clean(header.description));
        let body = svg.split_once('>').map(|(_, body)| body.trim_start())?;
        let svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" role=\"img\">\n<title>{}</title>\n<desc>{}</desc>\n{body}",
            size.0,
            size.1,
            escape(&title),
            escape(&description),
        );
        Some(Plot { file, title, description, svg })
    }

    fn header(&self, header: &Header<'_>) -> Drawn {
        self.area.fill(&PAPER)?;
        self.text(header.title, (MARGIN, MARGIN), TextLook { bold: true, ..TextLook::sized(TITLE_SIZE) })?;
        self.text(header.subtitle, (MARGIN, MARGIN + TITLE_SIZE + 6), TextLook { color: MUTED, ..TextLook::sized(SMALL_SIZE) })
    }

    /// A text; `at` is the place of its anchor.
    pub(super) fn text(&self, text: &str, at: (i32, i32), look: TextLook) -> Drawn {
        self.area.draw(&Text::new(clean(text), at, look.style()))
    }

    pub(super) fn line(&self, points: Vec<(i32, i32)>, style: impl Into<ShapeStyle>) -> Drawn {
        self.area.draw(&PathElement::new(points, style))
    }

    pub(super) fn rectangle(&self, corners: [(i32, i32); 2], style: impl Into<ShapeStyle>) -> Drawn {
        self.area.draw(&Rectangle::new(corners, style))
    }

    pub(super) fn circle(&self, center: (i32, i32), radius: i32, style: impl Into<ShapeStyle>) -> Drawn {
        self.area.draw(&Circle::new(center, radius, style))
    }

    /// Two numeric axes with a grid, between `top` and the lower end of the plot.
    pub(super) fn chart<'a, 'b>(area: &'a DrawingArea<SVGBackend<'b>, Shift>, top: i32, x: Axis<'_>, y: Axis<'_>) -> ChartResult<'a, 'b> {
        let mut chart = ChartBuilder::on(area)
            .margin_top(top)
            .margin_right(MARGIN + 14)
            .margin_left(MARGIN - 10)
            .margin_bottom(10)
            .x_label_area_size(80)
            .y_label_area_size(104)
            .build_cartesian_2d(x.range, y.range)?;
        let label = TextLook { color: MUTED, ..TextLook::sized(SMALL_SIZE) }.style();
        chart
            .configure_mesh()
            .x_desc(x.name)
            .y_desc(y.name)
            .x_labels(x.ticks)
            .y_labels(y.ticks)
            .x_label_formatter(&x.format)
            .y_label_formatter(&y.format)
            .bold_line_style(GRID)
            .light_line_style(PAPER.mix(0.0))
            .axis_style(MUTED.stroke_width(2))
            .label_style(label)
            .axis_desc_style(TextLook::sized(TEXT_SIZE).style())
            .draw()?;
        Ok(chart)
    }

    /// Names of series with their colours, from left to right in one line at the height `y`; names that do not fit are left out.
    pub(super) fn legend(&self, entries: &[(String, RGBColor)], y: i32) -> Drawn {
        let mut x = MARGIN;
        for (index, (name, color)) in entries.iter().enumerate() {
            let width = 44 + text_width(name, SMALL_SIZE) + 30;
            if x + width > WIDTH - MARGIN {
                let more = format!("and {} more", entries.len() - index);
                return self.text(&more, (x, y), TextLook { color: MUTED, anchor: LEFT, ..TextLook::sized(SMALL_SIZE) });
            }
            self.line(vec![(x, y), (x + 32, y)], color.stroke_width(6))?;
            self.text(name, (x + 42, y), TextLook { anchor: LEFT, ..TextLook::sized(SMALL_SIZE) })?;
            x += width;
        }
        Ok(())
    }
}

type ChartResult<'a, 'b> = Result<Chart<'a, 'b>, DrawingAreaErrorKind<std::io::Error>>;

/// The anchor is the middle of the left edge.
pub(super) const LEFT: Pos = Pos { h_pos: HPos::Left, v_pos: VPos::Center };
/// The anchor is the middle of the right edge.
pub(super) const RIGHT: Pos = Pos { h_pos: HPos::Right, v_pos: VPos::Center };
/// The anchor is the centre.
pub(super) const CENTER: Pos = Pos { h_pos: HPos::Center, v_pos: VPos::Center };

/// How a text looks.
#[derive(Clone, Copy)]
pub(super) struct TextLook {
    pub(super) size: i32,
    pub(super) color: RGBColor,
    pub(super) bold: bool,
    pub(super) anchor: Pos,
    /// Written from the bottom to the top.
    pub(super) upwards: bool,
}

impl TextLook {
    /// Dark text whose upper left corner is the anchor.
    pub(super) const fn sized(size: i32) -> Self {
        Self { size, color: INK, bold: false, anchor: Pos { h_pos: HPos::Left, v_pos: VPos::Top }, upwards: false }
    }

    pub(super) fn style(self) -> TextStyle<'static> {
        let weight = if self.bold { FontStyle::Bold } else { FontStyle::Normal };
        let mut font = ("sans-serif", f64::from(self.size), weight).into_font();
        if self.upwards {
            font = font.transform(FontTransform::Rotate270);
        }
        let mut style = TextStyle::from(font);
        style.color = self.color.to_backend_color();
        style.pos = self.anchor;
        style
    }
}

/// About how wide a text is.
pub(super) fn text_width(text: &str, size: i32) -> i32 {
    // texts of plots are short
    (columns(text) as f64 * f64::from(size) * CHARACTER_WIDTH).ceil() as i32
}

/// A share as a percentage.
pub(super) fn percent(share: &f64) -> String {
    let value = 100.0 * share;
    let rounded = value.round();
    if (value - rounded).abs() < 1e-6 { format!("{rounded} %") } else { format!("{value:.1} %") }
}
