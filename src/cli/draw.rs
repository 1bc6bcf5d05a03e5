//! A range test as a drawing in the terminal: dots of Braille for the smoothed loss, eight to a cell.

use super::plot::{Axis, Figure, Tick, between, short};
use super::view;

/// What a cell belongs to, by which it is coloured.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Ink {
    Plain,
    Curve,
    Raw,
    Band,
    HeldOut,
    Chosen,
    Stop,
}

type Cell = (char, Ink);

const BLANK: Cell = (' ', Ink::Plain);

/// Draws the curve in so many lines of at most so many columns. There are labels as far as there is room for them,
/// and escape codes only in colour.
pub(crate) fn draw(figure: &Figure, width: usize, height: usize, colour: bool) -> String {
    let losses = figure.losses();
    let (axis, legend) = (height >= 5, height >= 7);
    let rows = height - 2 * usize::from(axis) - usize::from(legend);
    let margin = if axis && width >= 40 { Margin::new(&losses, rows) } else { Margin::none(rows) };
    let columns = width.saturating_sub(margin.width);
    let plot = Plot { figure, rates: Axis::rates(figure.points), losses, columns, rows };
    let body = plot.cells();
    let mut lines: Vec<Vec<Cell>> = margin
        .rows
        .iter()
        .zip(body)
        .map(|(margin, row)| plain(margin).into_iter().chain(row).collect())
        .collect();
    if axis {
        let corner = if margin.width > 0 { format!("{:>1$}", "└", margin.width) } else { String::new() };
        lines.push(plain(&corner).into_iter().chain(plot.axis()).collect());
        lines.push(vec![BLANK; margin.width].into_iter().chain(plot.rates()).collect());
    }
    if legend {
        lines.push(plot.legend(margin.width, width));
    }
    lines.iter().map(|line| print(line, width, colour)).collect::<Vec<_>>().join("\n")
}

/// The labels of the losses, row by row, and the left edge of the plot.
struct Margin {
    width: usize,
    rows: Vec<String>,
}

impl Margin {
    fn none(rows: usize) -> Self {
        Self { width: 0, rows: vec![String::new(); rows] }
    }

    fn new(losses: &Axis, rows: usize) -> Self {
        let mut labels = vec![None; rows];
        for tick in losses.ticks((rows / 4).max(2)) {
            if let Some(row) = losses.place(tick.at).and_then(|share| dot(1.0 - share, rows)) {
                labels[row] = tick.label;
            }
        }
        let widest = labels.iter().flatten().map(String::len).max().unwrap_or(0);
        let row = |label: &Option<String>| match label {
            Some(label) => format!("{label:>widest$} ┤"),
            None => format!("{:widest$} │", ""),
        };
        Self { width: widest + 2, rows: labels.iter().map(row).collect() }
    }
}

/// Which of so many dots lies nearest to a share of their length, if it is one of them.
fn dot(share: f64, dots: usize) -> Option<usize> {
    let last = dots.checked_sub(1)?;
    (-1e-9..=1.0 + 1e-9).contains(&share).then(|| (share * last as f64 - 1e-6).round() as usize)
}

struct Plot<'a> {
    figure: &'a Figure<'a>,
    rates: Axis,
    losses: Axis,
    columns: usize,
    rows: usize,
}

impl Plot<'_> {
    /// The column of a rate; the nearest one for rates off the axis.
    fn column(&self, rate: f64) -> Option<usize> {
        dot(self.rates.place(rate)?.clamp(0.0, 1.0), self.columns)
    }

    fn stop(&self) -> Option<usize> {
        let (step, _) = self.figure.stopped?;
        let points = self.figure.points;
        self.column(points.iter().find(|p| p.step == step).or(points.last())?.lr)
    }

    /// The curve over the raw losses over the lines of suggestion and stop.
    fn cells(&self) -> Vec<Vec<Cell>> {
        let mut cells = vec![vec![BLANK; self.columns]; self.rows];
        let suggestion = self.figure.suggestion.ok().and_then(|s| self.column(s.lr));
        self.band(&mut cells);
        for row in &mut cells {
            if let Some(stop) = self.stop() {
                row[stop] = ('┊', Ink::Stop);
            }
            if let Some(column) = suggestion {
                row[column] = ('│', Ink::Chosen);
            }
        }
        for point in self.figure.points {
            let row = self.losses.place(point.loss).and_then(|share| dot(1.0 - share, self.rows));
            if let (Some(row), Some(column)) = (row, self.column(point.lr)) {
                cells[row][column] = ('·', Ink::Raw);
            }
        }
        for (row, line) in self.braille().into_iter().enumerate() {
            for (column, dots) in line.into_iter().enumerate().filter(|&(_, dots)| dots != 0) {
                cells[row][column] = (char::from_u32(0x2800 + dots).unwrap_or(' '), Ink::Curve);
            }
        }
        for point in self.figure.held_out {
            let row = self.losses.place(point.loss).and_then(|share| dot(1.0 - share, self.rows));
            if let (Some(row), Some(column)) = (row, self.column(point.lr)) {
                cells[row][column] = ('○', Ink::HeldOut);
            }
        }
        cells
    }

    /// A shade between the lowest and the highest loss of the seeds.
    fn band(&self, cells: &mut [Vec<Cell>]) {
        let row = |loss: f64| dot(1.0 - self.losses.place(loss)?.clamp(0.0, 1.0), self.rows);
        for &(lr, low, high) in self.figure.band.1 {
            let (Some(column), Some(bottom), Some(top)) = (self.column(lr), row(low), row(high)) else {
                continue;
            };
            for line in cells.get_mut(top..=bottom).into_iter().flatten() {
                line[column] = ('░', Ink::Band);
            }
        }
    }

    /// The smoothed curve as the low byte of a Braille pattern for each cell.
    fn braille(&self) -> Vec<Vec<u32>> {
        let mut cells = vec![vec![0; self.columns]; self.rows];
        let (across, down) = (2 * self.columns, 4 * self.rows);
        let mut set = |x: f64, y: f64| {
            if let (Some(x), Some(y)) = (dot(x, across), dot(1.0 - y, down)) {
                // Dots 1 to 3 and 7 run down the left column of a cell, 4 to 6 and 8 down the right one.
                let bit = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]][x % 2][y % 4];
                cells[y / 4][x / 2] |= bit;
            }
        };
        let spots: Vec<Option<(f64, f64)>> = self.spots();
        for (i, spot) in spots.iter().enumerate() {
            let Some(here) = *spot else { continue };
            set(here.0, here.1);
            let next = spots.get(i + 1).copied().flatten();
            let Some((from, to)) = next.and_then(|next| between(here, next, 0.0, 1.0)) else { continue };
            let steps =
                ((to.0 - from.0).abs() * across as f64).max((to.1 - from.1).abs() * down as f64).ceil();
            for step in 0..=steps as usize {
                let share = step as f64 / steps.max(1.0);
                set(from.0 + share * (to.0 - from.0), from.1 + share * (to.1 - from.1));
            }
        }
        cells
    }

    fn spots(&self) -> Vec<Option<(f64, f64)>> {
        let spot = |lr, loss| Some((self.rates.place(lr)?, self.losses.place(loss)?));
        self.figure.points.iter().map(|p| spot(p.lr, p.smoothed)).collect()
    }

    fn ticks(&self) -> Vec<Tick> {
        self.rates
            .ticks((self.columns / 12).clamp(2, 8))
            .into_iter()
            .filter(|tick| tick.label.is_some())
            .collect()
    }

    /// The lower edge: ticks, the interval as a heavier line, the suggestion, the stop.
    fn axis(&self) -> Vec<Cell> {
        let mut cells = vec![('─', Ink::Plain); self.columns];
        for column in self.ticks().iter().filter_map(|tick| self.column(tick.at)) {
            cells[column] = ('┬', Ink::Plain);
        }
        if let Ok(suggestion) = self.figure.suggestion {
            let ends = self.column(suggestion.low).zip(self.column(suggestion.high));
            for cell in ends.and_then(|(low, high)| cells.get_mut(low..=high)).into_iter().flatten() {
                *cell = (if cell.0 == '┬' { '┯' } else { '━' }, Ink::Chosen);
            }
            if let Some(column) = self.column(suggestion.lr) {
                cells[column] = ('▲', Ink::Chosen);
            }
        }
        if let Some(column) = self.figure.verified.and_then(|rate| self.column(rate)) {
            cells[column] = ('◆', Ink::Chosen);
        }
        if let Some(column) = self.stop() {
            cells[column] = ('×', Ink::Stop);
        }
        cells
    }

    /// The labels under the ticks, as many as do not touch.
    fn rates(&self) -> Vec<Cell> {
        let mut cells = vec![BLANK; self.columns];
        let mut free = 0;
        for tick in self.ticks() {
            let (Some(column), Some(label)) = (self.column(tick.at), tick.label) else { continue };
            let Some(latest) = self.columns.checked_sub(label.len()) else { continue };
            let start = column.saturating_sub(label.len() / 2).min(latest);
            if start >= free {
                cells[start..start + label.len()].copy_from_slice(&plain(&label));
                free = start + label.len() + 1;
            }
        }
        cells
    }

    /// What the signs mean, the most important first, as many as fit.
    fn legend(&self, indent: usize, width: usize) -> Vec<Cell> {
        let mut line = vec![BLANK; indent];
        // The longest of the texts that fits; the first sign has one in any case.
        let mut entry = |sign: char, ink: Ink, texts: &[&str]| {
            let gap = if line.len() > indent { 3 } else { 0 };
            let fits = |text: &&&str| line.len() + gap + 2 + text.chars().count() <= width;
            let text = texts.iter().find(fits).or(texts.last().filter(|_| gap == 0));
            if let Some(text) = text {
                line.extend(vec![BLANK; gap]);
                line.extend([(sign, ink), BLANK]);
                line.extend(plain(text));
            }
        };
        match self.figure.suggestion {
            Ok(s) => {
                let text = format!("suggested {} ({} .. {})", short(s.lr), short(s.low), short(s.high));
                entry('▲', Ink::Chosen, &[&text]);
            }
            Err(_) => entry('∅', Ink::Chosen, &["no suggestion"]),
        }
        if let Some(rate) = self.figure.verified {
            entry('◆', Ink::Chosen, &[&format!("verified {}", short(rate))]);
        }
        if let Some((step, reason)) = self.figure.stopped {
            let (why, at) = (format!("stopped: {reason} (step {step})"), format!("stopped (step {step})"));
            entry('×', Ink::Stop, &[&why, &at, "stopped"]);
        }
        if !self.figure.band.1.is_empty() {
            entry('░', Ink::Band, &[&format!("range of {} seeds", self.figure.band.0)]);
        }
        if !self.figure.held_out.is_empty() {
            entry('○', Ink::HeldOut, &["held-out loss", "held out"]);
        }
        entry('⠒', Ink::Curve, &[view::NAME]);
        entry('·', Ink::Raw, &["loss of a batch"]);
        line
    }
}

fn plain(text: &str) -> Vec<Cell> {
    text.chars().map(|c| (c, Ink::Plain)).collect()
}

/// One line, cut to the width and without blanks at its end; cells of one colour share their escape codes.
fn print(line: &[Cell], width: usize, colour: bool) -> String {
    let line = &line[..line.len().min(width)];
    let end = line.iter().rposition(|&(c, _)| c != ' ').map_or(0, |last| last + 1);
    let mut out = String::new();
    for run in line[..end].chunk_by(|a, b| a.1 == b.1) {
        let text: String = run.iter().map(|&(c, _)| c).collect();
        let code = match run[0].1 {
            Ink::Plain => "",
            Ink::Curve => "94",
            Ink::Raw | Ink::Band => "2",
            Ink::HeldOut => "35",
            Ink::Chosen => "33",
            Ink::Stop => "31",
        };
        if colour && !code.is_empty() {
            out += &format!("\x1b[{code}m{text}\x1b[0m");
        } else {
            out += &text;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finder::{HeldOutPoint, Point, Refusal, Rules, Suggestion};

    /// A loss that falls, rises steeply and ends as NaN.
    fn sweep(n: usize) -> Vec<Point> {
        let loss = |x: f64| if x > 0.9 { f64::NAN } else { 2.3 - 2.0 * x + (30.0 * (x - 0.8)).exp() };
        let point = |step: usize| {
            let x = step as f64 / n as f64;
            let wobble = 0.1 * ((step * 7 % 5) as f64 - 2.0);
            let lr = 1e-6 * 1e7f64.powf(x);
            let (loss, smoothed) = (loss(x) + wobble, loss(x));
            Point { step, lr, loss, smoothed, accuracy: None, grad_norm: None, momentum: 0.9 }
        };
        (0..n).map(point).collect()
    }

    fn drawn(points: &[Point], (width, height): (usize, usize), colour: bool) -> String {
        let reason = String::new();
        let suggestion = Suggestion { lr: 0.012, low: 6e-3, high: 0.03, score: 5.0, rule: "ours", reason };
        let stopped = points.last().map(|p| (p.step, "loss diverged"));
        let suggestion = Ok(&suggestion);
        let rules = &Rules::default();
        let (verified, band, held_out) = (None, (1, &[][..]), &[][..]);
        let (title, subtitle, smith) = ("", "", None);
        let figure =
            Figure { title, subtitle, points, suggestion, verified, band, held_out, rules, smith, stopped };
        draw(&figure, width, height, colour)
    }

    #[test]
    fn fills_the_lines_and_no_more_than_the_columns() {
        for points in [sweep(100), sweep(2), sweep(1), sweep(0)] {
            for (width, height) in
                [(100, 24), (80, 12), (60, 7), (39, 10), (20, 5), (3, 4), (1, 1), (0, 3), (9, 0)]
            {
                let text = drawn(&points, (width, height), false);
                assert_eq!(text.split('\n').count(), height.max(1), "{width} x {height}\n{text}");
                assert!(
                    text.split('\n').all(|line| line.chars().count() <= width),
                    "{width} x {height}\n{text}"
                );
                assert!(!text.contains('\x1b'));
            }
        }
    }

    #[test]
    fn shows_curve_points_suggestion_and_stop() {
        let text = drawn(&sweep(100), (100, 24), false);
        for sign in [
            "1e-6",
            "1e-2",
            "2.0 ┤",
            "·",
            "│",
            "━",
            "▲ suggested 1.2e-2 (6e-3 .. 3e-2)",
            "× stopped: loss diverged",
        ] {
            assert!(text.contains(sign), "{sign}\n{text}");
        }
        assert!(text.chars().filter(|c| ('\u{2801}'..='\u{28ff}').contains(c)).count() > 80, "{text}");
    }

    #[test]
    fn colour_changes_nothing_else() {
        let points = sweep(100);
        let mut coloured = drawn(&points, (80, 20), true);
        for code in ["94", "2", "33", "31", "0"] {
            let code = format!("\x1b[{code}m");
            assert!(coloured.contains(&code));
            coloured = coloured.replace(&code, "");
        }
        assert_eq!(coloured, drawn(&points, (80, 20), false));
    }

    #[test]
    fn held_out_losses_have_their_own_sign() {
        let points = sweep(40);
        let held_out: Vec<_> = [0, 10, 20]
            .map(|step| HeldOutPoint { step, lr: points[step].lr, loss: 2.0, accuracy: None })
            .to_vec();
        let refusal = Refusal { reason: String::new() };
        let figure = Figure {
            title: "",
            subtitle: "",
            points: &points,
            suggestion: Err(&refusal),
            verified: None,
            band: (1, &[]),
            held_out: &held_out,
            rules: &Rules::default(),
            smith: None,
            stopped: None,
        };
        let text = draw(&figure, 100, 20, false);
        // Three points and the legend.
        assert_eq!(text.matches('○').count(), 4, "{text}");
        assert!(text.contains("○ held-out loss"), "{text}");
        assert!(draw(&figure, 100, 20, true).contains("\x1b[35m○\x1b[0m"));
    }

    #[test]
    fn a_refusal_is_named() {
        let refusal = Refusal { reason: "the loss is flat".to_string() };
        let (points, suggestion, rules) = (&sweep(30)[..], Err(&refusal), &Rules::default());
        let (verified, band, held_out) = (None, (1, &[][..]), &[][..]);
        let (title, subtitle, smith, stopped) = ("", "", None, None);
        let figure =
            Figure { title, subtitle, points, suggestion, verified, band, held_out, rules, smith, stopped };
        let text = draw(&figure, 80, 12, false);
        assert!(text.contains("no suggestion") && !text.contains('▲'), "{text}");
    }
}
