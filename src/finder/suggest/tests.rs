//! Curves whose answer is known, and curves that have none.

use super::*;
use crate::optim::Adam;

fn sweep(from: f64, to: f64, n: usize) -> Vec<f64> {
    (0..n).map(|i| from * (to / from).powf(i as f64 / (n - 1) as f64)).collect()
}

/// Falls from 2 to 0 around `centre` (half the fall is made there), and rises steeply from `edge` on.
fn model(lr: &[f64], centre: f64, edge: f64) -> Vec<f64> {
    lr.iter().map(|lr| 2.0 / (1.0 + (lr / centre).powi(2)) + (lr / edge).powi(3)).collect()
}

/// Uniform noise between -1 and 1, the same in every run.
fn noise(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    }
}

fn with_noise(loss: &[f64], size: f64, seed: u64) -> Vec<f64> {
    let mut noise = noise(seed);
    loss.iter().map(|loss| loss + size * noise()).collect()
}

fn refusal(lr: &[f64], loss: &[f64]) -> String {
    let reason = suggest(lr, loss, None).expect_err("a refusal").reason;
    assert!(!reason.contains('\n') && !reason.is_empty());
    reason
}

#[test]
fn the_readings_by_hand() {
    let lr = sweep(1e-7, 10.0, 400);
    let loss = model(&lr, 1e-3, 1.0);
    let curve = Curve::new(&lr, &loss).unwrap();
    let fall = curve.fall().unwrap();
    // The fall is nearly from 2 to 0. A quarter of it is made at centre * sqrt(1/3), 95 % at centre * sqrt(19).
    assert!((fall.low.exp() / 5.8e-4 - 1.0).abs() < 0.1 && (fall.high.exp() / 4.36e-3 - 1.0).abs() < 0.15);
    let readings = curve.readings(&fall);
    assert_eq!(readings.middle, Some(f64::midpoint(fall.low, fall.high)));
    // The loss is back at 2 at the cube root of 2; the next rate is 5 % above at most.
    let edge = readings.edge.unwrap().exp();
    assert!((1.26..1.32).contains(&edge), "{edge}");
    // The mean of all losses so far falls for as long as the loss is below it.
    assert!((fall.low..edge.ln()).contains(&readings.decline));
    let found = suggest(&lr, &loss, None).unwrap();
    let product = readings.middle.unwrap().exp().powi(2) * readings.decline.exp() * edge / 10f64.powf(2.2);
    let any = Known::of(None, false).customary.exp();
    assert!((found.lr / (product * any).powf(0.2) - 1.0).abs() < 1e-9);
    assert!((found.lr / (found.low * found.high).sqrt() - 1.0).abs() < 1e-9);
    assert!((found.high / found.low).log10() > 1.0);
    assert!(found.score > 100.0 && found.rule == "three readings");
    assert!(found.reason.starts_with("the loss falls from 2.000 to "), "{}", found.reason);
    let end = format!("and it diverges at {edge:.2e}; usual with any optimizer is 2e-2");
    assert!(found.reason.ends_with(&end), "{}", found.reason);
}

/// Noise as large as the fall and more leaves the answer below the divergence, and says so.
#[test]
fn what_noise_hides_is_read_from_the_divergence() {
    let lr = sweep(1e-7, 10.0, 100);
    let loss: Vec<f64> =
        model(&lr, 1e-2, 1.0).iter().map(|loss| 0.2 * loss + 30.0 * (loss - 2.0).max(0.0)).collect();
    let found: Vec<_> =
        (0..40).filter_map(|seed| suggest(&lr, &with_noise(&loss, 1.0, seed), None).ok()).collect();
    assert!(found.len() >= 38, "{} of 40 answered", found.len());
    for found in &found {
        assert!((4e-4..0.1).contains(&found.lr) && found.score >= RISES, "{found:?}");
    }
    assert!(found.iter().any(|found| found.reason.contains("too noisy")));
    assert!(found.iter().any(|found| found.reason.contains("no fall from ")));
}

/// Where nothing but noise goes before the divergence, the optimizer's customary rate is half of the answer.
#[test]
fn what_is_customary_counts_most_where_nothing_stands_out() {
    let lr = sweep(1e-7, 10.0, 100);
    let flat: Vec<f64> = lr.iter().map(|&rate| if rate > 2.0 { 50.0 } else { 1.0 }).collect();
    let mut unclear = 0;
    for loss in (0..20).map(|seed| with_noise(&flat, 1.0, seed)) {
        let [alone, adam] = [None, Some(Adam::default().into())]
            .map(|optimizer: Option<Optimizer>| suggest(&lr, &loss, optimizer.as_ref()).ok());
        let Some((alone, adam)) = alone.zip(adam).filter(|(alone, _)| alone.score < CLEAR) else { continue };
        // Half of the way from the readings to either.
        let [any, own] = [None, Some(&Adam::default().into())].map(|o| Known::of(o, false).customary);
        let between = (own - any) / 2.0;
        assert!(((adam.lr / alone.lr).ln() - between).abs() < 1e-9, "{alone:?} {adam:?}");
        unclear += 1;
    }
    assert!(unclear >= 10, "{unclear} of 20");
}

#[test]
fn noise_moves_it_little_and_steps_do_not() {
    for steps in [60, 100, 400, 3000] {
        let lr = sweep(1e-7, 10.0, steps);
        for seed in 0..10 {
            let found = suggest(&lr, &with_noise(&model(&lr, 1e-3, 1.0), 0.3, seed), None).unwrap();
            assert!((5e-4..2e-2).contains(&found.lr), "{steps} steps: {found:?}");
            assert!(found.low < found.lr && found.lr < found.high);
        }
    }
}

#[test]
fn scale_and_offset_do_not_matter() {
    let lr = sweep(1e-7, 10.0, 100);
    let loss = with_noise(&model(&lr, 1e-3, 1.0), 0.2, 1);
    let wanted = suggest(&lr, &loss, None).unwrap();
    for (scale, offset) in [(1e-6, 0.0), (1e9, 0.0), (1.0, -50.0), (3.0, 1e4), (1e-3, -1.0)] {
        let moved: Vec<f64> = loss.iter().map(|loss| scale * loss + offset).collect();
        let found = suggest(&lr, &moved, None).unwrap();
        assert!((found.lr / wanted.lr - 1.0).abs() < 1e-6, "{scale} {offset}: {found:?}");
        assert!((found.score / wanted.score - 1.0).abs() < 1e-5);
    }
}

#[test]
fn how_far_a_run_diverged_does_not_matter() {
    let lr = sweep(1e-7, 10.0, 100);
    let loss = with_noise(&model(&lr, 1e-3, 0.1), 0.1, 2);
    let far: Vec<f64> = loss.iter().map(|&loss| if loss > 3.0 { loss * 1e200 } else { loss }).collect();
    assert_eq!(suggest(&lr, &loss, None), suggest(&lr, &far, None));
}

#[test]
fn a_spike_at_the_start_or_on_the_way_does_not_matter() {
    let lr = sweep(1e-7, 10.0, 100);
    let loss = with_noise(&model(&lr, 1e-3, 1.0), 0.1, 3);
    let wanted = suggest(&lr, &loss, None).unwrap();
    for at in [0, 1, 5, 20, 40] {
        let mut spiky = loss.clone();
        spiky[at] = 1e6;
        let found = suggest(&lr, &spiky, None).unwrap();
        assert!((found.lr / wanted.lr).ln().abs() < 0.5, "{at}: {found:?}");
    }
}

#[test]
fn noise_alone_is_mostly_refused() {
    let lr = sweep(1e-7, 10.0, 100);
    let answered =
        (0..200).filter(|&seed| suggest(&lr, &with_noise(&[1.0; 100], 1.0, seed), None).is_ok()).count();
    assert!(answered <= 20, "{answered} of 200");
}

/// Where noise diverges there is a rate to stay below; where the loss only rises, none is good.
#[test]
fn noise_that_diverges_is_answered_and_a_rise_is_not() {
    for steps in [60, 100, 200] {
        let lr = sweep(1e-7, 10.0, steps);
        let flat: Vec<f64> = lr.iter().map(|&rate| if rate > 0.5 { 50.0 } else { 1.0 }).collect();
        let rise: Vec<f64> = lr.iter().map(|rate| 6.0 + 0.5 * rate.log10()).collect();
        let answered = |loss: &[f64], size: f64| {
            (0..200).filter(|&seed| suggest(&lr, &with_noise(loss, size, seed), None).is_ok()).count()
        };
        let (flat, rise) = (answered(&flat, 1.0), answered(&rise, 0.5));
        assert!(flat >= 192 && rise <= 20, "{steps} steps: {flat} and {rise} of 200");
    }
}

#[test]
fn flat_curves_are_refused() {
    let lr = sweep(1e-7, 10.0, 100);
    for level in [0.0, 2.3, -7.0, 1e300, 1e-300] {
        assert!(refusal(&lr, &[level; 100]).contains("widen the range"));
    }
    let dust: Vec<f64> = (0..100).map(|i| 1.0 - f64::from(i) * 1e-16).collect();
    assert!(refusal(&lr, &dust).contains("at every rate"));
}

#[test]
fn rising_curves_are_refused() {
    let lr = sweep(1e-7, 10.0, 100);
    let rising: Vec<f64> = (0..100).map(f64::from).collect();
    assert!(refusal(&lr, &rising).contains("--from"));
}

/// The range is wide enough on both sides: another one is no advice.
#[test]
fn flat_and_then_rising_is_told_apart_from_flat() {
    let lr = sweep(1e-7, 10.0, 100);
    let reason = |loss: &[f64]| {
        let reason = refusal(&lr, loss);
        assert!(!reason.contains("--from") && !reason.contains("at every rate"), "{reason}");
        assert!(reason.contains("more updates, take a larger batch (--batch)"), "{reason}");
        reason
    };
    let late: Vec<f64> = lr.iter().map(|lr| 2.5 + (lr - 0.1).max(0.0)).collect();
    // Without noise, and so with nothing but the rise; the first rate at which it is a hundredth is number 76.
    assert!(reason(&late).starts_with("the loss never falls from 2.500, and rises from 1.38e-1 on;"));
    // With noise there is always a lowest point somewhere.
    for seed in 0..20 {
        match suggest(&lr, &with_noise(&late, 0.01, seed), None) {
            Ok(found) => assert!(found.lr < 0.02 && found.score < 5.0, "{found:?}"),
            Err(Refusal { reason, .. }) if reason.contains("the start of the range") => {}
            Err(Refusal { reason, .. }) => {
                assert!(reason.contains("check that the model learns"), "{reason}")
            }
        }
    }
    // Flat, and then not finite.
    let mut blown = vec![2.5; 100];
    blown[75..].fill(f64::NAN);
    assert!(reason(&blown).contains("rises from 1.15e-1 on"));
    assert!(reason(&[2.5; 75]).contains("rises from 1.15e-1 on"), "stopped there");
    // From the first rates on, a lower start is the advice.
    let early: Vec<f64> = lr.iter().map(|lr| 2.5 + lr.log10()).collect();
    assert!(refusal(&lr, &early).contains("lower the start of the range (--from)"));
}

#[test]
fn a_lone_spike_on_a_flat_curve_is_no_rise() {
    let lr = sweep(1e-7, 10.0, 100);
    let mut spike = vec![2.5; 100];
    spike[60] = 9.0;
    assert!(refusal(&lr, &spike).contains("widen the range"));
}

#[test]
fn a_loss_that_still_falls_at_the_end_is_refused() {
    let lr = sweep(1e-7, 10.0, 100);
    let falling: Vec<f64> = (0..100).map(|i| -f64::from(i)).collect();
    assert!(refusal(&lr, &falling).contains("raise the end of the range (--to)"));
    let cut_short = model(&lr, 3.0, 1e3);
    assert!(refusal(&lr, &cut_short).contains("--to"));
    // The same losses, but the run blew up right after: a cliff, and not an end.
    let mut cliff = falling.clone();
    cliff[99] = f64::NAN;
    assert!(suggest(&lr, &cliff, None).is_ok());
    assert!(suggest(&lr, &falling[..90], None).is_ok());
}

#[test]
fn a_flat_bottom_at_the_end_is_no_refusal() {
    let lr = sweep(1e-7, 10.0, 100);
    let found = suggest(&lr, &with_noise(&model(&lr, 1e-3, 1e9), 0.05, 7), None).unwrap();
    // Any rate of the bottom is as good as another.
    assert!((5e-4..5e-2).contains(&found.lr), "{found:?}");
}

#[test]
fn losses_that_are_not_finite() {
    let lr = sweep(1e-7, 10.0, 100);
    assert!(refusal(&lr, &[f64::NAN; 100]).contains("not finite from the first step"));
    let mut loss = model(&lr, 1e-3, 1.0);
    loss[3] = f64::INFINITY;
    assert!(refusal(&lr, &loss).contains("not finite after 3 steps"));
    let mut late = model(&lr, 1e-3, 1.0);
    late[90] = f64::NAN;
    // The rest of the curve says the same; what overflowed says that it is SGD's, where nobody has told whose it is.
    let whole = model(&lr, 1e-3, 1.0);
    let adam: Optimizer = Adam::default().into();
    let [told, calm] = [&late, &whole].map(|loss| suggest(&lr, loss, Some(&adam)).unwrap());
    assert!((told.lr / calm.lr - 1.0).abs() < 0.01);
    let [alone, calm] = [&late, &whole].map(|loss| suggest(&lr, loss, None).unwrap());
    assert!((1.2..2.0).contains(&(alone.lr / calm.lr)), "{alone:?}");
    assert!(alone.reason.ends_with("; usual with SGD, whose loss alone overflows, is 3e-2"), "{alone:?}");
    // A run that was stopped did not overflow.
    let stopped = suggest(&lr, &late[..90], None).unwrap();
    assert!((stopped.lr / calm.lr - 1.0).abs() < 0.01 && stopped.reason.contains("any optimizer"));
}

#[test]
fn few_points_are_answered_clearly() {
    for n in 0..6 {
        let lr = &sweep(1e-3, 1.0, 10)[..n];
        assert!(refusal(lr, &vec![1.0; n]).contains("too short; take at least 6 steps"));
    }
    let lr = sweep(1e-5, 1.0, 6);
    assert!(refusal(&lr, &[1.0, 1.0, 0.9, 0.1, 0.1, 9.0]).contains("more steps"));
    assert!(refusal(&lr, &[6.0, 5.0, 4.0, 3.0, 2.0, 1.0]).contains("--to"));
    let lr = sweep(1e-7, 10.0, 20);
    let found = suggest(&lr, &model(&lr, 1e-3, 1.0), None).unwrap();
    assert!((1e-4..1e-2).contains(&found.lr), "{found:?}");
}

#[test]
fn rates_must_rise() {
    assert!(refusal(&[1.0, 2.0, 2.0, 3.0], &[1.0; 4]).contains("number 3 does not"));
    assert!(refusal(&[-1.0, 2.0], &[1.0; 2]).contains("number 1 does not"));
    assert!(refusal(&[0.0, 1.0, f64::NAN], &[1.0; 3]).contains("number 3 does not"));
}

#[test]
fn a_linear_range_from_zero_is_answered() {
    let lr: Vec<f64> = (0..200).map(|i| f64::from(i) / 199.0).collect();
    let found = suggest(&lr, &model(&lr, 0.1, 0.8), None).unwrap();
    assert!((0.05..0.5).contains(&found.lr), "{found:?}");
}

#[test]
fn long_curves_are_quick() {
    let lr = sweep(1e-7, 10.0, 10_000);
    let found = suggest(&lr, &with_noise(&model(&lr, 1e-3, 1.0), 1.0, 11), None).unwrap();
    assert!((7e-4..2e-2).contains(&found.lr), "{found:?}");
}

#[test]
fn nothing_panics() {
    let values = [0.0, -1.0, 1.0, 1e308, -1e308, 1e-308, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 2.0];
    let mut pick = noise(13);
    for round in 0..3000 {
        let n = round % 40;
        let mut value = || values[((pick() + 1.0) * 4.99) as usize];
        let loss: Vec<f64> = (0..n).map(|_| value()).collect();
        let lr: Vec<f64> = (0..n).map(|_| value()).collect();
        let _ = suggest(&lr, &loss, None);
        let rates = sweep(1e-7, 10.0, 40);
        if let Ok(found) = suggest(
            &rates,
            &loss.iter().map(|loss| if loss.is_finite() { *loss } else { 0.5 }).collect::<Vec<_>>(),
            None,
        ) {
            assert!(found.low <= found.lr && found.lr <= found.high && found.score.is_finite(), "{found:?}");
        }
    }
}
