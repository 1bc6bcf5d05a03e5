//! A range test as a drawing in the terminal: dots of Braille for the smoothed loss, eight to a cell.

mod answers;

use super::output::named;
use super::plot::{Axis, Figure, Tick, between, short};
use super::view;

/// What a cell belongs to, by which it is coloured.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Ink {
    Plain,
    Curve,
    Accuracy,
    Raw,
    Band,
    HeldOut,
    Chosen,
    Limit,
    Stop,
}

type Cell = (char, Ink);

const BLANK: Cell = (' ', Ink::Plain);

/// The left column of a Braille pattern: a line of these alone is dotted, and can be told from a whole one without colour.
const LEFT_DOTS: u32 = 0x47;

/// Draws the curve in so many lines of at most so many columns. There are labels as far as there is room for them,
/// and escape codes only in colour.
pub(crate) fn draw(figure: &Figure, width: usize, height: usize, colour: bool) -> String {
    let losses = figure.losses();
    let axis = height >= 5;
    // The legend takes a second line where there is height for it.
    let most = usize::from(height >= 7) + usize::from(height >= 14);
    let rates = Axis::rates(figure.points).up_to(figure.limit.map_or(0.0, |limit| limit.rate));
    let legend = legend(figure, &rates, width, most);
    // And the other answers a row above, where there are any.
    let strip = height >= 14 && (figure.smith.is_some() || named(figure.rules).iter().any(|r| r.1.is_some()));
    let rows = height - 2 * usize::from(axis) - legend.len() - usize::from(strip);
    let margin = if axis && width >= 40 { Margin::new(&losses, rows) } else { Margin::none(rows) };
    let accuracy = margin.width > 0 && figure.has_accuracy();
    let right = if accuracy { answers::RIGHT } else { 0 };
    let columns = width.saturating_sub(margin.width + right);
    let plot = Plot { figure, rates, losses, columns, rows, accuracy };
    let mut lines: Vec<Vec<Cell>> = Vec::new();
    if strip {
        let answers = plot.answers().unwrap_or_else(|| vec![BLANK; columns]);
        lines.push(vec![BLANK; margin.width].into_iter().chain(answers).collect());
    }
    let right = if accuracy { plot.right() } else { vec![Vec::new(); rows] };
    let rows = margin.rows.iter().zip(plot.cells()).zip(right);
    lines.extend(rows.map(|((left, row), right)| plain(left).into_iter().chain(row).chain(right).collect()));
    if axis {
        let corner = if margin.width > 0 { format!("{:>1$}", "└", margin.width) } else { String::new() };
        lines.push(plain(&corner).into_iter().chain(plot.axis()).collect());
        lines.push(vec![BLANK; margin.width].into_iter().chain(plot.rates()).collect());
    }
    lines.extend(legend);
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
    /// Is there an axis of accuracies?
    accuracy: bool,
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

    /// Of the curvature's limit, where that is on the axis.
    fn limit(&self) -> Option<usize> {
        let limit = self.figure.limit.filter(|_| limit_shown(self.figure, &self.rates))?;
        self.column(limit.rate)
    }

    /// The curve over the raw losses over the lines of suggestion, limit and stop.
    fn cells(&self) -> Vec<Vec<Cell>> {
        let mut cells = vec![vec![BLANK; self.columns]; self.rows];
        let suggestion = self.figure.suggestion.ok().and_then(|s| self.column(s.lr));
        self.band(&mut cells);
        for row in &mut cells {
            if let Some(stop) = self.stop() {
                row[stop] = ('┊', Ink::Stop);
            }
            if let Some(limit) = self.limit() {
                row[limit] = ('╎', Ink::Limit);
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
        if self.accuracy {
            self.trace(&mut cells, &self.accuracies(), LEFT_DOTS, Ink::Accuracy);
        }
        self.trace(&mut cells, &self.spots(), u32::MAX, Ink::Curve);
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

    /// A line through the spots, of the dots under a mask, over whatever is in its cells.
    fn trace(&self, cells: &mut [Vec<Cell>], spots: &[Option<(f64, f64)>], mask: u32, ink: Ink) {
        for (row, line) in self.braille(spots).into_iter().enumerate() {
            let dots = line.into_iter().map(|dots| dots & mask);
            for (column, dots) in dots.enumerate().filter(|&(_, dots)| dots != 0) {
                cells[row][column] = (char::from_u32(0x2800 + dots).unwrap_or(' '), ink);
            }
        }
    }

    /// A line as the low byte of a Braille pattern for each cell.
    fn braille(&self, spots: &[Option<(f64, f64)>]) -> Vec<Vec<u32>> {
        let mut cells = vec![vec![0; self.columns]; self.rows];
        let (across, down) = (2 * self.columns, 4 * self.rows);
        let mut set = |x: f64, y: f64| {
            if let (Some(x), Some(y)) = (dot(x, across), dot(1.0 - y, down)) {
                // Dots 1 to 3 and 7 run down the left column of a cell, 4 to 6 and 8 down the right one.
                let bit = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]][x % 2][y % 4];
                cells[y / 4][x / 2] |= bit;
            }
        };
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
            .ticks(if self.rates.log {
                (self.columns / 7).clamp(2, 10)
            } else {
                (self.columns / 12).clamp(2, 8)
            })
            .into_iter()
            .filter(|tick| tick.label.is_some())
            .collect()
    }

    /// The lower edge: ticks, the interval as a heavier line, the suggestion, the limit, the stop.
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
        if let Some(column) = self.limit() {
            cells[column] = ('╫', Ink::Limit);
        }
        if let Some(column) = self.figure.verified.and_then(|good| self.column(good.lr())) {
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
}

/// Has the curvature's limit its place on the axis?
fn limit_shown(figure: &Figure, rates: &Axis) -> bool {
    let share = figure.limit.and_then(|limit| rates.place(limit.rate));
    share.is_some_and(|share| (0.0..=1.0).contains(&share))
}

/// What the signs mean, the most important first, as many as fit into so many lines.
fn legend(figure: &Figure, rates: &Axis, width: usize, most: usize) -> Vec<Vec<Cell>> {
    // Under the labels of the losses, roughly.
    let indent = if width >= 40 { 5 } else { 0 };
    let mut lines: Vec<Vec<Cell>> = Vec::new();
    // The longest of the texts that fits a line; the first sign has one in any case.
    let mut entry = |sign: char, ink: Ink, texts: &[&str]| {
        let goes_on = |text: &&&str| {
            lines.last().is_some_and(|line| line.len() + 3 + 2 + text.chars().count() <= width)
        };
        let fits = |text: &&&str| indent + 2 + text.chars().count() <= width;
        let here = |texts: &'_ [&'_ str]| texts.iter().find(goes_on).map(|text| (text.to_string(), 3));
        let fresh = || {
            let text = texts.iter().find(fits).or(texts.last().filter(|_| lines.is_empty()));
            text.filter(|_| lines.len() < most).map(|text| (text.to_string(), 0))
        };
        let Some((text, gap)) = here(&texts[..1]).or_else(fresh).or_else(|| here(texts)) else { return };
        if gap == 0 {
            lines.push(vec![BLANK; indent]);
        }
        if let Some(line) = lines.last_mut() {
            line.extend(vec![BLANK; gap]);
            line.extend([(sign, ink), BLANK]);
            line.extend(plain(&text));
        }
    };
    match figure.suggestion {
        Ok(s) => {
            let text = format!("suggested {} ({} .. {})", short(s.lr), short(s.low), short(s.high));
            entry('▲', Ink::Chosen, &[&text]);
        }
        Err(_) if figure.verified.is_some() => entry('∅', Ink::Chosen, &["none by the curve"]),
        Err(_) => entry('∅', Ink::Chosen, &["no suggestion"]),
    }
    if let Some(good) = figure.verified {
        let (rate, low, high) = (short(good.lr()), short(good.low), short(good.high));
        entry(
            '◆',
            Ink::Chosen,
            &[&format!("verified {rate} ({low} .. {high})"), &format!("verified {rate}")],
        );
    }
    if let Some((step, reason)) = figure.stopped {
        let (why, at) = (format!("stopped: {reason} (step {step})"), format!("stopped (step {step})"));
        entry('×', Ink::Stop, &[&why, &at, "stopped"]);
    }
    if let Some(limit) = figure.limit {
        let (rate, off) = (short(limit.rate), if limit_shown(figure, rates) { "" } else { ", off the axis" });
        let why = format!("stable below {rate}, by the curvature{off}");
        entry('╎', Ink::Limit, &[&why, &format!("stable below {rate}{off}")]);
    }
    if !figure.band.1.is_empty() {
        entry('░', Ink::Band, &[&format!("range of {} seeds", figure.band.0)]);
    }
    if !figure.held_out.is_empty() {
        entry('○', Ink::HeldOut, &["held-out loss", "held out"]);
    }
    entry('⠒', Ink::Curve, &[view::NAME]);
    if width >= 40 && figure.has_accuracy() {
        entry('⠂', Ink::Accuracy, &["accuracy"]);
    }
    entry('·', Ink::Raw, &["loss of a batch"]);
    lines
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
            Ink::Accuracy => "32",
            Ink::Raw | Ink::Band => "2",
            Ink::HeldOut => "35",
            Ink::Chosen => "33",
            Ink::Limit => "36",
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
    use crate::cli::plot::Limit;
    use crate::finder::{HeldOutPoint, Point, Refusal, Rules, Smith, Suggestion};

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

    fn drawn(points: &[Point], size: (usize, usize), colour: bool) -> String {
        limited(points, size, colour, Some(0.3))
    }

    fn limited(
        points: &[Point],
        (width, height): (usize, usize),
        colour: bool,
        limit: Option<f64>,
    ) -> String {
        let reason = String::new();
        let suggestion = Suggestion { lr: 0.012, low: 6e-3, high: 0.03, score: 5.0, rule: "ours", reason };
        let stopped = points.last().map(|p| (p.step, "loss diverged"));
        let suggestion = Ok(&suggestion);
        let rules = &Rules::default();
        let (verified, band, held_out) = (None, (1, &[][..]), &[][..]);
        let (title, subtitle, smith) = ("", "", None);
        let limit = limit.map(|rate| Limit { rate, formula: "2/λ" });
        let figure = Figure {
            title,
            subtitle,
            points,
            suggestion,
            verified,
            band,
            held_out,
            rules,
            smith,
            limit,
            stopped,
        };
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
    fn a_limit_is_a_line_where_it_is_on_the_axis() {
        let lines = |limit| limited(&sweep(100), (110, 24), false, limit);
        let on = lines(Some(1e-5));
        assert!(on.contains("╎ stable below 1e-5, by the curvature") && on.matches('╎').count() > 10, "{on}");
        assert!(on.contains('╫'), "{on}");
        let off = lines(Some(120.0));
        assert!(off.contains("╎ stable below 120, by the curvature, off the axis"), "{off}");
        assert_eq!((off.matches('╎').count(), off.contains('╫')), (1, false), "{off}");
        assert!(!lines(None).contains("stable"));
    }

    #[test]
    fn other_answers_stand_above_and_accuracy_on_the_right() {
        let mut points = sweep(100);
        points.iter_mut().for_each(|p| p.accuracy = Some(p.step as f64 / 100.0));
        let refusal = Refusal { reason: String::new(), guess: None };
        let same = Some(1e-3);
        let rules = Rules { fastai_valley: same, fastai_steep: same, fastai_slide: same, ..Rules::default() };
        let smith = Smith { base_lr: 1e-5, max_lr: 1e9 };
        let figure = Figure {
            title: "",
            subtitle: "",
            points: &points,
            suggestion: Err(&refusal),
            verified: None,
            band: (1, &[]),
            held_out: &[],
            rules: &rules,
            smith: Some(&smith),
            limit: None,
            stopped: None,
        };
        let text = draw(&figure, 90, 20, false);
        let lines: Vec<Vec<char>> = text.lines().map(|line| line.chars().collect()).collect();
        let find =
            |sign| lines[0].iter().position(|&c| c == sign).unwrap_or_else(|| panic!("{sign}\n{text}"));
        let (v, s, l, base, max) = (find('v'), find('s'), find('l'), find('['), find(']'));
        // Three answers at one rate stand side by side, the first of them over the rate; that off the axis at its end.
        assert_eq!((s, l), (v + 1, v - 1), "{text}");
        assert!(base < l && max == 90 - answers::RIGHT - 1, "{text}");
        let tick = lines[18].windows(4).position(|w| w.iter().collect::<String>() == "1e-3");
        assert!(tick.is_some_and(|at| (at..at + 4).contains(&v)), "{text}");
        assert!(lines[1].ends_with(&['├', '1', '0', '0', ' ', '%']), "{text}");
        assert!(text.contains("├  0 %") && text.contains("⠂ accuracy"), "{text}");
        assert_eq!(lines.len(), 20);
        assert!(lines.iter().all(|line| line.len() <= 90), "{text}");
        assert!(draw(&figure, 90, 20, true).contains("\x1b[32m"));
        assert!(!draw(&figure, 30, 20, false).contains('%'));
    }

    #[test]
    fn colour_changes_nothing_else() {
        let points = sweep(100);
        let mut coloured = drawn(&points, (80, 20), true);
        for code in ["94", "2", "33", "36", "31", "0"] {
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
        let refusal = Refusal { reason: String::new(), guess: None };
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
            limit: None,
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
        let refusal = Refusal { reason: "the loss is flat".to_string(), guess: None };
        let (points, suggestion, rules) = (&sweep(30)[..], Err(&refusal), &Rules::default());
        let (verified, band, held_out) = (None, (1, &[][..]), &[][..]);
        let (title, subtitle, smith, limit, stopped) = ("", "", None, None, None);
        let figure = Figure {
            title,
            subtitle,
            points,
            suggestion,
            verified,
            band,
            held_out,
            rules,
            smith,
            limit,
            stopped,
        };
        let text = draw(&figure, 80, 12, false);
        assert!(text.contains("no suggestion") && !text.contains('▲'), "{text}");
    }
}
