//! `PixelMasks`: the end of SAM's mask decoder, from upscaled pixels to the logits of each mask.

use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::*;

use crate::kernels::{FloatLinear, Isa};

use super::tensors::{ensure_f32, filled, values};
use super::threads::{for_each_chunk, share, with_threads};

/// Pixels of a cell: two upscalings made four of each.
const PIXELS: usize = 16;

/// Pixels along a side of a cell.
const SIDE: usize = 4;

/// The logits of a mask are the products of its kernel with each pixel, brought into rows and columns:
/// batch × mask × 4G × 4G for G × G cells. Inputs: pixels, batch × (cell × 2 × 2 × 2 × 2) × channel,
/// where the pixel's row and column within the cell come as row, column of the first upscaling, then
/// of the second; kernels, batch × mask × channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PixelMasks;

impl Op for PixelMasks {
    fn name(&self) -> StaticName {
        "PixelMasks".into()
    }

    op_as_typed_op!();
}

impl EvalOp for PixelMasks {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let isa = Isa::chosen()?;
        let (&[batch, all, channels], &[_, masks, _]) = (inputs[0].shape(), inputs[1].shape())
        else {
            bail!("PixelMasks takes pixels and kernels of three axes")
        };
        let (pixels, kernels): (&[f32], &[f32]) = (values(&inputs[0])?, values(&inputs[1])?);
        let grid = (all / PIXELS).isqrt();
        // Logits of a row of cells.
        let length = grid * PIXELS;
        filled(&[batch, masks, SIDE * grid, SIDE * grid], |out| {
            let macs = batch.saturating_mul(all * channels * masks);
            with_threads(macs, |threads| {
                let (each, of_each) = (all * channels, masks * channels);
                let images = out.chunks_exact_mut((masks * grid * length).max(1));
                for (image, out) in images.enumerate() {
                    let (pixels, kernels) =
                        (&pixels[image * each..][..each], &kernels[image * of_each..][..of_each]);
                    let layer = FloatLinear::new(isa, (channels, masks), |channel, mask| {
                        kernels[mask * channels + channel]
                    });
                    let mut products = vec![0.0; all * masks];
                    let rows = share(grid, threads, grid);
                    let chunk = (rows * length * masks).max(1);
                    for_each_chunk(threads, &mut products, chunk, |index, products| {
                        let count = products.len() / masks;
                        let pixels = &pixels[index * rows * length * channels..];
                        layer.apply(count, &pixels[..count * channels], products);
                    });
                    // A chunk is some rows of cells of one mask.
                    let rows = if grid.is_multiple_of(rows) { rows } else { grid };
                    for_each_chunk(threads, out, (rows * length).max(1), |index, out| {
                        let (mask, first) = (index / (grid / rows), index % (grid / rows) * rows);
                        for (at, logit) in out.iter_mut().enumerate() {
                            let (row, column) = (at / (SIDE * grid), at % (SIDE * grid));
                            let cell = (first + row / SIDE) * grid + column / SIDE;
                            let (row, column) = (row % SIDE, column % SIDE);
                            let pixel = row / 2 * 8 + column / 2 * 4 + row % 2 * 2 + column % 2;
                            *logit = products[(cell * PIXELS + pixel) * masks + mask];
                        }
                    });
                }
            });
            Ok(())
        })
    }
}

impl TypedOp for PixelMasks {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        ensure_f32("PixelMasks", inputs)?;
        let (pixels, kernels) = (inputs[0], inputs[1]);
        ensure!(
            pixels.rank() == 3
                && kernels.rank() == 3
                && pixels.shape[0] == kernels.shape[0]
                && pixels.shape[2] == kernels.shape[2],
            "PixelMasks takes batch × pixel × channel and batch × mask × channel, not {inputs:?}"
        );
        let all = pixels.shape[1].to_usize()?;
        let grid = (all / PIXELS).isqrt();
        ensure!(grid * grid * PIXELS == all, "{all} pixels aren't those of a square image");
        let side = (SIDE * grid).to_dim();
        let sides = [pixels.shape[0].clone(), kernels.shape[1].clone(), side.clone(), side];
        Ok(tvec!(f32::fact(sides)))
    }

    fn cost(&self, inputs: &[&TypedFact]) -> TractResult<TVec<(Cost, TDim)>> {
        let macs = inputs[0].shape.volume() * &inputs[1].shape[1];
        Ok(tvec!((Cost::FMA(f32::datum_type()), macs)))
    }

    as_op!();
}
