//! What a report says: the sections of `find --html` and `suggest --html`, made from what was found.
//!
//! A section is one function from a [`Found`] to a [`Section`], or to nothing where there is nothing to say; [`PARTS`] is their
//! order. [`super::html`] knows how they look.

use super::all::All;
use super::find::Found;
use super::grid::Searched;
use super::html::{Block, Column, Document, Row, Section, Table};
use super::output::layers::Ratios;
use super::output::{self, grouped, named, text};
use super::plot::Figure;
use crate::finder::{GoodRates, HeldOutPoint, Member, Mode, Point, Suggestion};
use std::ffi::OsString;

/// What stands under a test's answer and its curve, in this order.
const PARTS: [fn(&Found) -> Option<Section>; 7] = [
    short_runs,
    held_out,
    |found| Some(found.with_figure(rules)),
    line,
    curvature,
    layers,
    |found| Some(found.with_figure(|figure| every_rate(figure, found.report.points.len()))),
];

/// Of one range test.
pub(super) fn of_test(found: &Found) -> Document {
    let mut sections = vec![answer_of(found)];
    sections.extend(PARTS.iter().filter_map(|part| part(found)));
    sections.push(what_ran(found, &["mode", "rates"]));
    let subtitle = found.with_figure(|figure| figure.subtitle.to_string());
    Document { title: found.subject.title(), subtitle, sections }
}

/// Of every mode.
pub(super) fn of_modes(all: &All) -> Document {
    let answers = all.answers().into_iter().map(|(name, answer)| (name.to_string(), answer)).collect();
    let mut sections = vec![
        all.with_overlay(|overlay| {
            let caption = "Points are losses as measured, lines their local linear fit, a colour a mode. Above: what each \
                           mode suggests, with its interval.";
            let figure = Block::Figure { pictures: overlay.pictures(), caption: caption.into() };
            Section::new("What each mode suggests", vec![modes(all), figure])
        }),
        Section::new("Is it the rate, the batch, or the learning?", vec![Block::Facts(answers)]),
    ];
    for found in all.modes {
        let mut section = answer_of(found);
        section.heading = found.test.mode.name().to_string();
        section.parts = PARTS.iter().filter_map(|part| part(found)).collect();
        section.parts.push(what_ran(found, &["rates", "time", "restored", "stopped"]));
        sections.push(section);
    }
    if let Some(first) = all.modes.first() {
        sections.push(what_ran(first, &["adapter", "model", "optimizer", "rangefinder", "command"]));
    }
    Document { title: all.subject.title(), subtitle: all.subtitle(), sections }
}

/// Of a curve that somebody else measured, of so many planned steps.
pub(super) fn of_curve(figure: &Figure, steps: usize, measured: usize) -> Document {
    let mut blocks = answer(figure);
    blocks.push(curve(figure));
    let mut facts = vec![("rangefinder".to_string(), version())];
    facts.extend(text::ended(figure, steps).map(|text| ("stopped".to_string(), text)));
    let ran = vec![Block::Facts(facts), Block::Command(command())];
    let sections = vec![
        Section::new("The learning rate", blocks),
        rules(figure),
        every_rate(figure, measured),
        Section::new("What ran", ran),
    ];
    Document { title: figure.title.to_string(), subtitle: figure.subtitle.to_string(), sections }
}

/// Of a test under several settings.
pub(super) fn of_grid(found: &Searched) -> Document {
    let settings = found.with_overlay(|overlay| {
        let caption = "Points are losses as measured, lines their local linear fit, a colour a setting. Above: what each \
                       suggests, with its interval.";
        let figure = Block::Figure { pictures: overlay.pictures(), caption: caption.into() };
        let choice = match &found.report.choice {
            Some(choice) => format!("{}: {}", found.names[choice.member], choice.reason),
            None => "none: no curve clearly falls".into(),
        };
        let choice = Block::Facts(vec![("choice".into(), choice)]);
        let note = Block::Note(sentence(text::grid::caveat(&found.search.vary)));
        Section::new("What each setting suggests", vec![grid(found), choice, note, figure])
    });
    let mut sections = vec![settings];
    sections.extend(found.figures(|figure| {
        let mut section = Section::new(figure.title, answer(figure));
        section.blocks.push(curve(figure));
        section.parts =
            vec![rules(figure), every_rate(figure, figure.points.last().map_or(0, |p| p.step + 1))];
        section
    }));
    let mut facts = vec![("mode".to_string(), shows(found.search.test.mode).to_string())];
    if let Some(first) = found.report.members.first() {
        let adapter = &first.report.adapter;
        facts.push(("adapter".into(), format!("{adapter}, driver {}", adapter.driver)));
        facts.push(("restored".into(), text::restored(first.report.fingerprints, true)));
    }
    facts.push(("data".into(), format!("{}, seed {}", found.subject.data_name, found.subject.options.seed)));
    facts.push(("rangefinder".into(), version()));
    sections.push(Section::new("What ran", vec![Block::Facts(facts), Block::Command(command())]));
    Document { title: found.title(), subtitle: found.subtitle(), sections }
}

/// A row for each setting; the chosen one marked.
fn grid(found: &Searched) -> Block {
    let columns = vec![
        Column::Words("setting"),
        Column::Number("suggested"),
        Column::Number("interval"),
        Column::Number("lowest loss"),
        Column::Number("lowest held-out loss"),
        Column::Number("diverges"),
    ];
    let chosen = found.report.choice.as_ref().map(|choice| choice.member);
    let row = |(i, (name, member)): (usize, (&str, &Member))| {
        let suggestion = member.report.suggestion.as_ref().ok();
        let cells = vec![
            name.to_string(),
            suggestion.map_or("none".into(), |s| format!("{:.2e}", s.lr)),
            suggestion.map_or("–".into(), |s| format!("{:.1e} to {:.1e}", s.low, s.high)),
            text::grid::low(member.lowest.map(|l| (l.lr, l.loss))),
            text::grid::low(member.lowest_held_out()),
            member.diverged().map_or("–".into(), |lr| format!("{lr:.2e}")),
        ];
        Row { cells, marked: chosen == Some(i) }
    };
    let rows = found.members().enumerate().map(row).collect();
    Block::Table(Table { caption: format!("The same test for each {}", found.what()), columns, rows })
}

/// What a mode's curve shows, and what it does not.
fn shows(mode: Mode) -> &'static str {
    match mode {
        Mode::Sweep => {
            "A sweep takes a new batch at each step while the rate rises and the weights move: its curve shows the rate, \
             the batch and the learning together."
        }
        Mode::SameBatch => {
            "One batch throughout, while the weights move: no noise between batches is in the curve, and its fall is \
             deeper than a training's, since the batch is learned by heart."
        }
        Mode::Restart => {
            "Each rate starts from the same weights and is measured on the same batches: the curve shows what a few \
             updates at a rate do, whatever the rates before did."
        }
        Mode::Frozen => {
            "The weights never move: the curve is the loss along one update on one batch, a view of the landscape and no \
             rate to train with."
        }
        Mode::Replicas => {
            "Each rate trains a copy of its own from the same weights on the same batches: the curve shows how good a \
             short training at each rate is."
        }
    }
}

fn answer_of(found: &Found) -> Section {
    let blocks = found.with_figure(|figure| {
        let mut blocks = answer(figure);
        blocks.push(Block::Text(shows(found.test.mode).into()));
        blocks.push(curve(figure));
        blocks
    });
    Section::new("The learning rate", blocks)
}

/// The one number, its interval, score and reason; or why there is none, and what to change.
fn answer(figure: &Figure) -> Vec<Block> {
    let found = match figure.suggestion {
        Ok(found) => found,
        Err(refusal) => {
            let (value, about) = match figure.verified {
                Some(good) => (format!("{:.2e}", good.lr()), "by short runs alone".to_string()),
                None => ("No suggestion".to_string(), String::new()),
            };
            let facts = figure.verified.iter().flat_map(good_rates).collect();
            let because = Block::Text(sentence(&text::none_because(refusal)));
            return vec![Block::Answer { value, about }, Block::Facts(facts), because];
        }
    };
    let rate = figure.verified.map_or(found.lr, |good| good.lr());
    let about = match figure.verified {
        Some(_) if text::same(rate, found.lr) => "suggested by the curve and verified by short runs",
        Some(_) => "verified by short runs",
        None => "suggested by the curve",
    };
    let mut facts: Vec<(String, String)> = figure.verified.iter().flat_map(good_rates).collect();
    if !text::same(rate, found.lr) {
        facts.push(("the curve's own".to_string(), format!("{:.2e}", found.lr)));
    }
    if figure.verified.is_none() {
        facts.push(("one-cycle peak".to_string(), format!("{:.2e}", found.one_cycle_peak())));
    }
    facts.extend(reasons(found));
    vec![Block::Answer { value: format!("{rate:.2e}"), about: about.into() }, Block::Facts(facts)]
}

fn good_rates(good: &GoodRates) -> [(String, String); 2] {
    let peak = ("one-cycle peak".to_string(), format!("{:.2e}", good.one_cycle_peak()));
    [peak, ("good rates".to_string(), format!("{:.2e} to {:.2e}", good.low, good.high))]
}

fn reasons(found: &Suggestion) -> [(String, String); 4] {
    [
        ("the curve's interval", format!("{:.2e} to {:.2e}", found.low, found.high)),
        ("score", format!("{:.1} standard errors of the fall", found.score)),
        ("rule", found.rule.to_string()),
        ("why", found.reason.clone()),
    ]
    .map(|(name, value)| (name.to_string(), value))
}

fn curve(figure: &Figure) -> Block {
    let caption = "Points are losses as measured; the line is their local linear fit, without lag. Above: the other answers, \
                   one to a row.";
    Block::Figure { pictures: figure.pictures(), caption: caption.into() }
}

/// A row for each mode.
fn modes(all: &All) -> Block {
    let columns = vec![
        Column::Words("mode"),
        Column::Number("suggested"),
        Column::Number("interval"),
        Column::Number("verified"),
        Column::Number("time"),
    ];
    let row = |found: &Found| {
        let dash = || "–".to_string();
        let suggestion = found.report.suggestion.as_ref().ok();
        let cells = vec![
            found.test.mode.name().to_string(),
            suggestion.map_or("none".into(), |s| format!("{:.2e}", s.lr)),
            suggestion.map_or_else(dash, |s| format!("{:.1e} to {:.1e}", s.low, s.high)),
            found.verified().map_or_else(dash, |rate| format!("{rate:.2e}")),
            format!("{:.1} s", found.report.cost.wall.as_secs_f64()),
        ];
        Row { cells, marked: false }
    };
    let rows = all.modes.iter().map(row).collect();
    Block::Table(Table { caption: "The modes on the same model and data".into(), columns, rows })
}

/// What the short runs came to, rate by rate.
fn short_runs(found: &Found) -> Option<Section> {
    let (tried, suggestion) = (found.verification.as_ref()?, found.report.suggestion.as_ref().ok());
    let columns = vec![
        Column::Number("rate"),
        Column::Number("held-out loss"),
        Column::Number("held-out accuracy"),
        Column::Words(""),
    ];
    let row = |run| {
        let ((loss, accuracy), mark) = (text::measured(run), text::mark(run, suggestion));
        let cells = vec![format!("{:.2e}", run.lr), loss, accuracy, mark.to_string()];
        Row { cells, marked: run.good }
    };
    let rows = tried.runs.iter().map(row).collect();
    let table = Table { caption: text::tried_on(tried, found), columns, rows };
    let verdict = Block::Text(sentence(&text::verdict(tried, suggestion)));
    Some(Section::new("Short runs on held-out data", vec![Block::Table(table), verdict]))
}

/// Every rule's answer, and how far it is from ours.
fn rules(figure: &Figure) -> Section {
    let own = figure.suggestion.ok();
    let columns =
        vec![Column::Words("rule"), Column::Number("learning rate"), Column::Number("of the suggestion")];
    let row = |name: &str, rate: Option<f64>, marked| {
        let share = rate.zip(own).map(|(rate, own)| format!("{:.2} times", rate / own.lr));
        let rate = rate.map_or("none".into(), |rate| format!("{rate:.2e}"));
        Row { cells: vec![name.to_string(), rate, share.unwrap_or("–".into())], marked }
    };
    let mut rows: Vec<Row> = own.map(|found| row(found.rule, Some(found.lr), true)).into_iter().collect();
    rows.extend(named(figure.rules).map(|(name, rate)| row(name, rate, false)));
    let table = Table { caption: "The rules of other finders on the same curve".into(), columns, rows };
    let smith = match figure.smith {
        Some(s) => format!(
            "Smith's pair, the bounds of a cyclical schedule: {:.2e} (base) to {:.2e} (max){}.",
            s.base_lr,
            s.max_lr,
            text::smiths_source(figure)
        ),
        None => "Smith's pair, the bounds of a cyclical schedule: not to be read from this curve.".into(),
    };
    Section::new("What the rules say", vec![Block::Table(table), Block::Text(smith)])
}

/// The loss on data that was not trained on, as the weights were at some of the rates.
fn held_out(found: &Found) -> Option<Section> {
    let about = text::watched(found)?;
    let columns = vec![
        Column::Number("step"),
        Column::Number("rate"),
        Column::Number("held-out loss"),
        Column::Number("held-out accuracy"),
    ];
    let row = |p: &HeldOutPoint| {
        let accuracy = p.accuracy.map_or("–".into(), |a| format!("{:.1} %", 100.0 * a));
        let cells = vec![p.step.to_string(), format!("{:.4e}", p.lr), format!("{:.6}", p.loss), accuracy];
        Row { cells, marked: false }
    };
    let rows: Vec<Row> = found.report.held_out.iter().map(row).collect();
    let summary = format!("{} rates", grouped(rows.len()));
    let table = Block::Table(Table { caption: "The squares of the picture".into(), columns, rows });
    let blocks = vec![Block::Text(sentence(&about)), Block::Folded { summary, blocks: vec![table] }];
    Some(Section::new("Held-out loss during the sweep", blocks))
}

/// What the updates did to each parameter.
fn layers(found: &Found) -> Option<Section> {
    let Ratios { head, rows, first } = output::layers::ratios(found)?;
    let columns = std::iter::once(Column::Words("parameter")).chain(head.into_iter().map(Column::Under));
    let row = |(name, cells): (&str, Vec<String>)| {
        let cells = std::iter::once(name.to_string()).chain(cells).collect();
        Row { cells, marked: false }
    };
    let rows = rows.into_iter().map(row).collect();
    let caption = sentence(output::layers::ABOUT);
    let mut blocks = vec![Block::Table(Table { caption, columns: columns.collect(), rows })];
    blocks.extend(first.map(|first| Block::Text(format!("Not finite {first}."))));
    Some(Section::new("Updates and weights", blocks))
}

/// What the frozen mode reads off its line.
fn line(found: &Found) -> Option<Section> {
    let facts =
        text::along(found.report.line.as_ref()?).map(|(name, value)| (name.to_string(), value)).into();
    let blocks = vec![Block::Facts(facts), Block::Note(text::ONE_STEP.into())];
    Some(Section::new("Along one update", blocks))
}

fn curvature(found: &Found) -> Option<Section> {
    let facts = vec![("curvature".to_string(), text::curved(found.curvature.as_ref()?))];
    let note = "Measured at the starting weights. An upper bound and no suggestion: training moves to where the curvature is \
                larger.";
    Some(Section::new("The curvature of the loss", vec![Block::Facts(facts), Block::Note(note.into())]))
}

/// Every point that the picture shows, of so many measured.
fn every_rate(figure: &Figure, measured: usize) -> Section {
    let points = figure.points;
    let has = |f: fn(&Point) -> Option<f64>| points.iter().any(|p| f(p).is_some());
    let (accuracy, gradient) = (has(|p| p.accuracy), has(|p| p.grad_norm));
    let mut columns = vec![
        Column::Number("step"),
        Column::Number("rate"),
        Column::Number("loss"),
        Column::Number("local linear fit"),
    ];
    columns.extend(accuracy.then_some(Column::Number("accuracy")));
    columns.extend(gradient.then_some(Column::Number("gradient norm")));
    let row = |p: &Point| {
        let mut cells = vec![
            p.step.to_string(),
            format!("{:.4e}", p.lr),
            format!("{:.6}", p.loss),
            format!("{:.6}", p.smoothed),
        ];
        let share = |a: f64| format!("{:.1} %", 100.0 * a);
        cells.extend(accuracy.then(|| p.accuracy.map_or("–".into(), share)));
        cells.extend(gradient.then(|| p.grad_norm.map_or("–".into(), |g| format!("{g:.4e}"))));
        Row { cells, marked: false }
    };
    let rows = points.iter().map(row).collect();
    let caption = match measured.cmp(&points.len()) {
        std::cmp::Ordering::Greater => format!(
            "{} of {} points, at equal steps; --csv and --json hold all",
            grouped(points.len()),
            grouped(measured)
        ),
        _ => format!("All {} points", grouped(points.len())),
    };
    let summary = format!("{} points", grouped(points.len()));
    let table = Block::Table(Table { caption, columns, rows });
    Section::new("Every rate", vec![Block::Folded { summary, blocks: vec![table] }])
}

/// How the test ran, as far as `wanted` names it; all of it, for one that stands alone.
fn what_ran(found: &Found, wanted: &[&str]) -> Section {
    let (subject, report) = (found.subject, &found.report);
    let samples = |n: usize| grouped(n);
    let (data, swept, held_out) =
        (subject.data_name, samples(subject.data.len()), samples(subject.held_out.len()));
    let options = &subject.options;
    let clip = options.clip.map(|c| format!(", gradients clipped to {c}")).unwrap_or_default();
    let (seed, seeds) = (options.seed, found.test.seeds);
    let mode = format!("{}: {}", found.test.mode.name(), found.batches());
    let adapter = &report.adapter;
    let stopped = found.with_figure(|figure| text::ended(figure, found.test.steps));
    let alone = wanted.contains(&"mode");
    let facts = [
        ("adapter", format!("{adapter}, driver {}", adapter.driver)),
        ("model", format!("{} on {data}, {swept} samples swept, {held_out} held out", subject.model_name)),
        ("optimizer", format!("{}{clip}, batch {}, seed {seed}", subject.optimizer, options.batch)),
        ("mode", mode),
        (
            "rates",
            format!(
                "{}, {seeds} batch order{}",
                super::find::rates(&found.test),
                if seeds == 1 { "" } else { "s" }
            ),
        ),
        ("stopped", stopped.unwrap_or("no, every rate was measured".into())),
        ("restored", text::restored(report.fingerprints, true)),
        ("time", text::cost(&report.cost)),
        ("rangefinder", version()),
    ];
    let facts = facts.into_iter().filter(|(name, _)| alone || wanted.contains(name));
    let mut blocks = vec![Block::Facts(facts.map(|(name, value)| (name.to_string(), value)).collect())];
    if alone || wanted.contains(&"command") {
        blocks.push(Block::Note("The same numbers again, on the same device and driver:".into()));
        blocks.push(Block::Command(command()));
    }
    Section::new("What ran", blocks)
}

/// A clause as a sentence of its own.
fn sentence(clause: &str) -> String {
    let mut letters = clause.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    let end = if clause.ends_with('.') { "" } else { "." };
    first.chain(letters).collect::<String>() + end
}

fn version() -> String {
    format!("version {}", env!("CARGO_PKG_VERSION"))
}

/// The command that made this report, as a shell takes it.
fn command() -> String {
    let typed = std::env::args_os().skip(1);
    std::iter::once("rangefinder".to_string()).chain(typed.map(quoted)).collect::<Vec<_>>().join(" ")
}

/// In quotes where a shell would read more into it.
fn quoted(argument: OsString) -> String {
    let text = argument.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.into_owned(),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_the_command_as_it_was_typed() {
        let cases = [
            ("mnist:/a/b_c", "mnist:/a/b_c"),
            ("1e-7", "1e-7"),
            ("a b", "'a b'"),
            ("it's", "'it'\\''s'"),
            ("$HOME;x", "'$HOME;x'"),
            ("", "''"),
        ];
        for (typed, shown) in cases {
            assert_eq!(quoted(typed.into()), shown);
        }
    }

    #[test]
    fn clauses_become_sentences() {
        assert_eq!(sentence("the loss is flat; use more steps"), "The loss is flat; use more steps.");
        assert_eq!((sentence("Ends."), sentence("")), ("Ends.".to_string(), ".".to_string()));
    }

    #[test]
    fn every_mode_is_explained() {
        for mode in Mode::ALL {
            assert!(shows(mode).ends_with('.') && shows(mode).len() > 80, "{mode:?}");
        }
    }
}
