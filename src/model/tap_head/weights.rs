//! The weights of a tap head, read off its ONNX file by the names that `models/tap_head/export.py` gives
//! them.

use std::collections::HashMap;

use tract_onnx::pb;
use tract_onnx::pb::tensor_proto::DataType;

use crate::onnx::nodes::f32_values;

/// What a layer multiplies by: outputs × inputs.
pub(super) struct Matrix {
    pub outputs: usize,
    /// With all places of a kernel.
    pub inputs: usize,
    /// Outputs × inputs as the file has them, row by row.
    pub values: Vec<i8>,
    /// What one step is worth, for each output.
    pub scale: Vec<f32>,
}

impl Matrix {
    /// The weight of an output for an input.
    pub fn weight(&self, output: usize, input: usize) -> f32 {
        f32::from(self.values[output * self.inputs + input]) * self.scale[output]
    }
}

/// The tensors of a file, by name.
pub(super) struct Tensors<'a> {
    graph: &'a pb::GraphProto,
    by_name: HashMap<&'a str, &'a pb::TensorProto>,
}

impl<'a> Tensors<'a> {
    pub fn new(graph: &'a pb::GraphProto) -> Self {
        let by_name = graph.initializer.iter().map(|tensor| (&*tensor.name, tensor)).collect();
        Self { graph, by_name }
    }

    fn tensor(&self, name: &str) -> Result<&'a pb::TensorProto, String> {
        self.by_name.get(name).copied().ok_or_else(|| format!("it has no tensor {name}"))
    }

    /// So many values in f32, whatever their shape.
    pub fn values(&self, name: &str, count: usize) -> Result<Vec<f32>, String> {
        let values = f32_values(self.tensor(name)?).filter(|values| values.len() == count);
        values.ok_or_else(|| format!("{name} isn't {count} values in f32"))
    }

    /// The int8 weights of `name`, outputs × inputs; the inputs may be several axes.
    pub fn matrix(&self, name: &str, outputs: usize, inputs: usize) -> Result<Matrix, String> {
        let whole = format!("{name}.int8");
        let tensor = self.tensor(&whole)?;
        let first = tensor.dims.first().and_then(|&side| usize::try_from(side).ok());
        let is_int8 = tensor.data_type == i32::from(DataType::Int8);
        if !is_int8 || first != Some(outputs) || tensor.raw_data.len() != outputs * inputs {
            return Err(format!("{whole} isn't {outputs} × {inputs} values in int8"));
        }
        let values: Vec<i8> = tensor.raw_data.iter().map(|&byte| byte.cast_signed()).collect();
        let scale = self.values(&format!("{name}.scale"), outputs)?;
        Ok(Matrix { outputs, inputs, values, scale })
    }

    /// How far apart the places are that the convolution with the weights `name` takes together.
    pub fn dilation(&self, name: &str) -> Result<usize, String> {
        let takes = |node: &&pb::NodeProto| node.input.get(1).is_some_and(|input| input == name);
        let node = self.graph.node.iter().find(takes);
        let all = node.and_then(|node| node.attribute.iter().find(|a| a.name == "dilations"));
        match all.map(|attribute| &attribute.ints[..]) {
            Some(&[rings, angles]) if rings == angles && (1..=8).contains(&rings) => {
                Ok(rings as usize)
            }
            _ => Err(format!("the convolution with {name} isn't 1 to 8 apart both ways")),
        }
    }
}
