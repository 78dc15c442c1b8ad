//! A package's mask decoder as a network with gradients.
//!
//! The decoder's own ONNX graph is followed node by node, so that what is learned belongs to the very
//! network that will run, and goes back into it by the names of its weights.

use std::collections::HashMap;

use candle_core::{D, DType, Device, Tensor, Var};
use prost::Message;
use tract_onnx::pb;
use tract_onnx::pb::tensor_proto::DataType;

use super::TuneError;
use crate::convert::quantize::{in_f32, stored_like};
use crate::onnx::nodes::{f32_values, set_f32_values};
use crate::ops::{CROSS_ATTENTION, PIXEL_MASKS};

/// What begins the names of the weights that learn; those of the prompt encoder do not.
const LEARNING: &str = "mask_decoder.";
/// The inputs of the decoder that stand for the absence of a mask.
const NO_MASK: [&str; 2] = ["mask_input", "has_mask_input"];

/// What flows through the graph.
#[derive(Clone)]
enum Value {
    Tensor(Tensor),
    /// Shapes, axes and indices.
    Integers(Vec<i64>),
}

/// The mask decoder of a package, in f32.
pub(super) struct Network {
    /// As it is stored.
    stored: pb::ModelProto,
    /// The same in f32.
    model: pb::ModelProto,
    /// The weights that learn, by name in the order of the graph.
    weights: Vec<(String, Var)>,
    /// What depends neither on them nor on the prompt and the picture.
    constants: HashMap<String, Value>,
    /// The nodes that do.
    nodes: Vec<pb::NodeProto>,
}

/// What the network says to a prompt.
pub(super) struct Answer {
    /// Logits: mask token × 4G × 4G.
    pub logits: Tensor,
    /// The predicted IoU of each mask token.
    pub predicted_iou: Tensor,
}

impl Network {
    /// Reads the decoder in `onnx`; int8 and f16 weights are taken at their values.
    ///
    /// # Errors
    /// [`TuneError::Network`] where it is damaged, has operators that there are no gradients for, or
    /// no weights called `mask_decoder.…`.
    pub fn read(onnx: &[u8]) -> Result<Self, TuneError> {
        let bad = |reason: String| TuneError::Network { reason };
        let stored = pb::ModelProto::decode(onnx).map_err(|e| bad(e.to_string()))?;
        let mut model = stored.clone();
        in_f32(&mut model).ok_or_else(|| bad("a quantized layer lacks its weights".into()))?;
        let Some(graph) = &model.graph else { return Err(bad("there is no graph".into())) };
        let (mut weights, mut constants) = (Vec::new(), HashMap::new());
        for tensor in &graph.initializer {
            let dims: Vec<usize> = tensor.dims.iter().map(|&side| side as usize).collect();
            if let Some(values) = f32_values(tensor) {
                let values = Tensor::from_vec(values, dims, &Device::Cpu)?;
                if tensor.name.starts_with(LEARNING) {
                    weights.push((tensor.name.clone(), Var::from_tensor(&values)?));
                } else {
                    constants.insert(tensor.name.clone(), Value::Tensor(values));
                }
            } else if tensor.data_type == i32::from(DataType::Int64) {
                let stored = tensor.raw_data.as_chunks().0.iter();
                let mut integers: Vec<i64> = stored.map(|&b| i64::from_le_bytes(b)).collect();
                integers.extend(&tensor.int64_data);
                constants.insert(tensor.name.clone(), Value::Integers(integers));
            }
        }
        if weights.is_empty() {
            return Err(bad(format!(
                "it has no weights called {LEARNING}…; packages that tapseg convert makes do"
            )));
        }
        let mask = graph.input.iter().find(|input| input.name == NO_MASK[0]).and_then(fixed_side);
        let side = mask.ok_or_else(|| bad("mask_input has no fixed size".into()))?;
        let none = Tensor::zeros((1, 1, side, side), DType::F32, &Device::Cpu)?;
        constants.insert(NO_MASK[0].into(), Value::Tensor(none));
        let none = Tensor::zeros(1, DType::F32, &Device::Cpu)?;
        constants.insert(NO_MASK[1].into(), Value::Tensor(none));
        let mut nodes = Vec::new();
        for node in &graph.node {
            let known = node.input.iter().map(|name| constants.get(name).cloned());
            match known.collect::<Option<Vec<Value>>>() {
                Some(inputs) => {
                    let value = evaluate(node, &inputs)?;
                    constants.insert(node.output[0].clone(), value);
                }
                None => nodes.push(node.clone()),
            }
        }
        Ok(Self { stored, model, weights, constants, nodes })
    }

    /// The weights that learn.
    pub fn weights(&self) -> Vec<Var> {
        self.weights.iter().map(|(_, weight)| weight.clone()).collect()
    }

    /// Answers the prompt `labels` at `coordinates` (`[x, y]` in model input pixels), on a picture with
    /// the embedding `features`, 1 × C × G × G.
    pub fn forward(
        &self,
        features: &Tensor,
        coordinates: &[[f32; 2]],
        labels: &[f32],
    ) -> Result<Answer, TuneError> {
        let points = labels.len();
        let coordinates = coordinates.as_flattened().to_vec();
        let inputs = [
            ("image_embeddings", features.clone()),
            ("point_coords", Tensor::from_vec(coordinates, (1, points, 2), &Device::Cpu)?),
            ("point_labels", Tensor::from_slice(labels, (1, points), &Device::Cpu)?),
        ];
        let weights = self.weights.iter().map(|(name, var)| (&**name, var.as_tensor().clone()));
        let mut values: HashMap<&str, Value> =
            weights.chain(inputs).map(|(name, tensor)| (name, Value::Tensor(tensor))).collect();
        for node in &self.nodes {
            let of = |name: &String| values.get(&**name).or_else(|| self.constants.get(name));
            let inputs: Option<Vec<Value>> = node.input.iter().map(|n| of(n).cloned()).collect();
            let inputs = inputs.ok_or_else(|| unsupported(node))?;
            values.insert(&node.output[0], evaluate(node, &inputs)?);
        }
        let output = |name: &str| match values.get(name) {
            Some(Value::Tensor(tensor)) => Ok(tensor.squeeze(0)?),
            _ => Err(TuneError::Network { reason: format!("it does not give {name}") }),
        };
        Ok(Answer { logits: output("low_res_masks")?, predicted_iou: output("iou_predictions")? })
    }

    /// The weights as they are now, to be brought back by [`restore`](Self::restore).
    pub fn snapshot(&self) -> Result<Vec<Tensor>, TuneError> {
        Ok(self.weights.iter().map(|(_, var)| var.copy()).collect::<Result<_, _>>()?)
    }

    /// Brings weights back.
    pub fn restore(&self, weights: &[Tensor]) -> Result<(), TuneError> {
        for ((_, var), weight) in self.weights.iter().zip(weights) {
            var.set(weight)?;
        }
        Ok(())
    }

    /// The decoder as an ONNX file, with the weights as they are now, stored as they were.
    pub fn onnx(&self) -> Result<Vec<u8>, TuneError> {
        let mut model = self.model.clone();
        let tensors = model.graph.iter_mut().flat_map(|graph| &mut graph.initializer);
        let mut learned = self.weights.iter();
        for tensor in tensors.filter(|tensor| tensor.name.starts_with(LEARNING)) {
            if f32_values(tensor).is_some()
                && let Some((_, var)) = learned.next()
            {
                set_f32_values(tensor, &var.flatten_all()?.to_vec1::<f32>()?);
            }
        }
        stored_like(&mut model, &self.stored);
        Ok(model.encode_to_vec())
    }
}

/// The length of an input's last axis.
fn fixed_side(input: &pb::ValueInfoProto) -> Option<usize> {
    use pb::tensor_shape_proto::dimension::Value::DimValue;
    let Some(pb::type_proto::Value::TensorType(tensor)) = &input.r#type.as_ref()?.value else {
        return None;
    };
    match tensor.shape.as_ref()?.dim.last()?.value.as_ref()? {
        DimValue(side) => usize::try_from(*side).ok().filter(|side| (1..=4096).contains(side)),
        _ => None,
    }
}

fn unsupported(node: &pb::NodeProto) -> TuneError {
    let reason = format!(
        "there are no gradients for its operator {} as it is used; packages that tapseg convert \
         makes, but for --plain --weights int8, can be tuned",
        node.op_type
    );
    TuneError::Network { reason }
}

/// What `node` makes of `inputs`.
fn evaluate(node: &pb::NodeProto, inputs: &[Value]) -> Result<Value, TuneError> {
    use Value::{Integers, Tensor as T};
    let attribute = |name: &str| node.attribute.iter().find(|attribute| attribute.name == name);
    let integer = |name: &str, default: i64| attribute(name).map_or(default, |a| a.i);
    Ok(T(match (&*node.op_type, inputs) {
        ("Add", [T(a), T(b)]) => a.broadcast_add(b)?,
        ("Sub", [T(a), T(b)]) => a.broadcast_sub(b)?,
        ("Mul", [T(a), T(b)]) => a.broadcast_mul(b)?,
        ("MatMul", [T(a), T(b)]) => product(a, b)?,
        ("Relu", [T(x)]) => x.relu()?,
        ("Erf", [T(x)]) => x.erf()?,
        ("Sin", [T(x)]) => x.sin()?,
        ("Cos", [T(x)]) => x.cos()?,
        ("Identity", [x]) => return Ok(x.clone()),
        ("Cast", [T(x)]) if integer("to", 0) == DataType::Float as i64 => x.to_dtype(DType::F32)?,
        ("Greater", [T(a), T(b)]) => a.broadcast_gt(b)?,
        ("GreaterOrEqual", [T(a), T(b)]) => a.broadcast_ge(b)?,
        ("Equal", [T(a), T(b)]) => a.broadcast_eq(b)?,
        ("Where", [T(condition), T(a), T(b)]) => {
            let shape = a.shape().broadcast_shape_binary_op(b.shape(), "where")?;
            let shape = shape.broadcast_shape_binary_op(condition.shape(), "where")?;
            let [a, b] = [a.broadcast_as(&shape)?, b.broadcast_as(&shape)?];
            condition.broadcast_as(&shape)?.where_cond(&a, &b)?
        }
        ("Softmax", [T(x)]) if integer("axis", -1) == -1 => candle_nn::ops::softmax(x, D::Minus1)?,
        ("LayerNormalization", [T(x), T(scale), T(shift)]) if integer("axis", -1) == -1 => {
            let epsilon = f64::from(attribute("epsilon").map_or(1e-5, |epsilon| epsilon.f));
            let x = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
            let deviation = (x.sqr()?.mean_keepdim(D::Minus1)? + epsilon)?.sqrt()?;
            x.broadcast_div(&deviation)?.broadcast_mul(scale)?.broadcast_add(shift)?
        }
        ("Concat", [Integers(_), ..]) => {
            let parts = inputs.iter().filter_map(|part| match part {
                Integers(part) => Some(part.as_slice()),
                T(_) => None,
            });
            return Ok(Integers(parts.collect::<Vec<_>>().concat()));
        }
        ("Concat", [T(first), ..]) => {
            let parts = inputs.iter().filter_map(|part| match part {
                T(part) => Some(part),
                Integers(_) => None,
            });
            Tensor::cat(&parts.collect::<Vec<_>>(), axis(integer("axis", 0), first.rank()))?
        }
        ("Shape", [T(x)]) => {
            let sides: Vec<i64> = x.dims().iter().map(|&side| side as i64).collect();
            let (start, end) = (integer("start", 0), integer("end", sides.len() as i64));
            let [start, end] = [start, end].map(|at| axis(at, sides.len()).min(sides.len()));
            return Ok(Integers(sides[start.min(end)..end].to_vec()));
        }
        ("Expand", [T(x), Integers(shape)]) => {
            let shape: Vec<usize> = shape.iter().map(|&side| side.max(0) as usize).collect();
            x.broadcast_as(x.shape().broadcast_shape_binary_op(&shape.into(), "expand")?)?
        }
        ("Unsqueeze", [T(x), Integers(axes)]) => {
            let rank = x.rank() + axes.len();
            let mut axes: Vec<usize> = axes.iter().map(|&at| axis(at, rank)).collect();
            axes.sort_unstable();
            axes.into_iter().try_fold(x.clone(), |x, at| x.unsqueeze(at))?
        }
        ("Slice", [T(x), Integers(starts), Integers(ends), Integers(axes)]) => {
            let bounds = starts.iter().zip(ends).zip(axes);
            bounds.into_iter().try_fold(x.clone(), |x, ((&start, &end), &at)| {
                let at = axis(at, x.rank());
                let [start, end] = [start, end].map(|i| axis(i, x.dim(at).unwrap_or(0)));
                x.narrow(at, start, end.saturating_sub(start))
            })?
        }
        ("Transpose", [T(x)]) => {
            let order = attribute("perm").map(|perm| &*perm.ints).unwrap_or_default();
            let order: Vec<usize> = order.iter().map(|&at| axis(at, x.rank())).collect();
            x.permute(order)?.contiguous()?
        }
        ("Reshape", [T(x), Integers(shape)]) => reshape(x, shape)?,
        (CROSS_ATTENTION, [T(q), T(k), T(v)]) => attend(q, k, v, integer("heads", 1) as usize)?,
        (PIXEL_MASKS, [T(pixels), T(kernels)]) => pixel_masks(pixels, kernels)?,
        _ => return Err(unsupported(node)),
    }))
}

/// The axis `at`, counted from the end where negative.
fn axis(at: i64, rank: usize) -> usize {
    if at < 0 { rank.saturating_sub(at.unsigned_abs() as usize) } else { at as usize }
}

fn product(a: &Tensor, b: &Tensor) -> candle_core::Result<Tensor> {
    if b.rank() != 2 || a.rank() == 2 {
        return a.contiguous()?.broadcast_matmul(&b.contiguous()?);
    }
    // One product rather than one a batch.
    let mut sides = a.dims().to_vec();
    let last = sides.len() - 1;
    let rows = a.reshape(((), sides[last]))?;
    sides[last] = b.dim(1)?;
    rows.matmul(b)?.reshape(sides)
}

fn reshape(x: &Tensor, shape: &[i64]) -> candle_core::Result<Tensor> {
    let mut sides: Vec<usize> = Vec::with_capacity(shape.len());
    for (at, &side) in shape.iter().enumerate() {
        sides.push(match side {
            0 => x.dim(at)?,
            -1 => 1,
            side => side as usize,
        });
    }
    if let Some(free) = shape.iter().position(|&side| side == -1) {
        sides[free] = x.elem_count() / sides.iter().product::<usize>().max(1);
    }
    x.reshape(sides)
}

/// Attention of `heads` heads; the scale is in `q` already.
fn attend(q: &Tensor, k: &Tensor, v: &Tensor, heads: usize) -> candle_core::Result<Tensor> {
    let split = |x: &Tensor| {
        let (batch, tokens, width) = x.dims3()?;
        x.reshape((batch, tokens, heads, width / heads.max(1)))?.transpose(1, 2)?.contiguous()
    };
    let scores = split(q)?.matmul(&split(k)?.t()?.contiguous()?)?;
    let mixed = candle_nn::ops::softmax(&scores, D::Minus1)?.matmul(&split(v)?)?;
    mixed.transpose(1, 2)?.contiguous()?.reshape(q.dims())
}

/// Logits by row and column; see `PixelMasks` of [`crate::ops`].
fn pixel_masks(pixels: &Tensor, kernels: &Tensor) -> candle_core::Result<Tensor> {
    let (batch, masks, _) = kernels.dims3()?;
    let side = (pixels.dim(1)? / 16).isqrt();
    let logits = kernels.matmul(&pixels.t()?.contiguous()?)?;
    let logits = logits.reshape(vec![batch, masks, side, side, 2, 2, 2, 2])?;
    let logits = logits.permute(vec![0, 1, 2, 4, 6, 3, 5, 7])?.contiguous()?;
    logits.reshape((batch, masks, 4 * side, 4 * side))
}
