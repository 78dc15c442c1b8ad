//! What the weights of a network are, read off its ONNX file.

use prost::Message;
use tract_onnx::pb;
use tract_onnx::pb::tensor_proto::DataType;

use super::package::Package;

/// The numbers that networks store, by the type they are stored as. Whole numbers of 64 bits are
/// shapes and indices, and no weights.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Weights {
    f32: u64,
    f16: u64,
    int8: u64,
}

impl Weights {
    /// Adds the weights of a graph.
    pub fn add(&mut self, graph: &pb::GraphProto) {
        for tensor in &graph.initializer {
            let count = match DataType::try_from(tensor.data_type) {
                Ok(DataType::Float) => &mut self.f32,
                Ok(DataType::Float16 | DataType::Bfloat16) => &mut self.f16,
                Ok(DataType::Int8 | DataType::Uint8) => &mut self.int8,
                _ => continue,
            };
            let sides = tensor.dims.iter().map(|&side| u64::try_from(side).unwrap_or(0));
            *count = count.saturating_add(sides.fold(1, u64::saturating_mul));
        }
    }

    /// How many there are.
    pub fn parameters(self) -> u64 {
        self.f32.saturating_add(self.f16).saturating_add(self.int8)
    }

    /// The type of most of them, as `model.toml` has it.
    pub fn precision(self) -> &'static str {
        let by_count = [(self.f32, "f32"), (self.f16, "f16"), (self.int8, "int8")];
        by_count.into_iter().max_by_key(|(count, _)| *count).map_or("f32", |(_, name)| name)
    }
}

impl Package {
    /// The number of weights in both networks; `None` where they are no ONNX files.
    pub fn parameters(&self) -> Option<u64> {
        let mut weights = Weights::default();
        for onnx in [self.encoder(), self.decoder()] {
            weights.add(&pb::ModelProto::decode(onnx).ok()?.graph?);
        }
        Some(weights.parameters())
    }
}
