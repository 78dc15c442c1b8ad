use std::path::Path;

use ndarray::ArrayD;

use super::*;
use crate::convert::{Checkpoint, ConvertOptions, Preset};
use crate::fidelity::{Baseline, Fidelity, layer_noise, phantom_cases};
use crate::model::{Network, Package, Segmenter, Threads};
use crate::onnx::layers::Linear;
use crate::onnx::nodes::{f32_values, set_f32_values};

/// The networks of a micro checkpoint, in f32.
fn networks(file: &str, preset: Preset, input_size: Option<usize>) -> Networks {
    built(file, preset, input_size, false)
}

/// The networks of a micro checkpoint, in f32, where `plain` in standard operators alone.
fn built(file: &str, preset: Preset, input_size: Option<usize>, plain: bool) -> Networks {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/micro").join(file);
    let quantization = Quantization { plain, ..Default::default() };
    let name = ConvertOptions::new("micro");
    let options = ConvertOptions { preset: Some(preset), input_size, quantization, ..name };
    let checkpoint = Checkpoint::open(&path, |_, _| ()).unwrap();
    Networks::read(&checkpoint, &options, &mut |_, _, _| ()).unwrap()
}

fn vit() -> Networks {
    networks("micro_sam.pth", Preset::Sam, None)
}

fn in_memory(networks: Networks) -> Package {
    networks.in_memory(Path::new("memory")).unwrap()
}

fn quantized(mut networks: Networks, quantization: &Quantization) -> (Package, Vec<String>) {
    let kept = networks.quantize(quantization, &mut |_, done, total| assert!(done <= total));
    (in_memory(networks), kept.unwrap().layers)
}

fn int8(plain: bool) -> Quantization {
    Quantization { weights: WeightPrecision::Int8, plain, calibration: None }
}

fn calibrated(cases: usize, target_iou: Option<f64>) -> Quantization {
    let mut phantoms = phantom_cases().unwrap();
    phantoms.truncate(cases);
    Quantization { calibration: Some(Calibration { cases: phantoms, target_iou }), ..int8(false) }
}

/// The embedding of a picture that has all frequencies.
fn embedding(package: &Package) -> ArrayD<f32> {
    let size = package.manifest().preprocessing.input_size as usize;
    let input = ArrayD::from_shape_fn(vec![1, 3, size, size], |at| {
        let hash = (at[1] * 7919 + at[2] * 104_729 + at[3] * 1_299_709) % 1009;
        hash as f32 / 504.0 - 1.0
    });
    let network = Network::from_onnx("encoder", "test", package.encoder(), &Threads::default());
    network.unwrap().run_arrays(&[input]).unwrap().remove(0)
}

/// Power of `exact` over that of the difference to it, in dB.
fn snr_db(exact: &ArrayD<f32>, found: &ArrayD<f32>) -> f64 {
    let power = |values: &ArrayD<f32>| values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>();
    10.0 * (power(exact) / power(&(exact - found)).max(f64::MIN_POSITIVE)).log10()
}

fn fidelity(exact: &Package, stored: &Package) -> Fidelity {
    let segmenter = Segmenter::load(exact).unwrap();
    let mut cases = phantom_cases().unwrap();
    cases.truncate(2);
    let baseline = Baseline::new(exact, &segmenter, cases, |_| ()).unwrap();
    let threads = Threads::default();
    let layers = layer_noise(exact, stored, &baseline, &threads, |_| ()).unwrap();
    baseline.compare(stored, &Segmenter::load(stored).unwrap(), layers, |_| ()).unwrap()
}

#[test]
fn int8_is_small_and_near_f32() {
    let cases =
        [("vit", vit()), ("tiny-vit", networks("micro_mobile.pth", Preset::MobileSam, Some(128)))];
    for (name, networks) in cases {
        let exact = in_memory(networks.clone());
        let (stored, kept) = quantized(networks, &int8(false));
        assert!(kept.is_empty());
        assert_eq!(stored.manifest().weights, "int8");
        let [small, large] = [&stored, &exact].map(|p| p.encoder().len() + p.decoder().len());
        assert!(small < large * 7 / 10, "{name}: {small} of {large} bytes");
        // Random weights have no outliers: 8 bits give about 40 dB a layer.
        let snr = snr_db(&embedding(&exact), &embedding(&stored));
        assert!((25.0..60.0).contains(&snr), "{name}: {snr} dB");
    }
}

/// The whole numbers are the same, and what is between the layers is rounded alike but for the last
/// bit, which now and then puts an activation on the next whole number.
#[test]
fn standard_operators_do_the_same() {
    let exact = embedding(&in_memory(vit()));
    let [ours, plain] = [false, true]
        .map(|plain| quantized(built("micro_sam.pth", Preset::Sam, None, plain), &int8(plain)).0);
    let [found, twin] = [&ours, &plain].map(embedding);
    let (noise, difference) = (snr_db(&exact, &found), snr_db(&found, &twin));
    assert!(difference > noise + 3.0, "{difference} dB apart, {noise} dB from f32");
    for (package, domains) in [(&ours, 2), (&plain, 1)] {
        for onnx in [package.encoder(), package.decoder()] {
            let model = <tract_onnx::pb::ModelProto as prost::Message>::decode(onnx).unwrap();
            assert_eq!(model.opset_import.len(), domains);
            let graph = model.graph.unwrap();
            let own = graph.node.iter().filter(|node| !node.domain.is_empty()).count();
            assert_eq!(own > 0, domains == 2);
        }
    }
}

/// Sums are taken in another order. The smaller input has stages that a single window reaches over.
#[test]
fn both_forms_give_the_same_in_f32() {
    for (file, preset, size) in [
        ("micro_sam.pth", Preset::Sam, None),
        ("micro.pth", Preset::LiteMedSam, Some(32)),
        ("micro.pth", Preset::LiteMedSam, Some(16)),
        ("micro_mobile.pth", Preset::MobileSam, Some(64)),
    ] {
        let forms = [false, true].map(|plain| in_memory(built(file, preset, size, plain)));
        let [own, plain] = forms.each_ref().map(embedding);
        let difference = own.iter().zip(&plain).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(difference <= 1e-4, "{file} {size:?}: {difference}");
    }
}

/// Makes one channel of what the first perceptron gets fifty times as large, and its weights as much
/// smaller: the network stays the same and has an outlier, as trained ones have.
fn with_outlier(mut networks: Networks) -> Networks {
    let channel = 5;
    let graph = networks.encoder.graph.as_mut().unwrap();
    for (name, factor) in [("norm2.weight", 50.0), ("norm2.bias", 50.0), ("mlp.lin1.weight", 0.02)]
    {
        let name = format!("image_encoder.blocks.0.{name}");
        let tensor = graph.initializer.iter_mut().find(|tensor| tensor.name == name).unwrap();
        let mut values = f32_values(tensor).unwrap();
        let per_channel = tensor.dims.get(1).map_or(1, |&outputs| outputs as usize);
        let row = &mut values[channel * per_channel..][..per_channel];
        row.iter_mut().for_each(|value| *value *= factor);
        set_f32_values(tensor, &values);
    }
    networks
}

#[test]
fn outliers_are_smoothed_and_f32_stays_what_it_was() {
    let exact = embedding(&in_memory(vit()));
    let outlier = with_outlier(vit());
    assert!(snr_db(&exact, &embedding(&in_memory(outlier.clone()))) > 90.0);

    let mut smoothed = outlier.clone();
    let layers = linear_layers(&smoothed.encoder);
    let cases = phantom_cases().unwrap();
    let inputs = |networks: &Networks| {
        Inputs::of(&networks.encoder, &layers, &networks.manifest, &cases, |_, _| ()).unwrap()
    };
    let is_lin1 = |layer: &&Linear| layer.name == "image_encoder.blocks.0.mlp.lin1";
    let (before, lin1) = (inputs(&outlier), layers.iter().find(is_lin1).unwrap());
    // Queries, keys and values, and the first layer of each perceptron, come from a norm.
    assert_eq!(smooth(&mut smoothed.encoder, &layers, &before), 8);
    assert!(snr_db(&exact, &embedding(&in_memory(smoothed.clone()))) > 90.0);
    let ratio = |inputs: &Inputs, networks: &Networks| {
        10.0 * inputs.signal_to_noise(&networks.encoder, lin1, &Rounded::default()).unwrap().log10()
    };
    let [rough, even] = [ratio(&before, &outlier), ratio(&inputs(&smoothed), &smoothed)];
    assert!(rough < 30.0 && even > 35.0, "{rough} dB, {even} dB");
}

/// In f32 nothing changes, and each layer then gets what has no mean.
#[test]
fn means_move_into_biases_and_f32_stays_what_it_was() {
    for networks in [vit(), networks("micro.pth", Preset::LiteMedSam, Some(64))] {
        let exact = embedding(&in_memory(networks.clone()));
        let mut centred = networks;
        let cases = phantom_cases().unwrap();
        let measured = |networks: &Networks| {
            let layers = linear_layers(&networks.encoder);
            let cases = &cases[..3];
            let inputs =
                Inputs::of(&networks.encoder, &layers, &networks.manifest, cases, |_, _| ());
            (layers, inputs.unwrap())
        };
        let (layers, mut inputs) = measured(&centred);
        let before = inputs.clone();
        centre(&mut centred.encoder, &layers, &mut inputs);
        let found = embedding(&in_memory(centred.clone()));
        assert!(snr_db(&exact, &found) > 90.0, "{}", snr_db(&exact, &found));

        let (layers, after) = measured(&centred);
        let graph = centred.encoder.graph.as_ref().unwrap();
        for layer in &layers {
            let name = &graph.node[layer.product].input[0];
            let size =
                |values: &[f32]| values.iter().fold(0f32, |most, value| most.max(value.abs()));
            let (mean, largest) = (after.means(name).unwrap(), after.largest(name).unwrap());
            assert!(size(&mean) <= 1e-4 * size(&largest).max(1.0), "{}", layer.name);
            assert!(inputs.get(name).is_some() && !before.means(name).is_some_and(|m| m == mean));
        }
    }
}

#[test]
fn layers_stay_in_f16_until_the_masks_agree() {
    let (_, none) = quantized(vit(), &calibrated(2, Some(0.0)));
    assert!(none.is_empty(), "{none:?}");
    let (package, all) = quantized(vit(), &calibrated(2, Some(1.1)));
    let networks = vit();
    let layers = [&networks.encoder, &networks.decoder].map(|model| linear_layers(model).len());
    assert_eq!(all.len(), layers[0] + layers[1], "there is no more than all");
    let reached = vit().quantize(&calibrated(1, Some(1.1)), &mut |_, _, _| ()).unwrap().mask_iou;
    assert!((0.9..1.0).contains(&reached.unwrap()), "{reached:?}");
    let fidelity = fidelity(&in_memory(vit()), &package);
    assert!(fidelity.layers.iter().all(|layer| layer.weights != "int8"), "{:?}", fidelity.layers);
    // What random weights make of blank patches is near 0, and so are logits of masks.
    assert!(fidelity.embedding_cosine.min > 0.999, "{:?}", fidelity.embedding_cosine);
    assert!(fidelity.box_mask_iou.min > 0.95, "{:?}", fidelity.box_mask_iou);
}

#[test]
fn a_package_is_compared_with_f32() {
    let exact = in_memory(vit());
    let same = fidelity(&exact, &exact);
    assert!(same.embedding_cosine.min > 0.999_999 && same.box_mask_iou.min == 1.0);
    assert_eq!((same.images, same.layers.len()), (2, 27));
    assert!(same.layers.iter().all(|layer| layer.snr_db > 200.0 && layer.weights == "f32"));

    let stored = fidelity(&exact, &quantized(vit(), &int8(false)).0);
    assert!((0.99..0.999_999).contains(&stored.embedding_cosine.mean));
    assert!(stored.bytes < stored.f32_bytes);
    assert!(stored.layers.iter().all(|l| (15.0..90.0).contains(&l.snr_db)));
    // The neck: convolutions that nothing was measured of.
    let stored_as = |weights| stored.layers.iter().filter(|l| l.weights == weights).count();
    assert_eq!((stored_as("f16"), stored_as("int8")), (2, 25));
    let svg = crate::fidelity::plot_svg(&stored);
    assert!(svg.starts_with("<svg") && svg.contains("blocks.3.mlp.lin2"));
    let standard = fidelity(&exact, &quantized(vit(), &int8(true)).0);
    assert_eq!(standard.layers.len(), 27);
}

#[test]
fn a_package_can_be_compared_with_its_own_weights() {
    let (stored, _) = quantized(vit(), &int8(false));
    let twin = float_twin(&stored).unwrap().unwrap();
    let found = fidelity(&twin, &stored);
    assert_eq!(found.layers.len(), 27);
    // What rounding the weights cost is not in it.
    let against_f32 = fidelity(&in_memory(vit()), &stored);
    assert!(found.embedding_cosine.mean > against_f32.embedding_cosine.mean);
    for other in [Quantization::default(), int8(true)] {
        let (package, _) = quantized(vit(), &other);
        assert!(float_twin(&package).unwrap().is_none(), "nothing of our own is in it");
    }
}
