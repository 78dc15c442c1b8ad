//! The int8 linear layer of each instruction set beside the engine's f32 one, on one thread, for
//! layers of LiteMedSAM and SAM ViT-B. An element is a multiplication with its addition.

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tapseg::kernels::{Isa, PackedLinear};
use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::einsum::EinSum;

/// Rows, inputs, outputs.
const SHAPES: [(usize, usize, usize); 5] =
    [(16384, 128, 512), (4096, 320, 1280), (4096, 768, 3072), (4096, 3072, 768), (7, 256, 2048)];

fn kernels(c: &mut Criterion) {
    for (rows, k, n) in SHAPES {
        let weight: Vec<i8> = numbers(k * n).map(|w| (w * 127.0) as i8).collect();
        let x: Vec<f32> = numbers(rows * k).collect();
        let (scale, bias) = (vec![0.01; n], vec![0.5; n]);
        let mut out = vec![0.0; rows * n];
        let mut group = c.benchmark_group(format!("linear {rows} x {k} x {n}"));
        group.sample_size(10).measurement_time(Duration::from_secs(2));
        group.throughput(Throughput::Elements((rows * k * n) as u64));
        for isa in Isa::available() {
            let layer = PackedLinear::new(isa, (k, n), &weight, &scale, Some(&bias))
                .expect("the layer is sound");
            let name = format!("int8 {}", isa.name());
            group.bench_function(name, |b| b.iter(|| layer.apply(rows, &x, &mut out)));
        }
        let plan = f32_linear((rows, k, n), &weight).expect("the engine multiplies matrices");
        let x = Tensor::from_shape(&[rows, k], &x).expect("it has as many").into_tvalue();
        group.bench_function("f32 of the engine", |b| b.iter(|| plan.run(tvec!(x.clone()))));
        group.finish();
    }
}

fn f32_linear(
    (rows, k, n): (usize, usize, usize),
    weight: &[i8],
) -> TractResult<Arc<TypedRunnableModel>> {
    let weight: Vec<f32> = weight.iter().map(|&w| w.into()).collect();
    let mut model = TypedModel::default();
    let x = model.add_source("x", f32::fact([rows, k]))?;
    let weight = model.add_const("weight", Tensor::from_shape(&[k, n], &weight)?)?;
    let product = EinSum::new("mk,kn->mn".parse()?, f32::datum_type());
    let y = model.wire_node("y", product, &[x, weight])?;
    model.select_output_outlets(&y)?;
    model.into_optimized()?.into_runnable()
}

/// Numbers in [-1, 1) that repeat from run to run.
fn numbers(len: usize) -> impl Iterator<Item = f32> {
    let mut state = 1u32;
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    })
    .take(len)
}

criterion_group!(benches, kernels);
criterion_main!(benches);
