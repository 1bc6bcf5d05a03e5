//! A grid for a person: a row for each setting, and which one to take.

use super::{cut, entry, groups, restored};
use crate::cli::grid::Searched;
use crate::cli::plot::short;
use crate::cli::terminal::{Screen, wrapped};
use crate::finder::{Member, Vary};

/// What a short sweep under each setting cannot tell.
pub(in crate::cli) fn caveat(vary: &Vary) -> &'static str {
    match vary {
        Vary::Momentum(_) => {
            "this is Smith's way as far as one short sweep each can go it: neighbours may change places with another --seed. He \
             ends with short runs at a few momenta, the largest that trains without trouble (arXiv:1803.09820)"
        }
        Vary::WeightDecay(_) => {
            "Smith takes the largest weight decay that still lets the rate be large (arXiv:1803.09820). A sweep is short: \
             what decay does to the end of a long training is not in it"
        }
        Vary::Batch(_) => {
            "as many updates with each size, so that a larger batch has seen more samples; with large rates Smith takes the largest \
             batch that fits (arXiv:1803.09820)"
        }
        Vary::Optimizer(_) => {
            "rates of different optimizers do not compare, so the lowest loss decides; a short sweep favours what is fast at first"
        }
    }
}

pub(in crate::cli) fn grid(found: &Searched, hashes: bool, screen: &Screen) -> String {
    let mut text = String::new();
    for line in [found.title(), found.subtitle()].iter().flat_map(|t| wrapped(t, screen.width)) {
        text += &(line + "\n");
    }
    let widest = found.names.iter().map(String::len).chain([found.what().len()]).max().unwrap_or(0);
    let watched = found.members().any(|(_, m)| m.lowest_held_out().is_some());
    let held_out = if watched { format!("{:<15} ", "held out") } else { String::new() };
    text += &format!(
        "\n{:<widest$} {:<9} {:<16} {:<15} {held_out}diverges\n",
        found.what(),
        "suggested",
        "interval",
        "lowest loss"
    );
    for (name, member) in found.members() {
        text += &format!("{name:<widest$} {}\n", row(member, watched));
    }
    let refused = found.members().filter_map(|(n, m)| Some((n, m.report.suggestion.as_ref().err()?)));
    let reasons: String = refused.map(|(name, refusal)| entry(name, &refusal.reason, screen)).collect();
    text += &if reasons.is_empty() { reasons } else { format!("\n{reasons}") };
    text += &groups(&found.subject.model, screen);
    text += "\n";
    text += &match &found.report.choice {
        Some(choice) => {
            let name = screen.bold(&found.names[choice.member]);
            entry("choice", &format!("{name}: {}", choice.reason), screen)
        }
        None => entry("choice", "none: no curve clearly falls", screen),
    };
    text += &entry("note", caveat(&found.search.vary), screen);
    let Some(first) = found.report.members.first() else { return text };
    let epochs = found.report.members.iter().map(|m| m.report.epochs).fold(0.0, f64::max);
    if epochs > 1.0 {
        let times = format!("up to {epochs:.1} times through the dataset, in a new order each time");
        text += &entry("epochs", &format!("a sweep went {times}"), screen);
    }
    text += &entry("restored", &restored(first.report.fingerprints, hashes), screen);
    text + &entry("adapter", &first.report.adapter.to_string(), screen)
}

fn row(member: &Member, watched: bool) -> String {
    let lowest = format!("{:<15}", low(member.lowest.map(|l| (l.lr, l.loss))));
    let held_out = if watched { format!(" {:<15}", low(member.lowest_held_out())) } else { String::new() };
    let answer = match &member.report.suggestion {
        Ok(s) => format!("{:<9} {:<16}", short(s.lr), format!("{} .. {}", short(s.low), short(s.high))),
        Err(refusal) => format!("{:<9} {:<16}", "none", cut(&refusal.reason, 16)),
    };
    format!("{answer} {lowest}{held_out} {}", member.diverged().map_or("-".to_string(), short))
}

/// A lowest loss, and where it is.
pub(in crate::cli) fn low(found: Option<(f64, f64)>) -> String {
    found.map_or("-".to_string(), |(lr, loss)| format!("{} at {}", digits(loss), short(lr)))
}

/// A loss in a table.
fn digits(loss: f64) -> String {
    if loss.abs() < 1e3 { format!("{loss:.3}") } else { format!("{loss:.1e}") }
}
