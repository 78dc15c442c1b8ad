//! `tapseg bench`.

use super::*;

/// A small package of standard operators, in `folder`.
pub fn plain(folder: &Path) -> String {
    let package = folder.join("plain").display().to_string();
    let micro = data("micro/micro_sam.pth").display().to_string();
    let convert = ["convert", &micro, "--preset", "sam", "--weights", "f32", "--plain"];
    ok(convert.iter().chain(&["-o", &package]));
    package
}

fn is_complete(report: &Value) {
    for key in ["load_ms", "decode_16_points_ms", "threads"] {
        assert!(report[key].as_f64() > Some(0.0), "{key}: {report}");
    }
    for key in ["preprocess_ms", "encode_ms", "decode_ms", "decode_tap_ms"] {
        let [min, median, max] =
            ["min", "median", "max"].map(|figure| report[key][figure].as_f64().unwrap());
        assert!(0.0 < min && min <= median && median <= max, "{key}: {report}");
    }
    for key in ["model", "weights", "version", "processor", "isa", "operators", "picture"] {
        assert!(report[key].as_str().is_some_and(|text| !text.is_empty()), "{key}: {report}");
    }
    if cfg!(target_os = "linux") {
        assert!(report["peak_rss_mb"].as_f64() > Some(1.0), "{report}");
    }
}

#[test]
fn the_shipped_package_is_measured() {
    let report: Value = serde_json::from_str(&ok(["--json", "bench", "--runs", "2"])).unwrap();
    is_complete(&report);
    assert_eq!((&report["model"], &report["operators"]), (&"litemedsam".into(), &"tapseg".into()));
    assert_eq!((&report["weights"], &report["picture"]), (&"int8".into(), &"640x480".into()));
    assert_eq!(report["trained_on_points"], false);
    assert!(report.get("sweep").is_none() && report.get("heat").is_none(), "{report}");
}

#[test]
fn each_number_of_threads_is_measured_on_its_own() {
    let out = tempfile::tempdir().unwrap();
    let package = plain(out.path());
    let picture = data("frames/clarius_eye.png").display().to_string();
    let bench = ["bench", "--model", &package, "--threads", "1,100000", "--runs", "3"];
    let more = ["--seconds", "1", "--image", &picture, "--box", "305,67,855,572"];
    let printed = ok(["--json"].iter().chain(&bench).chain(&more));
    let report: Value = serde_json::from_str(&printed).unwrap();
    is_complete(&report);
    assert_eq!((&report["threads"], &report["picture"]), (&1.into(), &"1280x960".into()));
    let sweep = report["sweep"].as_array().unwrap();
    assert_eq!(sweep.len(), 2);
    sweep.iter().for_each(is_complete);
    assert_eq!(sweep[0]["encode_ms"], report["encode_ms"]);
    let cores = std::thread::available_parallelism().unwrap().get();
    assert_eq!(sweep[1]["threads"], cores, "no more than there are cores");
    for heat in sweep.iter().map(|setting| &setting["heat"]) {
        assert!(heat["seconds"].as_f64() >= Some(1.0) && heat["count"].as_u64() >= Some(1));
        assert!(heat["slowdown"].as_f64() > Some(0.0), "{heat}");
    }

    let table = ok(bench.iter().chain(&["--stock"]));
    let last: Vec<_> = table.lines().rev().take(2).collect();
    let told = format!("tapseg {} bench: plain f32 (stock operators)", env!("CARGO_PKG_VERSION"));
    assert!(last.iter().all(|line| line.starts_with(&told)), "{table}");
}

#[test]
fn a_profile_tells_where_the_time_goes() {
    let bench = ["bench", "--profile", "--runs", "2"];
    let report: Value = serde_json::from_str(&ok(["--json"].iter().chain(&bench))).unwrap();
    is_complete(&report);
    let profile = &report["profile"];
    for kind in ["float_gmacs", "integer_gmacs"] {
        assert!(profile["peak"][kind].as_f64() > Some(0.1), "{kind}: {}", profile["peak"]);
    }
    let sum = |costs: &str, network: &str, figure: &str| -> f64 {
        let costs = profile[costs].as_array().unwrap().iter();
        let of_network = costs.filter(|cost| cost["network"] == network);
        of_network.map(|cost| cost[figure].as_f64().unwrap()).sum()
    };
    for (network, time) in [("encoder", "encode_ms"), ("decoder", "decode_ms")] {
        for figure in ["ms", "float_macs", "integer_macs", "count"] {
            let [operators, nodes] = ["operators", "nodes"].map(|n| sum(n, network, figure));
            assert!(operators > 0.0 && (operators / nodes - 1.0).abs() < 1e-6, "{figure}");
        }
        let longest = report[time]["max"].as_f64().unwrap();
        assert!(sum("nodes", network, "ms") <= longest, "{network}");
    }
    // LiteMedSAM's encoder multiplies about 37 · 10⁹ times.
    let macs = ["float_macs", "integer_macs"].map(|kind| sum("nodes", "encoder", kind));
    assert!((3e10..5e10).contains(&(macs[0] + macs[1])), "{macs:?}");
    let table = ok(bench);
    for line in ["int8", "of peak", "encoder, ", "decoder, ", "the costliest nodes", "others ("] {
        assert!(table.contains(line), "{line}: {table}");
    }
}

#[test]
fn what_cannot_be_measured_is_told_with_its_remedy() {
    let cases: [(&[&str], &str); 4] = [
        (&["--stock"], "--plain"),
        (&["--box", "9000,0,9100,10"], "not on the frame of 640x480"),
        (&["--image", "/nowhere.png"], "/nowhere.png"),
        (&["--model", "absent"], "there are: litemedsam"),
    ];
    for (arguments, expected) in cases {
        let complaint = refused(["bench"].iter().chain(arguments));
        assert!(complaint.contains(expected), "{arguments:?}: {complaint}");
    }
    for impossible in ["--threads", "--runs", "--seconds"] {
        let output = tapseg(["bench", impossible, "0"]);
        assert!(text(&output.stderr).contains(impossible), "{}", text(&output.stderr));
        assert!(!output.status.success());
    }
}
