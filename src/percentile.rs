//! Percentiles.

/// The value below which `share` of sorted values lie, from 0 to 1: linear between neighbours, as NumPy's
/// default, so that half of an even number lie below the mean of the middle two. `None` of none.
pub(crate) fn percentile(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let place = share * last as f64;
    let below = place as usize;
    let (low, high) = (sorted[below.min(last)], sorted[(below + 1).min(last)]);
    Some(low + (high - low) * place.fract())
}

#[cfg(test)]
mod tests {
    use super::percentile;

    #[test]
    fn values_between_two_are_interpolated() {
        // numpy.percentile
        for (values, share, expected) in [
            (&[][..], 0.5, None),
            (&[7.0], 0.5, Some(7.0)),
            (&[1.0, 2.0], 0.5, Some(1.5)),
            (&[1.0, 2.0, 9.0], 0.5, Some(2.0)),
            (&[1.0, 2.0, 4.0, 9.0], 0.5, Some(3.0)),
            (&[0.0, 1.0, 2.0, 3.0], 0.25, Some(0.75)),
            (&[1.0, 2.0, 9.0], 0.0, Some(1.0)),
            (&[1.0, 2.0, 9.0], 1.0, Some(9.0)),
        ] {
            assert_eq!(percentile(values, share), expected, "{share} of {values:?}");
        }
    }
}
