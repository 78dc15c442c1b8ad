//! The image encoder: a frame → its embedding.

use tract_onnx::prelude::*;

use crate::frame::Frame;

use super::error::ModelError;
use super::graph::Names;
use super::manifest::Preprocessing;
use super::network::{Network, Threads, in_words};
use super::package::Package;
use super::preprocess::model_input;

pub(super) struct Encoder {
    network: Network,
    preprocessing: Preprocessing,
    embedding: (usize, usize),
}

impl Encoder {
    pub fn load(package: &Package, threads: &Threads) -> Result<Self, ModelError> {
        let place = package.location().display().to_string();
        let network = Network::load(
            "encoder",
            &place,
            package.encoder(),
            &Names { inputs: &["image"], outputs: &["image_embeddings"] },
            threads,
        )?;
        let preprocessing = package.manifest().preprocessing;
        let side = preprocessing.input_size as usize;
        let expected = [Some(1), Some(3), Some(side), Some(side)];
        let (input, output) = (network.input_shape(0), network.output_shape(0));
        match (input.as_deref(), output.as_deref()) {
            (Some(found), Some(&[Some(1), Some(channels), Some(rows), Some(columns)]))
                if found == expected && rows == columns =>
            {
                Ok(Self { network, preprocessing, embedding: (channels, rows) })
            }
            _ => Err(ModelError::Network {
                network: "encoder",
                package: place,
                reason: format!(
                    "it takes {} and gives {}; expected {} (input_size in the manifest) and a \
                     square embedding",
                    in_words(input.as_deref()),
                    in_words(output.as_deref()),
                    in_words(Some(&expected))
                ),
            }),
        }
    }

    /// Channels and side of the embeddings it makes.
    pub fn embedding_shape(&self) -> (usize, usize) {
        self.embedding
    }

    /// From frame to encoder input.
    pub fn preprocessing(&self) -> &Preprocessing {
        &self.preprocessing
    }

    /// The encoder's input for `frame`.
    pub fn prepare(&self, frame: &Frame) -> TValue {
        model_input(frame, &self.preprocessing).into_tvalue()
    }

    /// The embedding of a prepared input: 1 × C × G × G.
    pub fn encode(&self, input: TValue) -> Result<TValue, ModelError> {
        let broken = |reason: String| ModelError::Run { network: "encoder", reason };
        let features = self.network.run(tvec![input])?.remove(0);
        let values = features.to_plain_array_view::<f32>().map_err(|e| broken(e.to_string()))?;
        let (channels, side) = self.embedding;
        if values.shape() != [1, channels, side, side] {
            return Err(broken(format!("it gave an embedding of {:?}", values.shape())));
        }
        if !values.iter().all(|v| v.is_finite()) {
            return Err(broken("it gave values that are not numbers".into()));
        }
        Ok(features)
    }
}
