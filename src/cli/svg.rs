//! Pictures as SVG.

use std::fmt::{Display, Write};

/// Of text.
pub(super) const TEXT: &str = "#1a1f27";
/// Of text that matters less.
pub(super) const MUTED: &str = "#586271";
/// Of lines that help the eye.
pub(super) const GRID: &str = "#d9dde4";
/// Of the one thing that a chart shows.
pub(super) const ACCENT: &str = "#0b756a";

/// A picture on white.
pub(super) struct Svg(String);

impl Svg {
    pub(super) fn new(width: f64, height: f64) -> Self {
        let mut svg = Self(String::new());
        let font = "font-family=\"Inter, system-ui, sans-serif\"";
        svg.put(format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" {font}>"
        ));
        svg.put(format_args!("<rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>"));
        svg
    }

    /// The document.
    pub(super) fn finish(mut self) -> String {
        self.put("</svg>");
        self.0
    }

    /// An element, as it is written.
    pub(super) fn put(&mut self, element: impl Display) {
        let _ = writeln!(self.0, "{element}");
    }

    /// A line of text; `anchor` is `start`, `middle` or `end`.
    pub(super) fn text(&mut self, (x, y): (f64, f64), size: f64, colour: &str, anchor: &str, text: &str) {
        let text = escaped(text);
        self.put(format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{size}\" fill=\"{colour}\" text-anchor=\"{anchor}\">{text}</text>"
        ));
    }

    /// A filled rectangle that says something when it is pointed at.
    pub(super) fn told_rect(&mut self, [x, y, width, height]: [f64; 4], colour: &str, told: &str) {
        let told = escaped(told);
        self.put(format_args!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{colour}\"><title>{told}</title></rect>"
        ));
    }

    /// A thin line from left to right.
    pub(super) fn rule(&mut self, left: f64, right: f64, y: f64) {
        self.put(format_args!("<line x1=\"{left}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"{GRID}\"/>"));
    }
}

/// Names may come from anywhere.
fn escaped(text: &str) -> String {
    let safe = |c: char| match c {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '"' => "&quot;".to_owned(),
        c if c.is_control() => " ".to_owned(),
        c => c.to_string(),
    };
    text.chars().map(safe).collect()
}
