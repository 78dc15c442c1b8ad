//! Every instruction set gives the same bits.

use super::*;
use tapseg::kernels::Isa;

/// What `tapseg embed` and `segment` write on the instruction set `isa`.
fn answers(isa: &str, model: &str) -> [Vec<u8>; 2] {
    let out = tempfile::tempdir().unwrap();
    let picture = data("frames/clarius_eye.png").display().to_string();
    let (npy, folder) = (out.path().join("e.npy"), out.path().join("masks"));
    let (npy, folder) = (npy.to_str().unwrap(), folder.to_str().unwrap());
    for arguments in [
        vec!["embed", &picture, "-o", npy, "--model", model],
        vec!["segment", &picture, "--box", "305,67,855,572", "-o", folder, "--model", model],
    ] {
        let output = command().env("TAPSEG_CPU_ISA", isa).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
    let mask = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mask = mask.filter(|path| path.to_string_lossy().contains("mask")).min().unwrap();
    [std::fs::read(npy).unwrap(), std::fs::read(mask).unwrap()]
}

/// The plain Rust of the slowest set takes long on anything but a small network.
#[test]
fn every_instruction_set_gives_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let available = Isa::available();
    let micro = [("micro.pth", "litemedsam", "32"), ("micro_sam.pth", "sam", "96")];
    for (file, preset, size) in micro {
        for weights in ["int8", "f32"] {
            let package = folder.path().join(format!("{preset}-{weights}")).display().to_string();
            let file = data("micro").join(file).display().to_string();
            let convert = ["convert", &file, "--preset", preset, "--input-size", size];
            ok(convert.iter().chain(&["--weights", weights, "-o", &package]));
            let expected = answers("portable", &package);
            for isa in &available[1..] {
                assert!(answers(isa.name(), &package) == expected, "{} {package}", isa.name());
            }
        }
    }
    let mut full = available[1..].iter().map(|isa| answers(isa.name(), "litemedsam"));
    if let Some(expected) = full.next() {
        assert!(full.all(|found| found == expected));
    }
}
