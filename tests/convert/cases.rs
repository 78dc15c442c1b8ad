//! Reference outputs, and how a decoder is asked for them.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use half::f16;
use ndarray::{Array1, Array2, Array3, Array4, ArrayD, Axis, Ix3, concatenate};
use ndarray_npy::NpzReader;
use tapseg::Package;
use tapseg::convert::{
    Checkpoint, ConvertError, ConvertOptions, Networks, Preset, Quantization, WeightPrecision,
};
use tapseg::model::{Network, Threads};
use zip::ZipArchive;

pub const PROMPTS: [&str; 6] =
    ["one_point", "three_points", "box", "box_and_points", "point_and_mask", "box_and_mask"];

pub fn micro_path(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/micro").join(file)
}

/// What to make of `micro.pth`, whose input has 32 pixels, or of a checkpoint that tells its size.
pub fn options(input_size: Option<usize>, weights: WeightPrecision) -> ConvertOptions {
    ConvertOptions {
        preset: Some(Preset::LiteMedSam),
        input_size,
        quantization: Quantization { weights, ..Quantization::default() },
        ..ConvertOptions::new("micro")
    }
}

/// Converts in memory.
pub fn package(checkpoint: &Checkpoint, options: &ConvertOptions) -> Result<Package, ConvertError> {
    let progress = &mut |_, _, _| ();
    let mut networks = Networks::read(checkpoint, options, progress)?;
    networks.quantize(&options.quantization, progress)?;
    networks.in_memory(Path::new("memory"))
}

/// Converts a file in memory.
pub fn package_of(path: &Path, options: &ConvertOptions) -> Package {
    package(&Checkpoint::open(path, |_, _| ()).unwrap(), options).unwrap()
}

/// Reference arrays by name.
pub struct Cases {
    arrays: NpzReader<File>,
    /// The same file, for the types that the reader does not know.
    zip: ZipArchive<File>,
}

impl Cases {
    pub fn open(path: &Path) -> Self {
        let file = || File::open(path).unwrap();
        Self { arrays: NpzReader::new(file()).unwrap(), zip: ZipArchive::new(file()).unwrap() }
    }

    pub fn get(&mut self, name: &str) -> ArrayD<f32> {
        self.find(name).unwrap_or_else(|| panic!("{name} is missing"))
    }

    pub fn find(&mut self, name: &str) -> Option<ArrayD<f32>> {
        let arrays = &mut self.arrays;
        let floats = arrays.by_name(name);
        let whole =
            floats.or_else(|_| arrays.by_name(name).map(|n: ArrayD<i64>| n.mapv(|v| v as f32)));
        let bytes = whole.or_else(|_| arrays.by_name(name).map(|n: ArrayD<u8>| n.mapv(f32::from)));
        bytes.ok().or_else(|| self.halves(name))
    }

    /// An array of f16.
    fn halves(&mut self, name: &str) -> Option<ArrayD<f32>> {
        let mut content = vec![];
        self.zip.by_name(&format!("{name}.npy")).ok()?.read_to_end(&mut content).unwrap();
        let header = 10 + usize::from(u16::from_le_bytes([content[8], content[9]]));
        let text = std::str::from_utf8(&content[10..header]).unwrap();
        assert!(text.contains("'<f2'"), "{name}: {text}");
        let (_, shape) = text.split_once("'shape': (").unwrap();
        let shape = shape.split_once(')').unwrap().0.split(',').map(str::trim);
        let shape: Vec<usize> =
            shape.filter(|n| !n.is_empty()).map(|n| n.parse().unwrap()).collect();
        let values =
            content[header..].as_chunks().0.iter().map(|&b| f16::from_le_bytes(b).to_f32());
        Some(ArrayD::from_shape_vec(shape, values.collect()).unwrap())
    }
}

/// Runs a package's network as the program does: inputs to outputs.
pub fn load(onnx: &[u8]) -> impl Fn(&[ArrayD<f32>]) -> Vec<ArrayD<f32>> + use<> {
    let network = Network::from_onnx("network", "the test", onnx, &Threads::default()).unwrap();
    move |inputs| network.run_arrays(inputs).unwrap()
}

/// What a decoder is asked: points and box corners with their labels, and a mask or none.
pub struct Prompt {
    pub coords: Array3<f32>,
    pub labels: Array2<f32>,
    pub mask: Option<ArrayD<f32>>,
}

impl Prompt {
    /// The prompt called `name` in `cases`; a padding point stands in for a box.
    pub fn of(cases: &mut Cases, name: &str) -> Self {
        let (mut coords, mut labels) = (Array2::zeros((0, 2)), vec![]);
        if let Some(points) = cases.find(&format!("{name}/points")) {
            coords = points.into_dimensionality::<Ix3>().unwrap().remove_axis(Axis(0));
            labels = cases.get(&format!("{name}/labels")).iter().copied().collect();
        }
        let (last, last_labels) = match cases.find(&format!("{name}/box")) {
            Some(corners) => (corners.into_shape_with_order((2, 2)).unwrap(), vec![2.0, 3.0]),
            None => (Array2::zeros((1, 2)), vec![-1.0]),
        };
        labels.extend(last_labels);
        Self {
            coords: concatenate![Axis(0), coords, last].insert_axis(Axis(0)),
            labels: Array1::from(labels).insert_axis(Axis(0)),
            mask: name.ends_with("_mask").then(|| cases.get("mask_input")),
        }
    }

    /// A decoder's inputs for an `embedding`.
    pub fn inputs(self, embedding: &ArrayD<f32>) -> [ArrayD<f32>; 5] {
        let (batch, side) = (self.labels.nrows(), 4 * embedding.shape()[2]);
        let has_mask = Array1::from_elem(batch, if self.mask.is_some() { 1.0 } else { 0.0 });
        let none = || Array4::zeros((batch, 1, side, side)).into_dyn();
        let mask = self.mask.unwrap_or_else(none);
        let (coords, labels) = (self.coords.into_dyn(), self.labels.into_dyn());
        [embedding.clone(), coords, labels, mask, has_mask.into_dyn()]
    }
}

pub fn max_difference(a: &ArrayD<f32>, b: &ArrayD<f32>) -> f32 {
    assert_eq!(a.shape(), b.shape());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// IoU of the masks that two sets of logits give at a threshold of 0.
pub fn mask_iou(a: &ArrayD<f32>, b: &ArrayD<f32>) -> f64 {
    assert_eq!(a.shape(), b.shape());
    let count = |keep: fn(bool, bool) -> bool| {
        a.iter().zip(b).filter(|&(&a, &b)| keep(a > 0.0, b > 0.0)).count() as f64
    };
    count(|a, b| a && b) / count(|a, b| a || b).max(1.0)
}
