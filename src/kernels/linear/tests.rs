//! The layer against f64; products have tests of their own.

use super::super::testing::{ROUNDING, assert_near, floats, same_on_all};
use super::*;

#[test]
fn layers_of_all_sizes() {
    for (rows, k, n) in [(0, 3, 4), (1, 1, 1), (3, 0, 5), (3, 5, 0), (7, 17, 15), (13, 33, 49)] {
        let (x, weight) = (floats(1, rows * k), floats(2, k * n));
        let found = same_on_all(|isa| {
            let layer = FloatLinear::new(isa, (k, n), |k, column| weight[k * n + column]);
            assert_eq!((layer.inputs(), layer.outputs()), (k, n));
            assert_eq!(format!("{layer:?}"), format!("FloatLinear({k} × {n})"));
            let mut out = vec![7.0; rows * n];
            layer.apply(rows, &x, &mut out);
            out
        });
        let exact = (0..rows * n).map(|i| {
            let (row, column) = (i / n, i % n);
            let product =
                |k_: usize| f64::from(x[row * k + k_]) * f64::from(weight[k_ * n + column]);
            let magnitude: f64 = (0..k).map(|k| product(k).abs()).sum();
            ((0..k).map(product).sum::<f64>(), magnitude * k as f64 * ROUNDING * 1.01)
        });
        assert_near(&found, exact);
    }
}
