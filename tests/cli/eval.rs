//! `tapseg eval`.

use super::bench::plain;
use super::*;

#[test]
fn a_dataset_is_evaluated_by_every_protocol() {
    let out = tempfile::tempdir().unwrap();
    let package = plain(out.path());
    let dataset = data("eval/npz").display().to_string();
    let [table, page] = ["out.csv", "out.html"].map(|n| out.path().join(n).display().to_string());
    let protocols = "breastsam,survey,interactive,box,tap,none";
    let eval = ["eval", &dataset, "--protocol", protocols, "--model", &package];
    let files = ["--csv", &table, "--report", &page];
    let printed = ok(["--json"].iter().chain(&eval).chain(&files));
    let report: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!((&report["pictures"], &report["structures"]), (&3.into(), &5.into()));
    assert_eq!(report["problems"], serde_json::json!([]));
    let settings = [
        ("breastsam", 5),
        ("one-point", 5),
        ("twenty-points", 5),
        ("tight-box", 5),
        ("all-structures", 3),
        ("clicks", 5),
        ("given-box", 5),
        ("centre-tap", 5),
        ("interior-tap", 15),
        ("rim-tap", 15),
        ("unprompted", 3),
    ];
    let results = report["results"].as_array().unwrap();
    assert_eq!(results.len(), settings.len());
    for (row, (setting, n)) in results.iter().zip(settings) {
        assert_eq!(row["setting"], setting);
        for metric in ["dice", "iou", "nsd_2px", "pixel_accuracy"] {
            let estimate = &row["metrics"][metric];
            let mean = estimate["mean"].as_f64().unwrap();
            let [low, high] = [0, 1].map(|at| estimate["ci95"][at].as_f64().unwrap());
            assert!(0.0 <= low && low <= mean && mean <= high && high <= 1.0, "{setting} {metric}");
            assert_eq!(estimate["n"], n, "{setting}");
        }
    }
    let clicks = &results[5];
    assert_eq!(clicks["dice_by_click"].as_array().unwrap().len(), 20);
    assert!((1.0..=20.0).contains(&clicks["metrics"]["noc85"]["mean"].as_f64().unwrap()));
    // A point is answered with three masks, one of which the model picks.
    for setting in ["centre-tap", "interior-tap", "rim-tap"] {
        let row = results.iter().find(|row| row["setting"] == setting).unwrap();
        let [picked, best] =
            ["dice", "oracle_dice"].map(|metric| row["metrics"][metric]["mean"].as_f64().unwrap());
        assert!(best >= picked, "{setting}: {picked} {best}");
    }
    let cases = report["models"][0]["cases"].as_array().unwrap();
    assert_eq!(cases.len(), settings.iter().map(|(_, n)| n).sum::<usize>());
    // The volume states a spacing, the picture none.
    for case in cases {
        let in_volume = case["picture"].as_str().unwrap().starts_with("volume");
        assert_eq!(case["scores"]["nsd_2mm"].is_number(), in_volume, "{case}");
    }
    let written = std::fs::read_to_string(&table).unwrap();
    assert_eq!(written.lines().count(), cases.len() + 1);
    assert!(written.starts_with("model,picture,class,structure,protocol,setting,repeat,dice,iou"));
    let html = std::fs::read_to_string(&page).unwrap();
    for part in ["<svg", "data:image/png;base64,iVBOR", "survey: box", "volume.npz#2", "</html>"] {
        assert!(html.contains(part), "{part}");
    }
    assert!(!html.contains("http://") || html.contains("www.w3.org/2000/svg"), "self-contained");
    let left = std::fs::read_dir(out.path()).unwrap().count();
    assert_eq!(left, 3, "the package, out.csv and out.html");

    // The same again, in another order of protocols: the same prompts, the same scores.
    let again = ["eval", &dataset, "--protocol", "tap,breastsam", "--model", &package];
    let again: Value = serde_json::from_str(&ok(["--json"].iter().chain(&again))).unwrap();
    assert_eq!(again["results"][3], results[0]);
    assert_eq!(again["results"][0], results[7]);
}

#[test]
fn an_interrupted_run_goes_on() {
    let out = tempfile::tempdir().unwrap();
    let package = plain(out.path());
    let dataset = data("eval/npz").display().to_string();
    let table = out.path().join("out.csv").display().to_string();
    let eval = ["eval", &dataset, "--protocol", "box", "--model", &package, "--csv", &table];
    ok(eval);
    let whole = std::fs::read_to_string(&table).unwrap();
    // A folder in the table's place: all is computed, and then can't be written.
    std::fs::remove_file(&table).unwrap();
    std::fs::create_dir(&table).unwrap();
    assert!(refused(eval).contains("out.csv"));
    std::fs::remove_dir(&table).unwrap();
    let journal = format!("{table}.journal");
    let kept = std::fs::read_to_string(&journal).unwrap();
    assert_eq!(kept.lines().count(), 3, "the key and two archives");
    // As if it had been killed while it wrote the second.
    std::fs::write(&journal, &kept[..kept.len() - 30]).unwrap();
    let other = refused(eval.iter().chain(&["--seed", "2"]));
    assert!(other.contains("out.csv.journal") && other.contains("another seed"), "{other}");
    let output = tapseg(eval);
    assert!(output.status.success());
    assert!(
        text(&output.stderr).contains("1 pictures are done already"),
        "{}",
        text(&output.stderr)
    );
    assert_eq!(std::fs::read_to_string(&table).unwrap(), whole);
    assert!(!Path::new(&journal).exists());
}

#[test]
fn a_mask_that_was_mended_is_read_again() {
    let out = tempfile::tempdir().unwrap();
    let package = plain(out.path());
    let set = out.path().join("set");
    std::fs::create_dir(&set).unwrap();
    image::GrayImage::new(64, 64).save(set.join("a.png")).unwrap();
    let disc = image::GrayImage::from_fn(64, 64, |x, y| {
        image::Luma([if x.abs_diff(30).pow(2) + y.abs_diff(30).pow(2) < 200 { 255 } else { 0 }])
    });
    let mut stray = disc.clone();
    stray.put_pixel(2, 2, image::Luma([30]));
    stray.save(set.join("a_mask.png")).unwrap();
    let [dataset, table] = [&set, &out.path().join("out.csv")].map(|p| p.display().to_string());
    let eval = ["eval", &dataset, "--protocol", "box", "--model", &package, "--csv", &table];
    let told = refused(eval);
    assert!(told.contains("nothing is outlined") && told.contains("grey 30 of 255"), "{told}");
    assert!(!Path::new(&format!("{table}.journal")).exists());
    disc.save(set.join("a_mask.png")).unwrap();
    let told = ok(eval);
    assert!(told.contains("1 structures on 1 pictures"), "{told}");
    // One picture tells nothing of others.
    assert!(!told.contains(" to ") && !told.contains("Spearman"), "{told}");
}

#[test]
fn models_are_compared_on_the_same_prompts() {
    let out = tempfile::tempdir().unwrap();
    let package = plain(out.path());
    let micro = data("micro/micro_sam.pth").display().to_string();
    let small = out.path().join("small").display().to_string();
    ok(["convert", &micro, "--preset", "sam", "--weights", "int8", "-o", &small]);
    let eval = ["eval", "phantom:count=3,size=96x80", "--protocol", "box,none"];
    let models = ["--model", &package, "--model", &small];
    let report: Value =
        serde_json::from_str(&ok(["--json"].iter().chain(&eval).chain(&models))).unwrap();
    let comparisons = report["comparisons"].as_array().unwrap();
    assert_eq!(comparisons.len(), 2);
    for comparison in comparisons {
        assert_eq!(comparison["pictures"], 3);
        assert!((0.0..=1.0).contains(&comparison["p"].as_f64().unwrap()), "{comparison}");
    }
    let table = ok(eval.iter().chain(&models));
    assert!(table.contains("Wilcoxon") && table.contains("3 structures on 3 pictures"), "{table}");
}

#[test]
fn what_cannot_be_evaluated_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let package = plain(folder.path());
    let set = folder.path().join("set");
    std::fs::create_dir(&set).unwrap();
    for name in ["labels.png", "labels_mask.png", "deep.png", "palette_mask.png"] {
        std::fs::copy(data("eval/kinds").join(name), set.join(name)).unwrap();
    }
    let dataset = set.display().to_string();
    let told = ok(["eval", &dataset, "--protocol", "box", "--model", &package]);
    for line in ["1 without a mask:", "deep.png", "1 masks without a picture:", "palette_mask.png"]
    {
        assert!(told.contains(line), "{line}: {told}");
    }
    let cases: [(&[&str], &str); 6] = [
        (&["phantom", "--csv", "/nowhere/x.csv"], "/nowhere/x.csv: make the folder /nowhere first"),
        (&["phantom", "--report", "/nowhere/x.html"], "make the folder /nowhere first"),
        (&["/nowhere"], "/nowhere"),
        (&["phantom:count=0"], "no count"),
        (&["phantom", "--model", "absent"], "there are: litemedsam"),
        (&["phantom", "--model", "litemedsam", "--model", "litemedsam"], "given twice"),
    ];
    for (arguments, expected) in cases {
        let complaint = refused(["eval"].iter().chain(arguments));
        assert!(complaint.contains(expected), "{arguments:?}: {complaint}");
    }
}

/// The most memory that a run took, in bytes: asked for all along, as the system forgets it with the run.
#[cfg(target_os = "linux")]
fn peak_bytes<'a>(arguments: impl IntoIterator<Item = &'a str>) -> u64 {
    let mut child = command().args(arguments).stdout(Stdio::null()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let told = std::fs::read_to_string(&status).unwrap_or_default();
        let line = told.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        peak = kilobytes.map_or(peak, |kilobytes| kilobytes * 1024);
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert!(child.wait().unwrap().success());
    peak
}

#[test]
#[cfg(target_os = "linux")]
fn ten_thousand_pictures_take_the_memory_of_a_hundred() {
    let folder = tempfile::tempdir().unwrap();
    let package = plain(folder.path());
    let set = |count: usize| {
        let set = folder.path().join(format!("{count}"));
        std::fs::create_dir(&set).unwrap();
        let grey = |x: u32, y: u32| image::Luma([(x * y % 251) as u8]);
        image::GrayImage::from_fn(64, 64, grey).save(set.join("0.png")).unwrap();
        let disc = |x: u32, y: u32| {
            image::Luma([if x.abs_diff(30).pow(2) + y.abs_diff(30).pow(2) < 200 { 255 } else { 0 }])
        };
        image::GrayImage::from_fn(64, 64, disc).save(set.join("0_mask.png")).unwrap();
        for number in 1..count {
            for end in [".png", "_mask.png"] {
                std::fs::hard_link(set.join(format!("0{end}")), set.join(format!("{number}{end}")))
                    .unwrap();
            }
        }
        set.display().to_string()
    };
    let peak = |count| {
        let set = set(count);
        peak_bytes(["eval", &set, "--protocol", "box", "--model", &package])
    };
    let (few, many) = (peak(100), peak(10_000));
    // With their masks the pictures take 160 MB; their names and scores take 8.
    assert!(few > 10 << 20 && many < few + (30 << 20), "{few} and {many} bytes");
}
