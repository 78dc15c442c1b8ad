use super::*;
use crate::eval::{Clicks, Scores};

fn case(picture: &str, class: &str, dice: f64) -> Case {
    let scores = Scores { pixel_accuracy: 1.0, iou: dice, dice, nsd_2px: dice, nsd_2mm: None };
    let factors =
        Factors { size: dice, contrast: 0.5, aspect_ratio: 1.0, boundary_complexity: 1.0 };
    Case {
        picture: picture.into(),
        volume: picture.split_once('#').map(|(volume, _)| volume.into()),
        class: Some(class.into()),
        structure: Some("lesion".into()),
        setting: Setting::TightBox,
        repeat: 0,
        scores,
        overlap: Overlap { found_px: 10, true_px: 10, both_px: (dice * 10.0).round() as u64 },
        oracle_dice: None,
        predicted_iou: None,
        clicks: None,
        factors,
    }
}

fn model(name: &str, more: f64) -> ModelCases {
    let cases = [("a", "benign", 0.5), ("a", "benign", 0.7), ("b", "malignant", 0.6)];
    let cases = cases.map(|(picture, class, dice)| case(picture, class, dice + more)).to_vec();
    ModelCases { name: name.into(), weights: "f32".into(), trained_on_points: true, cases }
}

#[test]
fn cases_are_summed_up_by_model_and_class() {
    let dataset =
        Dataset { name: "d".into(), layout: Layout::Busi, items: vec![], problems: vec![] };
    let models = vec![model("one", 0.0), model("two", 0.1)];
    let e = Evaluation::new(&dataset, (2, 2), vec![], 1, &[Setting::TightBox], models);
    let told: Vec<_> = e
        .results
        .iter()
        .map(|row| {
            (&*row.model, row.class.as_deref(), row.metrics["dice"].mean, row.metrics["dice"].n)
        })
        .collect();
    let near = |a: f64, b: f64| (a - b).abs() < 1e-12;
    assert!(near(told[0].2, 0.6) && told[0].3 == 3 && told[0].1.is_none(), "{told:?}");
    assert_eq!((told[1].0, told[1].1, told[1].3), ("one", Some("benign"), 2));
    assert!(near(told[2].2, 0.6) && told[2].1 == Some("malignant"));
    assert!(near(told[3].2, 0.7) && told[3].0 == "two");
    assert!(!e.results[0].metrics.contains_key("nsd_2mm"), "no case has it");
    assert!(near(e.comparisons[0].dice_difference, 0.1) && e.comparisons[0].pictures == 2);
    assert!(e.results[0].metrics["dice"].ci95.is_some(), "of two pictures");
    assert_eq!(e.results[1].metrics["dice"].ci95, None, "of a single picture");
}

#[test]
fn a_structure_counts_once_however_often_it_is_asked_about() {
    let dataset =
        Dataset { name: "d".into(), layout: Layout::Busi, items: vec![], problems: vec![] };
    let factors = |structures: usize| {
        let cases = (0..structures).flat_map(|number| {
            // What a prompt does beside its structure's size is lost in the mean.
            [-0.01, 0.0, 0.01].map(|more| {
                let size = 0.5 + 0.02 * number as f64;
                let mut case = case(&format!("{number}"), "benign", size);
                case.scores.dice += more;
                case
            })
        });
        let cases = cases.collect();
        let model =
            ModelCases { name: "m".into(), weights: "f32".into(), trained_on_points: true, cases };
        let counts = (structures, structures);
        Evaluation::new(&dataset, counts, vec![], 1, &[Setting::TightBox], vec![model]).factors
    };
    for (structures, coefficient, probability) in
        [(3, false, false), (4, true, false), (9, true, false), (10, true, true)]
    {
        let rows = factors(structures);
        assert_eq!(rows[0].n, structures);
        for found in [rows[0].pearson, rows[0].spearman] {
            assert_eq!(found.is_some(), coefficient, "{structures}");
            assert_eq!(found.is_some_and(|c| c.p.is_some()), probability, "{structures}");
            assert!(found.is_none_or(|c| (c.r - 1.0).abs() < 1e-9), "{found:?}");
        }
        assert_eq!(rows[1].pearson, None, "contrast is the same everywhere");
    }
}

#[test]
fn clicks_are_counted_until_the_goal() {
    let clicks =
        Clicks { dice: vec![0.5; 20], iou: (0..20).map(|n| 0.8 + 0.02 * f64::from(n)).collect() };
    assert_eq!((clicks.until(0.8), clicks.until(0.85), clicks.until(2.0)), (1, 4, MAX_CLICKS));
}

#[test]
fn several_pairs_of_models_are_corrected_for() {
    let dataset =
        Dataset { name: "d".into(), layout: Layout::Busi, items: vec![], problems: vec![] };
    let settings = [Setting::TightBox];
    let of = |models| Evaluation::new(&dataset, (2, 2), vec![], 1, &settings, models).comparisons;
    let models = vec![model("one", 0.0), model("two", 0.1), model("three", 0.2)];
    let three = of(models.clone());
    assert_eq!(three.len(), 3);
    let least = three.iter().map(|c| c.p).fold(1.0, f64::min);
    let corrected: Vec<f64> = three.iter().filter_map(|c| c.p_holm).collect();
    assert_eq!(corrected.len(), 3);
    assert!(corrected.contains(&(3.0 * least)) && corrected.contains(&1.0), "{three:?}");
    assert_eq!(of(models[..2].to_vec())[0].p_holm, None);
}

#[test]
fn volumes_are_summed_up_over_their_slices() {
    let dataset =
        Dataset { name: "d".into(), layout: Layout::Npz, items: vec![], problems: vec![] };
    let mut cases = vec![
        case("v#1", "", 0.5),
        case("v#2", "", 1.0),
        case("w#1", "", 0.6),
        case("flat", "", 0.1),
    ];
    // A slice with twice the pixels counts twice.
    cases[1].overlap = Overlap { found_px: 20, true_px: 20, both_px: 20 };
    let model =
        ModelCases { name: "m".into(), weights: "f32".into(), trained_on_points: true, cases };
    let settings = [Setting::TightBox, Setting::CentreTap];
    let e = Evaluation::new(&dataset, (4, 4), vec![], 1, &settings, vec![model]);
    let [row] = &e.volumes[..] else { panic!("{:?}", e.volumes) };
    assert_eq!((row.setting, row.dice.n), (Setting::TightBox, 2));
    assert!((row.dice.mean - (25.0 / 30.0 + 0.6) / 2.0).abs() < 1e-12, "{row:?}");
}
