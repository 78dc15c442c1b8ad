//! The few functions the simulator needs, from additions, multiplications, divisions and square
//! roots alone: those give the same bits on every platform, which the functions of a system's
//! mathematical library do not.

/// A sine wave of `turns` × 2π, to within 0.0011 (a parabola, bettered by its own square).
pub(super) fn wave(turns: f64) -> f32 {
    // In half turns from -1 to 1.
    let x = ((turns - (turns + 0.5).floor()) * 2.0) as f32;
    let parabola = 4.0 * x * (1.0 - x.abs());
    0.225 * (parabola * parabola.abs() - parabola) + parabola
}

/// The binary logarithm of a positive, normal number, to within 0.00001.
pub(super) fn log2(v: f32) -> f32 {
    // v = m · 2ᵉ with m in 0.75..1.5; then ln m = 2 artanh((m - 1) / (m + 1)), as a series.
    let bits = v.to_bits().wrapping_sub(0x3F40_0000);
    let exponent = (bits as i32 >> 23) as f32;
    let m = f32::from_bits((bits & 0x007F_FFFF) + 0x3F40_0000);
    let t = (m - 1.0) / (m + 1.0);
    let t2 = t * t;
    let artanh = t * (1.0 + t2 * (1.0 / 3.0 + t2 * (1.0 / 5.0 + t2 * (1.0 / 7.0))));
    exponent + artanh * (2.0 * std::f32::consts::LOG2_E)
}

/// 0 up to `low`, 1 from `high` on, smooth in between.
pub(super) fn smooth_step(low: f32, high: f32, v: f32) -> f32 {
    let t = ((v - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// 1 at 0, falling smoothly to 0 at ±1: the biweight kernel.
pub(super) fn bump(v: f32) -> f32 {
    let t = (1.0 - v * v).max(0.0);
    t * t
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn approximations_hold_what_they_promise() {
        for i in -3000..3000 {
            let turns = f64::from(i) / 977.0;
            let error = f64::from(wave(turns)) - (turns * std::f64::consts::TAU).sin();
            assert!(error.abs() < 0.0011, "wave({turns}) is off by {error}");
        }
        for i in 1..20000u16 {
            for v in [f32::from(i) / 997.0, f32::from(i) * 1e6, f32::from(i) * 1e-12] {
                assert!((log2(v) - v.log2()).abs() < 1e-5, "log2({v})");
            }
        }
    }
}
