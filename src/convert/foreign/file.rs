//! Reading an ONNX file and the weights that lie beside it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use prost::Message;
use tract_onnx::pb;
use tract_onnx::pb::tensor_proto::{DataLocation, DataType};

use crate::model::{MAX_FILE, PackageError, hex_sha256, read_limited};
use crate::onnx::nodes::f32_values;

use super::super::ConvertError;
use super::super::error::shortened;

/// An ONNX model with all its weights inside.
pub(super) struct Exported {
    pub path: PathBuf,
    /// Checksum of the `.onnx` file itself.
    pub sha256: String,
    pub model: pb::ModelProto,
}

impl Exported {
    /// Reads the file and takes in what it keeps in others.
    pub fn read(path: &Path) -> Result<Self, ConvertError> {
        let bytes = read_limited(path, MAX_FILE)?;
        let not_onnx = |reason: &str| ConvertError::NotOnnx {
            path: path.to_path_buf(),
            reason: reason.to_owned(),
        };
        if bytes.starts_with(b"PK") {
            return Err(not_onnx("it looks like a PyTorch checkpoint, which tapseg convert reads"));
        }
        let sha256 = hex_sha256(&bytes);
        let size = bytes.len() as u64;
        let mut model = pb::ModelProto::decode(&*bytes)
            .map_err(|e| not_onnx(&format!("the file is damaged or of another kind ({e})")))?;
        drop(bytes);
        let graph = model.graph.as_mut().filter(|graph| !graph.node.is_empty());
        let graph = graph.ok_or_else(|| not_onnx("there is no network in it"))?;
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
        let mut beside = Beside {
            onnx: path,
            folder: folder.unwrap_or(Path::new(".")),
            files: BTreeMap::new(),
            size,
        };
        for_each_tensor(graph, &mut |tensor| beside.take_in(tensor))?;
        let broken = graph.initializer.iter().find(|tensor| {
            f32_values(tensor).is_some_and(|values| values.iter().any(|value| !value.is_finite()))
        });
        if let Some(tensor) = broken {
            let reason =
                format!("tensor {} holds values that are not finite", shortened(&tensor.name));
            return Err(ConvertError::Engine { path: path.to_path_buf(), reason });
        }
        Ok(Self { path: path.to_path_buf(), sha256, model })
    }
}

/// The files beside an `.onnx`.
struct Beside<'a> {
    onnx: &'a Path,
    folder: &'a Path,
    /// Those open, and their sizes.
    files: BTreeMap<String, (File, u64)>,
    /// Bytes of the model so far.
    size: u64,
}

impl Beside<'_> {
    /// Moves the values of a tensor into it, if they are in another file.
    fn take_in(&mut self, tensor: &mut pb::TensorProto) -> Result<(), ConvertError> {
        if tensor.data_location != Some(DataLocation::External as i32) {
            return Ok(());
        }
        let entry = |key| tensor.external_data.iter().find(|e| e.key == key).map(|e| &e.value);
        let location = entry("location").cloned().unwrap_or_default();
        let bad = |reason: String| ConvertError::ExternalData {
            path: self.onnx.to_path_buf(),
            file: shortened(&location),
            reason,
        };
        let number = |key| match entry(key) {
            None => Ok(None),
            Some(text) => text
                .parse::<u64>()
                .map(Some)
                .map_err(|_| bad(format!("{key} {:?} is not a number", shortened(text)))),
        };
        let (offset, stated) = (number("offset")?.unwrap_or(0), number("length")?);
        let name = shortened(&tensor.name);
        let length = byte_length(tensor)
            .ok_or_else(|| bad(format!("tensor {name} has a type or shape that can't be read")))?;
        if stated.is_some_and(|stated| stated != length) {
            return Err(bad(format!(
                "tensor {name} needs {length} bytes and states another length"
            )));
        }
        self.size = self.size.saturating_add(length);
        if self.size > MAX_FILE {
            let path = self.onnx.to_path_buf();
            return Err(PackageError::TooLarge { path, limit: MAX_FILE }.into());
        }
        if !self.files.contains_key(&location) {
            let opened = open_inside(self.folder, &location).map_err(bad)?;
            self.files.insert(location.clone(), opened);
        }
        let Some((file, size)) = self.files.get_mut(&location) else { return Ok(()) };
        let end = offset.saturating_add(length);
        if end > *size {
            return Err(bad(format!(
                "it has {size} bytes and tensor {name} ends at {end}: the file is cut short or \
                 belongs to another .onnx"
            )));
        }
        let mut values = Vec::new();
        file.seek(SeekFrom::Start(offset))
            .and_then(|_| file.take(length).read_to_end(&mut values))
            .map_err(|e| bad(e.to_string()))?;
        if values.len() as u64 != length {
            return Err(bad("it became shorter while it was read".into()));
        }
        tensor.raw_data = values;
        tensor.data_location = None;
        tensor.external_data.clear();
        Ok(())
    }
}

/// Opens the file `location` of `folder`, which must not lead out of it, and gives its size.
fn open_inside(folder: &Path, location: &str) -> Result<(File, u64), String> {
    let plain = |c| matches!(c, Component::Normal(_) | Component::CurDir);
    if location.is_empty() || !Path::new(location).components().all(plain) {
        return Err("weights are taken from the folder of the .onnx alone".into());
    }
    let absent = |e: std::io::Error| format!("{e}: put it beside the .onnx, under this name");
    let folder = folder.canonicalize().map_err(absent)?;
    let path = folder.join(location).canonicalize().map_err(absent)?;
    if !path.starts_with(&folder) {
        return Err("it is a link out of the folder of the .onnx, which is not followed".into());
    }
    let metadata = path.metadata().map_err(absent)?;
    if !metadata.is_file() {
        return Err("it is not a regular file".into());
    }
    Ok((File::open(path).map_err(|e| e.to_string())?, metadata.len()))
}

/// The bytes of a tensor's values.
fn byte_length(tensor: &pb::TensorProto) -> Option<u64> {
    let size = match DataType::try_from(tensor.data_type).ok()? {
        DataType::Int8 | DataType::Uint8 | DataType::Bool => 1,
        DataType::Float16 | DataType::Bfloat16 | DataType::Int16 | DataType::Uint16 => 2,
        DataType::Float | DataType::Int32 | DataType::Uint32 => 4,
        DataType::Double | DataType::Int64 | DataType::Uint64 => 8,
        _ => return None,
    };
    let mut sides = tensor.dims.iter();
    sides.try_fold(size, |product: u64, &side| product.checked_mul(u64::try_from(side).ok()?))
}

/// Visits every tensor of a graph, those in attributes and inner graphs included.
fn for_each_tensor(
    graph: &mut pb::GraphProto,
    visit: &mut dyn FnMut(&mut pb::TensorProto) -> Result<(), ConvertError>,
) -> Result<(), ConvertError> {
    graph.initializer.iter_mut().try_for_each(&mut *visit)?;
    for attribute in graph.node.iter_mut().flat_map(|node| &mut node.attribute) {
        attribute.t.iter_mut().chain(&mut attribute.tensors).try_for_each(&mut *visit)?;
        for inner in attribute.g.iter_mut().chain(&mut attribute.graphs) {
            for_each_tensor(inner, visit)?;
        }
    }
    Ok(())
}
