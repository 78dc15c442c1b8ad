//! Per-token quantization: a row of f32 becomes whole numbers of -127 to 127 and one scale.

use super::simd::{LANES, Simd};

/// The largest magnitude of a quantized value.
pub(crate) const LEVELS: f32 = 127.0;

/// Rows that are smaller than this everywhere count as zero; it keeps the factor finite.
pub(crate) const SMALLEST: f32 = 1e-30;

/// Adding 1.5 · 2²³ leaves no bits for a fraction: the sum is rounded to a whole number, ties to
/// even, and its lowest byte is that number in two's complement.
const ROUNDER: f32 = 12_582_912.0;

/// Quantizes the row `x` and appends it to `q`, as `stored` has it. Gives what one step is worth:
/// max |x| / 127.
///
/// An infinite value makes the step infinite, with zeros in `q`. A NaN makes it NaN, with anything
/// in `q`, even -128, which fits into the sums as well. As the step multiplies each result, neither
/// is hidden.
///
/// It is inlined into functions that have more instructions, so that it uses them too.
#[inline(always)]
pub(super) fn quantize_row<S: Simd, Q>(
    s: S,
    x: &[f32],
    q: &mut Vec<Q>,
    stored: impl Fn(i8) -> Q,
) -> f32 {
    let largest = largest_magnitude(s, x);
    let per_step = LEVELS / largest.max(SMALLEST);
    q.reserve(x.len());
    // Not by `extend`, which might not be inlined.
    for (q, &x) in q.spare_capacity_mut()[..x.len()].iter_mut().zip(x) {
        q.write(stored((x * per_step + ROUNDER).to_bits() as i8));
    }
    // SAFETY: that many are reserved and written.
    unsafe { q.set_len(q.len() + x.len()) };
    largest * (1.0 / LEVELS)
}

/// The largest magnitude; NaN where there is one.
///
/// In vectors by hand: of plain Rust the compiler makes loads of single values far apart for AVX-512,
/// which take several times as long as all the rest.
#[inline(always)]
fn largest_magnitude<S: Simd>(s: S, x: &[f32]) -> f32 {
    let mut most = s.splat(0.0);
    let (vectors, rest) = x.as_chunks::<LANES>();
    for v in vectors {
        most = s.max_magnitude(most, s.load(v));
    }
    most = s.max_magnitude(most, s.load_part(rest, 0.0));
    s.largest_magnitude(most)
}

#[cfg(test)]
mod tests {
    use super::super::simd::Portable;
    use super::*;

    fn quantized(x: &[f32]) -> (Vec<i8>, f32) {
        let mut q = vec![];
        let step = quantize_row(Portable, x, &mut q, |q| q);
        (q, step)
    }

    #[test]
    fn a_row_spans_the_levels_and_ties_go_to_even() {
        let (q, step) = quantized(&[127.0, -127.0, 0.5, 1.5, 2.5, -0.5, -1.5, 0.49, 0.0]);
        assert_eq!(q, [127, -127, 0, 2, 2, 0, -2, 0, 0]);
        assert_eq!(step, 127.0 * (1.0 / 127.0));
    }

    #[test]
    fn rounding_is_that_of_the_standard_library() {
        for scale in [1.0, 0.37, 3e-20, 1e-30, 2e-31, f32::MIN_POSITIVE, 1e35, f32::MAX] {
            let x: Vec<f32> = (-1000..=1000).map(|i| i as f32 / 1000.0 * scale).collect();
            let per_step = 127.0 / scale.max(1e-30);
            let expected: Vec<i8> =
                x.iter().map(|x| (x * per_step).round_ties_even() as i8).collect();
            assert_eq!(quantized(&x).0, expected, "{scale}");
        }
    }

    #[test]
    fn what_is_not_finite_shows_in_the_step() {
        assert_eq!(quantized(&[]), (vec![], 0.0));
        assert_eq!(quantized(&[0.0, -0.0]), (vec![0, 0], 0.0));
        let (q, step) = quantized(&[1.0, f32::NEG_INFINITY, 3.0]);
        assert_eq!((q, step), (vec![0; 3], f32::INFINITY));
        for row in [[1.0, f32::NAN], [f32::INFINITY, f32::NAN], [-f32::NAN, 0.0]] {
            assert!(quantized(&row).1.is_nan());
        }
    }
}
