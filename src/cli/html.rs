//! A report as one HTML file: nothing is fetched, nothing needs a script, and what there is has headings, captions and scopes
//! for those who hear it.
//!
//! A [`Document`] is a list of [`Section`]s, each of a few kinds of [`Block`]; what they say is made elsewhere
//! ([`super::report`]). All text is escaped here, and only here.

use super::plot::{Pictures, Value, escaped, palette};

const STYLE: &str = include_str!("html/style.css");
/// Reads values off a figure where the reader points; without it they stand in the table.
const SCRIPT: &str = include_str!("html/values.js");

pub(super) struct Document {
    pub title: String,
    pub subtitle: String,
    pub sections: Vec<Section>,
}

/// A heading with what is under it, and sections of its own.
pub(super) struct Section {
    pub heading: String,
    pub blocks: Vec<Block>,
    pub parts: Vec<Section>,
}

impl Section {
    pub fn new(heading: impl Into<String>, blocks: Vec<Block>) -> Self {
        Self { heading: heading.into(), blocks, parts: Vec::new() }
    }
}

pub(super) enum Block {
    /// The one number, or that there is none, and what it is.
    Answer {
        value: String,
        about: String,
    },
    Text(String),
    /// Small print.
    Note(String),
    Figure {
        pictures: Pictures,
        caption: String,
    },
    Table(Table),
    Facts(Vec<(String, String)>),
    Command(String),
    /// What is shown when asked for.
    Folded {
        summary: String,
        blocks: Vec<Block>,
    },
}

/// The first cell of a row names it.
pub(super) struct Table {
    pub caption: String,
    pub columns: Vec<Column>,
    pub rows: Vec<Row>,
}

#[derive(Clone)]
pub(super) enum Column {
    Words(&'static str),
    Number(&'static str),
    /// A number under a head that was measured too.
    Under(String),
}

pub(super) struct Row {
    pub cells: Vec<String>,
    /// The one that matters.
    pub marked: bool,
}

impl Document {
    /// The whole file.
    pub fn html(&self) -> String {
        let (title, subtitle) = (escaped(&self.title), escaped(&self.subtitle));
        let mut out = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <meta http-equiv=\"Content-Security-Policy\" \
             content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n\
             <title>{title}</title>\n<style>\n{}{STYLE}</style>\n</head>\n<body>\n<main>\n\
             <header>\n<h1>{title}</h1>\n<p>{subtitle}</p>\n</header>\n",
            colours()
        );
        self.sections.iter().for_each(|section| put(&mut out, section, 2));
        out += &format!("</main>\n<script>\n{SCRIPT}</script>\n</body>\n</html>\n");
        out
    }
}

/// The pictures' colours as variables of the style sheet: of light paper, and of dark.
fn colours() -> String {
    let rules = |dark: bool| -> String {
        palette().iter().map(|(name, on)| format!("--{name}:{};", on[usize::from(dark)])).collect()
    };
    let (light, dark) = (rules(false), rules(true));
    format!(":root{{{light}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}\n")
}

fn put(out: &mut String, section: &Section, level: usize) {
    let level = level.min(6);
    *out += &format!("<section>\n<h{level}>{}</h{level}>\n", escaped(&section.heading));
    section.blocks.iter().for_each(|block| *out += &block.html());
    section.parts.iter().for_each(|part| put(out, part, level + 1));
    *out += "</section>\n";
}

impl Block {
    fn html(&self) -> String {
        match self {
            Self::Answer { value, about } => {
                format!("<p class=\"answer\"><strong>{}</strong> {}</p>\n", escaped(value), escaped(about))
            }
            Self::Text(text) => format!("<p>{}</p>\n", escaped(text)),
            Self::Note(text) => format!("<p class=\"note\">{}</p>\n", escaped(text)),
            Self::Figure { pictures, caption } => figure(pictures, caption),
            Self::Table(table) => table.html(),
            Self::Facts(facts) => {
                let fact = |(name, value): &(String, String)| {
                    format!("<div><dt>{}</dt><dd>{}</dd></div>\n", escaped(name), escaped(value))
                };
                format!("<dl>\n{}</dl>\n", facts.iter().map(fact).collect::<String>())
            }
            Self::Command(line) => format!("<pre tabindex=\"0\"><code>{}</code></pre>\n", escaped(line)),
            Self::Folded { summary, blocks } => {
                let inside: String = blocks.iter().map(Self::html).collect();
                format!("<details>\n<summary>{}</summary>\n{inside}</details>\n", escaped(summary))
            }
        }
    }
}

/// The picture for this width of the page, of two; the other is not there for anybody.
fn figure(pictures: &Pictures, caption: &str) -> String {
    let one = |class: &str, (svg, values): (String, &[Value])| {
        let points: Vec<_> = values.iter().map(|v| (v.at.0.round(), v.at.1.round(), &v.text)).collect();
        // Numbers and texts have a JSON form; a `<` could end the script.
        let json = serde_json::to_string(&points).unwrap_or_else(|_| "[]".into()).replace('<', "\\u003c");
        format!(
            "<div class=\"plot {class}\">\n{svg}<script type=\"application/json\">{json}</script>\n</div>\n"
        )
    };
    let [wide, narrow] = pictures.inline();
    let (wide, narrow) = (one("wide", wide), one("narrow", narrow));
    format!("<figure>\n{wide}{narrow}<figcaption>{}</figcaption>\n</figure>\n", escaped(caption))
}

impl Table {
    fn html(&self) -> String {
        let class = |column: &Column| if matches!(column, Column::Words(_)) { "" } else { " class=\"n\"" };
        let head = |column: &Column| {
            let name = match column {
                Column::Words(name) | Column::Number(name) => name,
                Column::Under(name) => name.as_str(),
            };
            format!("<th scope=\"col\"{}>{}</th>", class(column), escaped(name))
        };
        let cell = |(i, (text, column)): (usize, (&String, &Column))| match i {
            0 => format!("<th scope=\"row\"{}>{}</th>", class(column), escaped(text)),
            _ => format!("<td{}>{}</td>", class(column), escaped(text)),
        };
        let row = |row: &Row| {
            let mark = if row.marked { " class=\"marked\"" } else { "" };
            let cells: String = row.cells.iter().zip(&self.columns).enumerate().map(cell).collect();
            format!("<tr{mark}>{cells}</tr>\n")
        };
        let caption = escaped(&self.caption);
        format!(
            "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"{caption}\">\n<table>\n\
             <caption>{caption}</caption>\n<thead><tr>{}</tr></thead>\n<tbody>\n{}</tbody>\n</table>\n</div>\n",
            self.columns.iter().map(head).collect::<String>(),
            self.rows.iter().map(row).collect::<String>()
        )
    }
}

#[cfg(test)]
mod tests;
