//! The crate's only source of chance: SplitMix64, seeded, one stream per purpose.
//!
//! Source: G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014, with
//! the constants of S. Vigna's public-domain `splitmix64.c` (D. Stafford's variant 13 of the mixer). The
//! period is 2^64. Integers, uniforms and permutations are the same on every machine; normals are as equal
//! as the machines' `ln` and `cos`.

use std::f64::consts::TAU;

/// 2^64 divided by the golden ratio, made odd: the step of the counter.
const GOLDEN_GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// A seeded generator of random numbers. Not for secrets.
#[derive(Debug, Clone)]
pub(crate) struct Rng {
    state: u64,
}

impl Rng {
    /// The SplitMix64 sequence of this seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The generator number `index` for one purpose ("split", "batch order", "init") under the run's seed.
    /// One seed serves a whole run and no two purposes see the same numbers, nor two layers or epochs.
    pub(crate) fn stream(seed: u64, purpose: &str, index: u64) -> Self {
        let named = purpose.bytes().fold(mix(seed), |hash, byte| next(hash ^ u64::from(byte)));
        Self::new(next(named ^ mix(index)))
    }

    /// The next 64 random bits.
    pub(crate) fn next_u64(&mut self) -> u64 {
        let value = next(self.state);
        self.state = self.state.wrapping_add(GOLDEN_GAMMA);
        value
    }

    /// A uniform number in [0, 1), a multiple of 2^-53.
    pub(crate) fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// A normal number of mean 0 and deviation 1 by Box and Muller (1958), from exactly two uniforms; no
    /// larger than 8.6 in size.
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt(); // 1 - u is never 0
        radius * (TAU * self.uniform()).cos()
    }

    /// A uniform whole number in `0..n`, without bias; 0 if `n` is 0. Source: D. Lemire, "Fast random
    /// integer generation in an interval", 2019: multiply, and draw again in the rare unfair case.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        let mut product = u128::from(self.next_u64()) * u128::from(n);
        if (product as u64) < n {
            let unfair = n.wrapping_neg() % n; // 2^64 mod n
            while (product as u64) < unfair {
                product = u128::from(self.next_u64()) * u128::from(n);
            }
        }
        (product >> 64) as u64
    }

    /// Puts the items in random order, every order as likely (Fisher and Yates, from the end).
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}

/// The output of SplitMix64 in state `state`.
fn next(state: u64) -> u64 {
    mix(state.wrapping_add(GOLDEN_GAMMA))
}

/// A bijection of the 64-bit numbers in which every input bit flips about half of the output bits.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_vectors_of_splitmix64() {
        let mut rng = Rng::new(1_234_567);
        let published = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
            4_593_380_528_125_082_431,
            16_408_922_859_458_223_821,
        ];
        assert_eq!(published, std::array::from_fn(|_| rng.next_u64()));
    }

    #[test]
    fn streams_differ_by_seed_purpose_and_index_and_repeat() {
        let first = |seed, purpose, index| Rng::stream(seed, purpose, index).next_u64();
        let all = [
            first(0, "init", 0),
            first(1, "init", 0),
            first(0, "split", 0),
            first(0, "init", 1),
            first(1, "init", 1),
            first(0, "", 0),
        ];
        for (i, value) in all.iter().enumerate() {
            assert!(!all[..i].contains(value), "stream {i} repeats another");
        }
        assert_eq!(first(0, "init", 1), all[3]);
    }

    #[test]
    fn uniforms_stay_in_range_and_average_a_half() {
        let mut rng = Rng::new(1);
        let values: Vec<f64> = (0..100_000).map(|_| rng.uniform()).collect();
        assert!(values.iter().all(|value| (0.0..1.0).contains(value)));
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        assert!((mean - 0.5).abs() < 0.005, "mean {mean}"); // 5 standard errors
    }

    #[test]
    fn the_largest_uniform_is_below_1() {
        assert!((u64::MAX >> 11) as f64 * (1.0 / (1u64 << 53) as f64) < 1.0);
    }

    #[test]
    fn normals_have_the_moments_of_a_normal() {
        let mut rng = Rng::new(2);
        let values: Vec<f64> = (0..200_000).map(|_| rng.normal()).collect();
        let moment = |power| values.iter().map(|v| v.powi(power)).sum::<f64>() / values.len() as f64;
        let moments = [moment(1), moment(2), moment(3), moment(4)];
        for (got, (want, tolerance)) in
            moments.iter().zip([(0.0, 0.012), (1.0, 0.016), (0.0, 0.05), (3.0, 0.12)])
        {
            assert!((got - want).abs() < tolerance, "moments {moments:?}");
        }
        assert!(values.iter().all(|value| value.abs() < 8.6));
    }

    #[test]
    fn below_is_fair_and_stays_below() {
        let mut rng = Rng::new(3);
        let mut counts = [0u32; 7];
        for _ in 0..70_000 {
            counts[rng.below(7) as usize] += 1;
        }
        assert!(counts.iter().all(|&count| (9_500..10_500).contains(&count)), "{counts:?}");
        assert_eq!((rng.below(1), rng.below(0)), (0, 0));
    }

    #[test]
    fn below_draws_again_where_a_remainder_would_be_biased() {
        // 2/3 of 2^64: taking a remainder would hit the lower half twice as often as the upper.
        let n = (u64::MAX / 3) * 2;
        let mut rng = Rng::new(4);
        let low = (0..30_000).filter(|_| rng.below(n) < n / 2).count();
        assert!((14_500..15_500).contains(&low), "{low} of 30000 in the lower half");
    }

    #[test]
    fn shuffling_gives_every_order_about_as_often() {
        let mut rng = Rng::new(5);
        let mut counts = std::collections::HashMap::new();
        for _ in 0..24_000 {
            let mut items = [0, 1, 2, 3];
            rng.shuffle(&mut items);
            *counts.entry(items).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 24);
        assert!(counts.values().all(|count| (820..1_180).contains(count)), "{counts:?}");
    }

    #[test]
    fn shuffling_nothing_or_one_is_fine() {
        Rng::new(6).shuffle::<u8>(&mut []);
        let mut one = [9];
        Rng::new(6).shuffle(&mut one);
        assert_eq!(one, [9]);
    }
}
