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

    pub fn has(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    fn tensor(&self, name: &str) -> Result<&'a pb::TensorProto, String> {
        self.by_name.get(name).copied().ok_or_else(|| {
            format!("it has no tensor {name}; models/tap_head/run makes a head that has all")
        })
    }

    /// So many values in f32, whatever their shape.
    pub fn values(&self, name: &str, count: usize) -> Result<Vec<f32>, String> {
        let values = f32_values(self.tensor(name)?).filter(|values| values.len() == count);
        values.ok_or_else(|| format!("{name} isn't {count} values in f32"))
    }

    /// The int8 weights of `name`, of which the first axis is the outputs, and one or more others the inputs.
    pub fn matrix(&self, name: &str) -> Result<Matrix, String> {
        let whole = format!("{name}.int8");
        let tensor = self.tensor(&whole)?;
        let sides: Option<Vec<usize>> =
            tensor.dims.iter().map(|&side| usize::try_from(side).ok()).collect();
        let values: Vec<i8> = tensor.raw_data.iter().map(|&byte| byte.cast_signed()).collect();
        let fits = |sides: &Vec<usize>| {
            let count = sides.iter().try_fold(1, |all: usize, &side| all.checked_mul(side));
            sides.len() > 1 && count == Some(values.len()) && !values.is_empty()
        };
        let is_int8 = tensor.data_type == i32::from(DataType::Int8) && !values.contains(&i8::MIN);
        let Some(sides) = sides.filter(fits).filter(|_| is_int8) else {
            return Err(format!("{whole} isn't a matrix of -127 to 127"));
        };
        let (outputs, inputs) = (sides[0], values.len() / sides[0]);
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
