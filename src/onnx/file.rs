//! Writing ONNX files piece by piece, so that no second copy of the weights is held.

use std::io::Write;

use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};
use tract_onnx::pb;

use crate::model::{Content, MAX_FILE};

/// Numbers of the fields that hold weights (`onnx.proto`).
const MODEL_GRAPH: u32 = 7;
const GRAPH_INITIALIZER: u32 = 5;

/// An ONNX graph as it is written.
pub(crate) struct OnnxFile<'a> {
    /// All but the graph.
    model: pb::ModelProto,
    /// All but the initializers.
    graph: pb::GraphProto,
    initializers: Vec<pb::TensorProto>,
    /// Is told the bytes that have just been written.
    on_write: Option<&'a dyn Fn(u64)>,
}

impl<'a> OnnxFile<'a> {
    /// Prepares `model` to be written.
    pub(crate) fn new(mut model: pb::ModelProto) -> Self {
        let mut graph = model.graph.take().unwrap_or_default();
        let initializers = std::mem::take(&mut graph.initializer);
        Self { model, graph, initializers, on_write: None }
    }

    /// The bytes it has, where these are more than a file can have.
    pub(crate) fn oversize(&self) -> Option<u64> {
        Some(self.len()).filter(|bytes| *bytes > MAX_FILE)
    }

    /// Has `on_write` told about each piece.
    pub(crate) fn watched(self, on_write: &'a dyn Fn(u64)) -> Self {
        Self { on_write: Some(on_write), ..self }
    }

    /// Bytes of the file.
    pub(crate) fn len(&self) -> u64 {
        let graph = self.graph_len();
        let graph = (key_len(MODEL_GRAPH) + encoded_len_varint(graph)) as u64 + graph;
        self.model.encoded_len() as u64 + graph
    }

    fn graph_len(&self) -> u64 {
        let field = |tensor: &pb::TensorProto| {
            let len = tensor.encoded_len();
            (key_len(GRAPH_INITIALIZER) + encoded_len_varint(len as u64) + len) as u64
        };
        self.graph.encoded_len() as u64 + self.initializers.iter().map(field).sum::<u64>()
    }
}

impl Content for OnnxFile<'_> {
    fn write_to(self, to: &mut dyn Write) -> std::io::Result<()> {
        let mut write = |piece: &[u8]| -> std::io::Result<()> {
            to.write_all(piece)?;
            if let Some(on_write) = self.on_write {
                on_write(piece.len() as u64);
            }
            Ok(())
        };
        let mut head = self.model.encode_to_vec();
        encode_key(MODEL_GRAPH, WireType::LengthDelimited, &mut head);
        let graph_len = self.graph_len();
        encode_varint(graph_len, &mut head);
        self.graph.encode_raw(&mut head);
        write(&head)?;
        for tensor in self.initializers {
            let mut piece = Vec::new();
            encode_key(GRAPH_INITIALIZER, WireType::LengthDelimited, &mut piece);
            encode_varint(tensor.encoded_len() as u64, &mut piece);
            tensor.encode_raw(&mut piece);
            write(&piece)?;
        }
        Ok(())
    }
}
