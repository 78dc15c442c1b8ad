//! `Rows`: what is done to tokens one by one, from one layer to the next, while they are in the
//! cache.

use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::*;

use crate::kernels::Isa;

use super::stages::{Stage, costs, described, macs, parts, run, widest, width_after};
use super::tensors::{all_values, ensure_f32, filled, rows_and_width, values};
use super::threads::{for_each_chunk, share, with_threads};

/// About how many bytes the widest values of a block of rows take: they stay in the second cache.
const BLOCK_BYTES: usize = 512 * 1024;

/// A multiple of the rows of all kernels' tiles but one, which is close to one.
const TILE: usize = 24;

/// One stage after the other on each row of the first input; the further inputs are added by
/// [`Stage::AddInput`], in order. All are … × channel, f32.
#[derive(Clone, Debug)]
pub(super) struct Rows {
    pub(super) stages: Vec<Stage>,
}

impl PartialEq for Rows {
    fn eq(&self, _: &Self) -> bool {
        // Weights are not compared: no two nodes are one.
        false
    }
}

impl Eq for Rows {}

impl Op for Rows {
    fn name(&self) -> StaticName {
        "Rows".into()
    }

    fn info(&self) -> TractResult<Vec<String>> {
        Ok(vec![described(&self.stages)])
    }

    op_as_typed_op!();
}

impl EvalOp for Rows {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let isa = Isa::chosen()?;
        let mut shape: TVec<usize> = inputs[0].shape().into();
        let (rows, from) = rows_and_width(&shape)?;
        let (to, widest) = (width_after(&self.stages, from)?, widest(&self.stages, from)?);
        let parts = parts(&self.stages);
        if let [.., before, last] = &mut shape[..] {
            (*before, *last) = (*before * parts, to);
        } else if let Some(last) = shape.last_mut() {
            *last = to;
        }
        let to = to * parts;
        let x: &[f32] = values(&inputs[0])?;
        let others = all_values(&inputs[1..])?;
        filled(&shape, |out| {
            let macs = (macs(&self.stages) + widest).saturating_mul(rows);
            with_threads(macs, |threads| {
                let most = (BLOCK_BYTES / (widest * size_of::<f32>()).max(1)).max(TILE);
                let block = share(rows, threads, most);
                let block = if block > TILE { block / TILE * TILE } else { block };
                for_each_chunk(threads, out, (block * to).max(1), |index, out| {
                    let rows = out.len() / to;
                    let x = &x[index * block * from..][..rows * from];
                    run(&self.stages, isa, rows, x, (&others, index * block), out);
                });
            });
            Ok(())
        })
    }
}

impl TypedOp for Rows {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        ensure_f32("Rows", inputs)?;
        let mut shape: TVec<TDim> = inputs[0].shape.iter().cloned().collect();
        let last = shape.last_mut().context("tokens without axes")?;
        *last = width_after(&self.stages, last.to_usize()?)?.to_dim();
        let parts = parts(&self.stages);
        if let [.., before, _] = &mut shape[..] {
            *before = before.clone() * parts;
        } else {
            ensure!(parts == 1, "a single row can't be {parts} rows");
        }
        for other in &inputs[1..] {
            // Where widths vary on the way, what is added has that of its place.
            let rows = 1..shape.len().saturating_sub(1);
            ensure!(
                other.rank() == shape.len()
                    && other.shape[rows.clone()] == inputs[0].shape[rows]
                    && (other.shape[0] == shape[0] || other.shape[0] == 1.to_dim()),
                "Rows adds {other:?} to {:?}",
                inputs[0]
            );
        }
        Ok(tvec!(f32::fact(shape)))
    }

    fn axes_mapping(
        &self,
        inputs: &[&TypedFact],
        outputs: &[&TypedFact],
    ) -> TractResult<AxesMapping> {
        let mut mapping = AxesMapping::disconnected(inputs, outputs)?;
        // Rows may be split, and what is added begun again for each of a batch: only batches that all
        // have are one axis.
        let batch = &inputs[0].shape[0];
        if inputs[0].rank() > 2 && inputs.iter().all(|input| input.shape[0] == *batch) {
            for input in 0..inputs.len() {
                mapping = mapping.linking((InOut::Out(0), 0), (InOut::In(input), 0))?;
            }
        }
        Ok(mapping)
    }

    fn cost(&self, inputs: &[&TypedFact]) -> TractResult<TVec<(Cost, TDim)>> {
        let rows: TDim = inputs[0].shape[..inputs[0].rank() - 1].iter().product();
        Ok(costs(&self.stages, rows))
    }

    as_op!();
}
