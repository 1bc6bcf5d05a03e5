//! The plan as a table for people, and for tests that prove a refactor changed nothing.

use super::{Dispatch, Plan};
use crate::layout::{Role, View};
use std::fmt;

/// 1,234,567 -> "1.23 M".
fn si(value: f64) -> String {
    for (limit, unit) in [(1e9, "G"), (1e6, "M"), (1e3, "k")] {
        if value >= limit {
            return format!("{:.2} {unit}", value / limit);
        }
    }
    format!("{value:.0} ")
}

fn range(view: &View) -> String {
    match view.role {
        Role::Acts(_) | Role::Params | Role::Grads | Role::Buffers if view.len > 0 => {
            format!("{}[{}+{}]", view.role, view.offset, view.len)
        }
        role => role.to_string(),
    }
}

fn rows(f: &mut fmt::Formatter<'_>, list: &[Dispatch], bindings: bool) -> fmt::Result {
    writeln!(f, "{:>3}  {:<18} {:>14} {:>9} {:>9}  layer", "#", "kernel", "workgroups", "FLOP", "bytes")?;
    for (i, d) in list.iter().enumerate() {
        let [x, y, z] = d.groups;
        writeln!(
            f,
            "{i:>3}  {:<18} {:>14} {:>9} {:>9}  {}",
            d.kernel.name(),
            format!("{x}x{y}x{z}"),
            si(d.flops as f64),
            si(d.bytes as f64),
            d.note
        )?;
        if bindings {
            let bound = d.kernel.entry().bound(d.loads, &d.views);
            let named = bound.map(|(_, name, access, view)| {
                let mirror =
                    if access.writes() && access.through_mirror(d.loads) { "mirror of " } else { "" };
                format!("{name}={mirror}{}", range(view))
            });
            let named: Vec<_> = named.collect();
            writeln!(f, "     {}", named.join(" "))?;
            if !d.refresh.is_empty() {
                let copied: Vec<_> = d.refresh.iter().map(range).collect();
                writeln!(f, "     mirrored first: {}", copied.join(" "))?;
            }
        }
    }
    Ok(())
}

/// `{plan}` prints the step and the memory; `{plan:#}` also what each launch is bound to, what is copied to a mirror before it,
/// and the evaluation.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.summary)?;
        match self.accumulate {
            1 => writeln!(f, "one step: {} dispatches", self.step.len())?,
            n => {
                let (step, last) = (self.launches(), self.step.len());
                writeln!(f, "one step of {n} micro-batches: {step} dispatches; of the last one: {last}")?;
            }
        }
        rows(f, &self.step, f.alternate())?;
        if !self.carry.is_empty() {
            writeln!(f, "\nthe others: the first {} of these, then", self.backward)?;
            rows(f, &self.carry, f.alternate())?;
        }
        if f.alternate() {
            writeln!(f, "\none batch of an evaluation: {} dispatches", self.eval.len())?;
            rows(f, &self.eval, true)?;
        }
        let (flops, bytes) = (self.sum(|d| d.flops), self.sum(|d| d.bytes));
        writeln!(
            f,
            "\n{}FLOP and {}B a step; {} parameters",
            si(flops as f64),
            si(bytes as f64),
            self.parameters()
        )?;
        let memory: Vec<_> = self.memory().iter().map(|(r, b)| format!("{r} {}B", si(*b as f64))).collect();
        let total: u64 = self.memory().iter().map(|m| m.1).sum();
        writeln!(f, "memory: {} = {}B", memory.join(", "), si(total as f64))
    }
}
