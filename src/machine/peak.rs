//! How fast tapseg's matrix products can be on this machine at best.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::kernels::{FloatLinear, Isa, LinearError, PackedLinear};

/// How long each kernel is tried.
const TRIAL: Duration = Duration::from_millis(300);
/// About the multiplications of one measurement: long enough for the clock, and short enough that
/// nothing else gets the processor in some of them.
const MACS: usize = 1 << 26;
/// Rows and inputs of the products: they stay in the second cache of small boards, and a panel of
/// weights in the first.
const ROWS: usize = 96;
const INPUTS: usize = 256;

/// The most multiplications with their additions that were seen, in 10⁹ a second.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Peak {
    /// Of f32.
    pub float_gmacs: f64,
    /// Of int8, with the quantization of what is multiplied.
    pub integer_gmacs: f64,
}

impl Peak {
    /// Measures it on `threads` threads at once, which takes about a second.
    ///
    /// # Errors
    /// [`LinearError`] never, as the layers are sound.
    pub fn measure(isa: Isa, threads: usize) -> Result<Self, LinearError> {
        let (floats, bytes) = (128, 384);
        let layer = FloatLinear::new(isa, (INPUTS, floats), |k, n| (k + n) as f32);
        let float_gmacs = gmacs(threads, floats, |x, out| layer.apply(ROWS, x, out));
        let weight = vec![1; INPUTS * bytes];
        let layer = PackedLinear::new(isa, (INPUTS, bytes), &weight, &vec![0.01; bytes], None)?;
        let integer_gmacs = gmacs(threads, bytes, |x, out| layer.apply(ROWS, x, out));
        Ok(Self { float_gmacs, integer_gmacs })
    }

    /// The seconds that so many multiplications take at best.
    pub fn seconds(self, float_macs: u64, integer_macs: u64) -> f64 {
        float_macs as f64 / (self.float_gmacs * 1e9)
            + integer_macs as f64 / (self.integer_gmacs * 1e9)
    }
}

/// The best speeds of all threads together at a layer of `outputs`.
fn gmacs(threads: usize, outputs: usize, layer: impl Fn(&[f32], &mut [f32]) + Sync) -> f64 {
    let macs = ROWS * INPUTS * outputs;
    let repeats = MACS.div_ceil(macs);
    let best = || {
        let x: Vec<f32> = (0..ROWS * INPUTS).map(|i| (i % 255) as f32).collect();
        let mut out = vec![0.0; ROWS * outputs];
        let (begin, mut best) = (Instant::now(), Duration::MAX);
        while begin.elapsed() < TRIAL {
            let start = Instant::now();
            (0..repeats).for_each(|_| layer(&x, &mut out));
            best = best.min(start.elapsed());
        }
        (macs * repeats) as f64 / best.as_secs_f64() / 1e9
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(best)).collect();
        let own = best();
        // A thread that broke off counts as none.
        others.into_iter().map(|other| other.join().unwrap_or(0.0)).sum::<f64>() + own
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_time_is_that_of_both_kinds() {
        let peak = Peak { float_gmacs: 2.0, integer_gmacs: 8.0 };
        assert_eq!(peak.seconds(1_000_000_000, 4_000_000_000), 1.0);
    }

    #[test]
    fn this_machine_has_a_peak() {
        let peak = Peak::measure(Isa::Portable, 2).unwrap();
        assert!(peak.float_gmacs > 0.0 && peak.integer_gmacs > 0.0, "{peak:?}");
    }
}
