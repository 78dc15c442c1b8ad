use super::*;
use serde_json::Value;

/// `tests/data/README.md` tells where the expected numbers come from.
fn expected() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/eval/statistics.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn assert_near(found: f64, expected: f64, what: &str) {
    let error = (found - expected).abs() / expected.abs().max(1e-12);
    assert!(error < 1e-6, "{what}: {found} {expected}");
}

#[test]
fn correlations_are_scipys() {
    for case in expected()["correlations"].as_array().unwrap() {
        let (x, y) = (numbers(&case["x"]), numbers(&case["y"]));
        for (name, found) in [("pearson", pearson(&x, &y)), ("spearman", spearman(&x, &y))] {
            let expected = numbers(&case[name]);
            let what = format!("{name} of {}", x.len());
            let Some(found) = found else {
                assert!(x.len() < 4, "{what}");
                continue;
            };
            assert_near(found.r, expected[0], &what);
            assert_eq!(found.p.is_some(), x.len() >= LEAST_FOR_P, "{what}");
            found.p.into_iter().for_each(|p| assert_near(p, expected[1], &what));
        }
    }
    // However well three values agree, that is by chance once in three times.
    assert_eq!(pearson(&[1.0, 2.0, 3.0], &[2.0, 4.0, 6.0]), None);
    assert_eq!(pearson(&[1.0; 4], &[1.0, 2.0, 3.0, 4.0]), None);
    let ten: Vec<f64> = (0..10).map(f64::from).collect();
    assert_eq!(pearson(&ten[..9], &ten[..9]).unwrap().p, None);
    assert!(pearson(&ten, &ten).unwrap().p.unwrap() < 1e-6);
}

#[test]
fn paired_tests_are_scipys() {
    for case in expected()["wilcoxon"].as_array().unwrap() {
        let differences = numbers(&case["differences"]);
        let what = format!("{} differences", differences.len());
        assert_near(wilcoxon(&differences), case["p"].as_f64().unwrap(), &what);
    }
    assert_eq!(wilcoxon(&[]), 1.0);
    assert_eq!(wilcoxon(&[0.0; 9]), 1.0);
}

/// Expected values printed by R: `p.adjust(p, "holm")`.
#[test]
fn several_tests_are_corrected_as_r_does() {
    for (found, expected) in [
        (holm(&[0.01, 0.04, 0.03, 0.005]), vec![0.03, 0.06, 0.06, 0.02]),
        (holm(&[0.6, 0.5, 0.02]), vec![1.0, 1.0, 0.06]),
        (holm(&[0.2]), vec![0.2]),
        (holm(&[]), vec![]),
    ] {
        assert_eq!(found.len(), expected.len());
        assert!(found.iter().zip(&expected).all(|(f, e)| (f - e).abs() < 1e-12), "{found:?}");
    }
}

#[test]
fn intervals_are_scipys_but_for_chance() {
    let case = &expected()["bootstrap"];
    let groups: Vec<Vec<f64>> = numbers(&case["values"]).into_iter().map(|v| vec![v]).collect();
    let found = Estimate::bootstrap(&groups, 1).unwrap();
    assert_near(found.mean, case["mean"].as_f64().unwrap(), "mean");
    let interval = numbers(&case["ci95"]);
    // What 1000 draws can be off by is some hundredths of the interval's width.
    let width = interval[1] - interval[0];
    for (found, expected) in found.ci95.unwrap().iter().zip(&interval) {
        assert!((found - expected).abs() < 0.06 * width, "{found} {expected}");
    }
    assert_eq!(Estimate::bootstrap(&groups, 1), Some(found));
    assert_ne!(Estimate::bootstrap(&groups, 2), Some(found));
}

#[test]
fn values_of_a_group_are_drawn_together() {
    // One picture with many structures says no more about other pictures than one with a few: nothing.
    let one = vec![(0..100).map(f64::from).collect()];
    let found = Estimate::bootstrap(&one, 1).unwrap();
    assert_eq!((found.mean, found.ci95, found.n), (49.5, None, 100));
    assert_eq!(Estimate::bootstrap(&[vec![]], 1), None);
}
