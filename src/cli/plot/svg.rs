//! A picture as SVG: its texts as text, its colours by name, so that it follows the reader to a dark page.
//!
//! Attributes hold the colours of light paper, which every program understands; a style sheet replaces them where the reader
//! asks for a dark page. The paper is part of the picture: it stays legible on a page of any colour.

use super::colour::{Colour, Theme, hex};
use super::paint::{Anchor, FAMILY, Label, Picture, Shape, Spot};
use std::collections::BTreeMap;
use std::fmt::Write;

/// The picture as a file of its own.
pub(super) fn document(picture: &Picture) -> String {
    let title = format!("<title>{}</title>\n", escaped(&picture.title));
    element(picture, "xmlns=\"http://www.w3.org/2000/svg\" ", &title)
}

/// The picture as a part of an HTML page, which has a title of its own.
pub(super) fn inline(picture: &Picture) -> String {
    element(picture, "", "")
}

fn element(picture: &Picture, namespace: &str, title: &str) -> String {
    let (width, height) = picture.size;
    let (label, about) = (escaped(&picture.title), escaped(&picture.about));
    let mut out = format!(
        "<svg {namespace}width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
         aria-label=\"{label}. {about}\" font-family=\"{FAMILY}\" stroke-linejoin=\"round\" stroke-linecap=\"round\">\n\
         {title}<desc>{about}</desc>\n{}",
        style(&picture.shapes)
    );
    for run in picture.shapes.chunk_by(|a, b| kind(a) == kind(b)) {
        group(&mut out, run);
    }
    out + "</svg>\n"
}

/// What a shape is painted with: neighbours of one kind share a group.
#[derive(PartialEq)]
enum Kind {
    Fill(Colour),
    Stroke(Colour, f64),
}

fn kind(shape: &Shape) -> Kind {
    match shape {
        Shape::Box { colour, .. } | Shape::Dot { colour, .. } | Shape::Area { colour, .. } => {
            Kind::Fill(*colour)
        }
        Shape::Text(label) => Kind::Fill(label.colour),
        Shape::Line { colour, width, .. } => Kind::Stroke(*colour, *width),
    }
}

fn group(out: &mut String, run: &[Shape]) {
    let Some(first) = run.first() else { return };
    // Writing into a String does not fail.
    let _ = match kind(first) {
        Kind::Fill(colour) => writeln!(out, "<g class=\"f-{}\" fill=\"{}\">", colour.name(), light(colour)),
        Kind::Stroke(colour, width) => writeln!(
            out,
            "<g class=\"s-{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{}\">",
            colour.name(),
            light(colour),
            short(width)
        ),
    };
    for shape in run {
        let _ = match shape {
            Shape::Box { from, to, .. } => writeln!(
                out,
                "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>",
                short(from.0),
                short(from.1),
                short(to.0 - from.0),
                short(to.1 - from.1)
            ),
            Shape::Dot { at, radius, .. } => {
                writeln!(
                    out,
                    "<circle cx=\"{}\" cy=\"{}\" r=\"{}\"/>",
                    short(at.0),
                    short(at.1),
                    short(*radius)
                )
            }
            Shape::Area { points, .. } => writeln!(out, "<polygon points=\"{}\"/>", spots(points)),
            Shape::Line { points, .. } => writeln!(out, "<polyline points=\"{}\"/>", spots(points)),
            Shape::Text(label) => text(out, label),
        };
    }
    out.push_str("</g>\n");
}

fn text(out: &mut String, label: &Label) -> std::fmt::Result {
    let (x, y) = (short(label.at.0), short(label.at.1));
    let anchor = match label.anchor {
        Anchor::Start => "",
        Anchor::Middle => " text-anchor=\"middle\"",
        Anchor::End => " text-anchor=\"end\"",
    };
    let turn = if label.upward { format!(" transform=\"rotate(-90 {x} {y})\"") } else { String::new() };
    let (size, text) = (short(label.size), escaped(&label.text));
    writeln!(out, "<text x=\"{x}\" y=\"{y}\" font-size=\"{size}\"{anchor}{turn}>{text}</text>")
}

fn spots(points: &[Spot]) -> String {
    points.iter().map(|(x, y)| format!("{},{}", short(*x), short(*y))).collect::<Vec<_>>().join(" ")
}

/// To a hundredth of a unit, without idle zeros.
fn short(number: f64) -> String {
    let text = format!("{number:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".into() } else { text.into() }
}

fn light(colour: Colour) -> String {
    hex(colour.on(Theme::Light))
}

/// The colours of dark paper, of what is in the picture.
fn style(shapes: &[Shape]) -> String {
    let rule = |shape| match kind(shape) {
        Kind::Fill(colour) => (format!(".f-{}{{fill:", colour.name()), hex(colour.on(Theme::Dark))),
        Kind::Stroke(colour, _) => (format!(".s-{}{{stroke:", colour.name()), hex(colour.on(Theme::Dark))),
    };
    let rules: BTreeMap<String, String> = shapes.iter().map(rule).collect();
    let rules: String = rules.into_iter().map(|(selector, colour)| format!("{selector}{colour}}}")).collect();
    format!("<style>@media screen and (prefers-color-scheme:dark){{{rules}}}</style>\n")
}

/// A text as it stands in SVG and HTML, also within quotes. Control characters, which XML forbids, become spaces.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(' '),
            // What XML has no place for at all.
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_something_in_xml_is_escaped() {
        assert_eq!(escaped("a<b & \"c\" 'd'>\n\u{1}e"), "a&lt;b &amp; &quot;c&quot; &#39;d&#39;&gt;  e");
    }

    #[test]
    fn numbers_are_short() {
        let cases =
            [(1.0, "1"), (0.126, "0.13"), (-0.001, "0"), (100.0, "100"), (2.5, "2.5"), (-3.456, "-3.46")];
        for (number, text) in cases {
            assert_eq!(short(number), text, "{number}");
        }
    }
}
