//! What the tests of the kernels have in common.

use super::isa::Isa;

/// The distance from 1 to the next float, halved: what rounding a result costs at most, relatively.
pub(super) const ROUNDING: f64 = 1.0 / (1 << 24) as f64;

/// The bits, but one NaN for all: which one comes of an operation depends on the processor.
pub(super) fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| if v.is_nan() { f32::NAN.to_bits() } else { v.to_bits() }).collect()
}

/// Numbers that repeat from run to run.
pub(super) fn numbers(seed: u32, len: usize) -> impl Iterator<Item = u32> {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state
    })
    .take(len)
}

/// Values of -4 to 4.
pub(super) fn floats(seed: u32, len: usize) -> Vec<f32> {
    numbers(seed, len).map(|v| (v as f32 / u32::MAX as f32 - 0.5) * 8.0).collect()
}

/// What `kernel` gives on every instruction set, which must be the same bits on all.
#[track_caller]
pub(super) fn same_on_all(kernel: impl Fn(Isa) -> Vec<f32>) -> Vec<f32> {
    let expected = kernel(Isa::Portable);
    for isa in Isa::available() {
        let found = kernel(isa);
        assert_eq!(found.len(), expected.len(), "{}", isa.name());
        let differ = bits(&found).iter().zip(bits(&expected)).position(|(a, b)| *a != b);
        let values = differ.map(|i| (i, found[i], expected[i]));
        assert_eq!(values, None, "{}", isa.name());
    }
    expected
}

/// Compares with what is exact; each value comes with how far off it may be.
#[track_caller]
pub(super) fn assert_near(found: &[f32], exact: impl IntoIterator<Item = (f64, f64)>) {
    let mut count = 0;
    for (&found, (exact, bound)) in found.iter().zip(exact) {
        let off = (f64::from(found) - exact).abs();
        assert!(off <= bound, "value {count}: {found}, not {exact} within {bound:e}");
        count += 1;
    }
    assert_eq!(count, found.len());
}

/// Where the values that are not finite are.
pub(super) fn not_finite(values: &[f32]) -> Vec<usize> {
    (0..values.len()).filter(|&i| !values[i].is_finite()).collect()
}
