//! The learning rates of a range test.

use crate::error::{Error, Result};

/// Most steps that a range test may have.
pub const MAX_STEPS: usize = 1_000_000;

/// How the rates between the two ends are spaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Spacing {
    /// Equal ratios: `lr_i = from * (to / from)^(i / (steps - 1))`. The default, and the usual choice: useful rates
    /// differ by powers of ten.
    #[default]
    Exponential,
    /// Equal differences: `lr_i = from + (to - from) * i / (steps - 1)` (Smith, arXiv:1506.01186).
    Linear,
}

/// The rates of a range test over `steps` steps, from `from` to `to`; both ends are exact.
///
/// fastai divides by `steps` in the exponent and so never reaches `to`; pytorch-lr-finder divides by `steps - 1`,
/// as here.
///
/// # Errors
/// [`Error::Argument`] for fewer than 2 or more than [`MAX_STEPS`] steps, a rate that is not finite, `from >= to`,
/// a negative `from`, and, with [`Spacing::Exponential`], a `from` of zero.
pub fn grid(from: f64, to: f64, steps: usize, spacing: Spacing) -> Result<Vec<f64>> {
    check(from, to, steps, spacing)?;
    let last = steps - 1;
    let rate = |i: usize| {
        let share = i as f64 / last as f64;
        match spacing {
            // Interpolating the logarithms cannot overflow, whatever the ratio.
            Spacing::Exponential => (from.ln() + share * (to.ln() - from.ln())).exp(),
            Spacing::Linear => from * (1.0 - share) + to * share,
        }
    };
    let inner = |i: usize| match i {
        0 => from,
        i if i == last => to,
        i => rate(i).clamp(from, to),
    };
    Ok((0..steps).map(inner).collect())
}

fn check(from: f64, to: f64, steps: usize, spacing: Spacing) -> Result<()> {
    if steps < 2 {
        return Err(Error::argument("steps", format!("{steps} is too few; a range test needs at least 2")));
    }
    if steps > MAX_STEPS {
        return Err(Error::argument("steps", format!("{steps} is too many; use at most {MAX_STEPS}")));
    }
    for (name, rate) in [("from", from), ("to", to)] {
        if !rate.is_finite() {
            return Err(Error::argument(name, format!("{rate} is not a learning rate; use a finite number")));
        }
    }
    if from < 0.0 {
        return Err(Error::argument(
            "from",
            format!("{from} is negative; learning rates start at 0 or above"),
        ));
    }
    if from == 0.0 && spacing == Spacing::Exponential {
        let detail = "0 cannot start an exponential range; use a small rate such as 1e-7, or linear spacing";
        return Err(Error::argument("from", detail));
    }
    if from >= to {
        return Err(Error::argument("from", format!("{from} is not below to = {to}; swap or widen them")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: &[f64], wanted: &[f64]) {
        assert_eq!(found.len(), wanted.len());
        for (f, w) in found.iter().zip(wanted) {
            assert!((f / w - 1.0).abs() < 1e-12, "{f} is not {w}");
        }
    }

    #[test]
    fn five_exponential_rates() {
        close(&grid(1e-4, 1.0, 5, Spacing::Exponential).unwrap(), &[1e-4, 1e-3, 1e-2, 1e-1, 1.0]);
    }

    #[test]
    fn five_linear_rates() {
        close(&grid(1e-4, 1.0, 5, Spacing::Linear).unwrap(), &[1e-4, 0.250075, 0.50005, 0.750025, 1.0]);
    }

    #[test]
    fn ends_are_exact_and_rates_rise() {
        for spacing in [Spacing::Exponential, Spacing::Linear] {
            for (from, to) in [(1e-7, 10.0), (0.1, 0.3), (1e-300, 1e300), (1e-5, 1.000_01e-5)] {
                for steps in [2, 3, 7, 100, 1000] {
                    let rates = grid(from, to, steps, spacing).unwrap();
                    assert_eq!((rates.len(), rates[0], rates[steps - 1]), (steps, from, to));
                    assert!(rates.windows(2).all(|w| w[0] < w[1]), "{from} {to} {steps} {spacing:?}");
                }
            }
        }
    }

    #[test]
    fn linear_may_start_at_zero() {
        close(&grid(0.0, 1.0, 3, Spacing::Linear).unwrap()[1..], &[0.5, 1.0]);
    }

    fn message(from: f64, to: f64, steps: usize, spacing: Spacing) -> String {
        grid(from, to, steps, spacing).unwrap_err().to_string()
    }

    #[test]
    fn every_wrong_setting_is_named_with_its_value_and_the_way_out() {
        let exp = Spacing::Exponential;
        assert_eq!(message(1e-7, 10.0, 1, exp), "steps: 1 is too few; a range test needs at least 2");
        assert_eq!(message(1e-7, 10.0, 0, exp), "steps: 0 is too few; a range test needs at least 2");
        assert_eq!(message(1e-7, 1.0, 2_000_000, exp), "steps: 2000000 is too many; use at most 1000000");
        assert_eq!(message(1.0, 0.1, 5, exp), "from: 1 is not below to = 0.1; swap or widen them");
        assert_eq!(message(1.0, 1.0, 5, Spacing::Linear), "from: 1 is not below to = 1; swap or widen them");
        assert_eq!(message(f64::NAN, 1.0, 5, exp), "from: NaN is not a learning rate; use a finite number");
        assert_eq!(
            message(1.0, f64::INFINITY, 5, exp),
            "to: inf is not a learning rate; use a finite number"
        );
        assert_eq!(
            message(-1.0, 1.0, 5, Spacing::Linear),
            "from: -1 is negative; learning rates start at 0 or above"
        );
        let zero = message(0.0, 1.0, 5, exp);
        assert!(zero.starts_with("from: 0 cannot start an exponential range; use a small rate"), "{zero}");
        assert!(!zero.contains('\n'));
    }

    #[test]
    fn no_step_count_panics() {
        assert!(grid(1e-7, 10.0, usize::MAX, Spacing::Exponential).is_err());
    }
}
