//! A grid as one JSON object.

use super::{Answer, HeldOutRow, Row, Stopped, spacing};
use crate::cli::grid;
use crate::finder::Member;
use serde::Serialize;

/// What is common to the settings, each setting's curve, and the choice.
#[derive(Serialize)]
pub(in crate::cli) struct Searched<'a> {
    model: &'a str,
    data: &'a str,
    samples: usize,
    held_out_samples: usize,
    seed: u64,
    mode: &'a str,
    from: f64,
    to: f64,
    steps: usize,
    accumulate: usize,
    spacing: &'a str,
    grid: &'a str,
    members: Vec<MemberRow<'a>>,
    choice: Option<ChoiceRow<'a>>,
    restored: bool,
    adapter: Option<String>,
}

#[derive(Serialize)]
struct MemberRow<'a> {
    setting: &'a str,
    optimizer: String,
    momentum: f64,
    weight_decay: f64,
    batch: usize,
    history: Vec<Row>,
    held_out: Option<Vec<HeldOutRow>>,
    #[serde(flatten)]
    answer: Answer<'a>,
    lowest: Option<LowestRow>,
    lowest_held_out: Option<LowestRow>,
    /// The rate at which the sweep ended early.
    diverged: Option<f64>,
    stopped: Option<Stopped>,
    epochs: f64,
}

#[derive(Serialize)]
struct LowestRow {
    lr: f64,
    loss: f64,
}

#[derive(Serialize)]
struct ChoiceRow<'a> {
    setting: &'a str,
    learning_rate: Option<f64>,
    reason: &'a str,
}

impl<'a> Searched<'a> {
    pub fn new(found: &'a grid::Searched<'a>) -> Self {
        let grid::Searched { subject, search, report, names, .. } = found;
        let rate = |m: &Member| m.report.suggestion.as_ref().ok().map(|s| s.lr);
        Self {
            model: subject.model_name,
            data: subject.data_name,
            samples: subject.data.len(),
            held_out_samples: subject.held_out.len(),
            seed: subject.options.seed,
            mode: search.test.mode.name(),
            from: search.test.from,
            to: search.test.to,
            steps: search.test.steps,
            accumulate: subject.options.accumulate,
            spacing: spacing(search.test.spacing),
            grid: search.vary.name(),
            members: found.members().map(|(name, member)| MemberRow::new(name, member)).collect(),
            choice: report.choice.as_ref().map(|choice| ChoiceRow {
                setting: &names[choice.member],
                learning_rate: rate(&report.members[choice.member]),
                reason: &choice.reason,
            }),
            restored: report.members.iter().all(|m| m.report.restored()),
            adapter: report.members.first().map(|m| m.report.adapter.to_string()),
        }
    }
}

impl<'a> MemberRow<'a> {
    fn new(setting: &'a str, member: &'a Member) -> Self {
        let report = &member.report;
        Self {
            setting,
            optimizer: member.optimizer.to_string(),
            momentum: member.optimizer.momentum(),
            weight_decay: member.optimizer.weight_decay(),
            batch: member.batch,
            history: report.points.iter().map(Row::from).collect(),
            held_out: HeldOutRow::all(&report.held_out),
            answer: Answer::new(&report.suggestion, &report.rules, report.smith),
            lowest: member.lowest.map(|l| LowestRow { lr: l.lr, loss: l.loss }),
            lowest_held_out: member.lowest_held_out().map(|(lr, loss)| LowestRow { lr, loss }),
            diverged: member.diverged(),
            stopped: report.stopped.map(|(step, reason)| Stopped { step, reason: reason.to_string() }),
            epochs: report.epochs,
        }
    }
}
