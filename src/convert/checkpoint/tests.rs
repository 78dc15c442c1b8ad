use std::io::{Cursor, Write};

use half::{bf16, f16};
use ndarray::array;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::{Checkpoint, CheckpointError, ConvertError};

/// A zip of `entries`, as torch.save makes it.
fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
    compressed(entries, CompressionMethod::Stored)
}

fn compressed(entries: &[(&str, &[u8])], method: CompressionMethod) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(vec![]));
    for (name, content) in entries {
        let options = SimpleFileOptions::default().compression_method(method);
        zip.start_file(format!("archive/{name}"), options).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn global(module: &str, name: &str) -> Vec<u8> {
    format!("c{module}\n{name}\n").into_bytes()
}

fn text(text: &str) -> Vec<u8> {
    [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat()
}

fn tuple(numbers: &[i32]) -> Vec<u8> {
    let numbers = numbers.iter().flat_map(|n| [b"J", &n.to_le_bytes()[..]].concat());
    [b"(", &numbers.collect::<Vec<_>>()[..], b"t"].concat()
}

/// A tensor over the storage `data/0` of `len` elements.
struct View<'a> {
    storage: &'a str,
    len: i32,
    offset: i32,
    shape: &'a [i32],
    strides: &'a [i32],
}

impl Default for View<'_> {
    fn default() -> Self {
        Self { storage: "FloatStorage", len: 4, offset: 0, shape: &[2, 2], strides: &[2, 1] }
    }
}

fn tensor(view: &View) -> Vec<u8> {
    let persistent = [
        b"(".to_vec(),
        text("storage"),
        global("torch", view.storage),
        text("0"),
        text("cpu"),
        [b"J", &view.len.to_le_bytes()[..]].concat(),
        b"tQ".to_vec(),
    ];
    [
        global("torch._utils", "_rebuild_tensor_v2"),
        b"(".to_vec(),
        persistent.concat(),
        [b"J", &view.offset.to_le_bytes()[..]].concat(),
        tuple(view.shape),
        tuple(view.strides),
        b"\x89".to_vec(),
        global("collections", "OrderedDict"),
        b")RtR".to_vec(),
    ]
    .concat()
}

fn dict(items: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let items = items.iter().flat_map(|(key, value)| [text(key), value.clone()].concat());
    [b"}(", &items.collect::<Vec<_>>()[..], b"u"].concat()
}

fn pickle(root: &[u8]) -> Vec<u8> {
    [b"\x80\x02", root, b"."].concat()
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// Opens a checkpoint and reads all that is in it.
fn read(bytes: &[u8]) -> Result<Checkpoint, CheckpointError> {
    let checkpoint = Checkpoint::read(Cursor::new(bytes.to_vec()))?;
    for key in checkpoint.keys() {
        match checkpoint.tensor(key) {
            Ok(tensor) => assert_eq!(tensor.unwrap().shape(), checkpoint.shape(key).unwrap()),
            Err(ConvertError::Checkpoint { source, .. }) => return Err(source),
            Err(other) => panic!("{other}"),
        }
    }
    Ok(checkpoint)
}

/// A checkpoint whose state dict is `root`, over a storage of `content`.
fn checkpoint(root: &[u8], content: &[u8]) -> Vec<u8> {
    archive(&[("data.pkl", &pickle(root)), ("data/0", content)])
}

#[test]
fn tensors_are_read_whatever_their_layout_type_or_wrapping() {
    let square = array![[1.0, 2.0], [3.0, 4.0]].into_dyn();
    let values = [1.0f32, 2.0, 3.0, 4.0];
    let plain = || tensor(&View::default());
    let typed = |storage| dict(&[("w", tensor(&View { storage, ..View::default() }))]);
    let halves: Vec<u8> = values.iter().flat_map(|&v| f16::from_f32(v).to_le_bytes()).collect();
    let brains: Vec<u8> = values.iter().flat_map(|&v| bf16::from_f32(v).to_le_bytes()).collect();
    let doubles: Vec<u8> = values.iter().flat_map(|&v| f64::from(v).to_le_bytes()).collect();
    let transposed = View { strides: &[1, 2], ..View::default() };
    let corner = View { offset: 3, shape: &[], strides: &[], ..View::default() };
    let repeated = View { offset: 1, shape: &[2], strides: &[0], ..View::default() };
    let parameter =
        [global("torch._utils", "_rebuild_parameter"), b"(".to_vec(), plain(), b"\x88}tR".to_vec()];
    let counter = View { storage: "LongStorage", ..View::default() };
    let cases = [
        ("f32", dict(&[("w", plain())]), floats(&values), square.clone()),
        ("f16", typed("HalfStorage"), halves, square.clone()),
        ("bf16", typed("BFloat16Storage"), brains, square.clone()),
        ("f64", typed("DoubleStorage"), doubles, square.clone()),
        (
            "transposed",
            dict(&[("w", tensor(&transposed))]),
            floats(&values),
            square.t().to_owned().into_dyn(),
        ),
        ("scalar", dict(&[("w", tensor(&corner))]), floats(&values), ndarray::arr0(4.0).into_dyn()),
        (
            "expanded",
            dict(&[("w", tensor(&repeated))]),
            floats(&values),
            array![2.0, 2.0].into_dyn(),
        ),
        ("parameter", dict(&[("w", parameter.concat())]), floats(&values), square.clone()),
        ("model", dict(&[("model", dict(&[("w", plain())]))]), floats(&values), square.clone()),
        (
            "state_dict beside a tensor",
            dict(&[("loss", plain()), ("state_dict", dict(&[("w", plain())]))]),
            floats(&values),
            square.clone(),
        ),
        (
            "with other values",
            dict(&[("epoch", b"K\x05".to_vec()), ("w", plain()), ("note", b"N".to_vec())]),
            floats(&values),
            square.clone(),
        ),
        (
            "with a counter",
            dict(&[("w", plain()), ("n", tensor(&counter))]),
            floats(&values),
            square.clone(),
        ),
    ];
    for (name, root, content, expected) in cases {
        let read = read(&checkpoint(&root, &content)).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(read.keys().collect::<Vec<_>>(), ["w"], "{name}");
        assert_eq!(read.tensor("w").unwrap(), Some(expected), "{name}");
    }
}

#[test]
fn damaged_and_hostile_checkpoints_are_refused_with_a_reason() {
    let content = floats(&[1.0, 2.0, 3.0, 4.0]);
    let run = |root: &[u8]| checkpoint(root, &content);
    let view = |view: View| checkpoint(&dict(&[("w", tensor(&view))]), &content);
    let weights = |values: &[f32]| {
        checkpoint(&dict(&[("some.weight", tensor(&View::default()))]), &floats(values))
    };
    let plain = pickle(&dict(&[("w", tensor(&View::default()))]));
    let call = |module, name| [global(module, name), text("id"), b"\x85R".to_vec()].concat();
    let stack_global = [text("posix"), text("system"), b"\x93".to_vec()].concat();
    let nested = [vec![b')'], vec![0x85; 200_000]].concat();
    let long_text = [b"X", &u32::MAX.to_le_bytes()[..]].concat();
    let many = vec![b'N'; 300_000];
    let huge = View { shape: &[i32::MAX, i32::MAX, i32::MAX], ..View::default() };
    let wide = View { shape: &[1 << 20], strides: &[0], ..View::default() };
    let stored = ("data/0", content.as_slice());
    let cases = [
        ("empty", vec![], "empty"),
        ("text", b"<html>not found</html>".to_vec(), "not a zip archive"),
        (
            "legacy torch",
            b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.".to_vec(),
            "before version 1.6",
        ),
        ("zip without data.pkl", archive(&[("model.json", b"{}")]), "exactly one data.pkl"),
        (
            "two pickles",
            archive(&[("data.pkl", &plain), ("b/data.pkl", &plain)]),
            "exactly one data.pkl",
        ),
        (
            "compressed",
            compressed(&[("data.pkl", &plain), stored], CompressionMethod::Deflated),
            "is compressed",
        ),
        ("big-endian", archive(&[("data.pkl", &plain), ("byteorder", b"big")]), "big-endian"),
        ("no storage", archive(&[("data.pkl", &plain)]), "entry data/0"),
        ("pickle too large", archive(&[("data.pkl", &vec![0; 5 << 20])]), "limit"),
        ("os.system", run(&call("os", "system")), "asks for os.system"),
        ("posix.system", run(&stack_global), "asks for posix.system"),
        ("eval", run(&call("builtins", "eval")), "asks for builtins.eval"),
        ("torch.load", run(&call("torch", "load")), "asks for torch.load"),
        ("global with control characters", run(&call("o\x1b[2Js", "x")), r"o\u{1b}[2Js.x"),
        ("object construction", run(b")\x81"), "opcode 0x81"),
        ("old instance", run(b"(ios\nsystem\n"), "opcode 0x69"),
        ("protocol 6", archive(&[("data.pkl", b"\x80\x06}.")]), "protocol 6"),
        ("nothing", archive(&[("data.pkl", b"")]), "ends too early"),
        ("nested tuples", run(&nested), "not a dict"),
        ("text beyond the end", run(&long_text), "ends too early"),
        ("too many values", run(&many), "values"),
        ("empty stack", run(b"0"), "empty stack"),
        ("taking through a mark", run(b"N(0"), "empty stack"),
        ("no mark", run(b"t"), "mark"),
        ("unset memo", run(b"h\x07"), "memo 7"),
        ("unpaired items", run(b"}(Nu"), "unpaired"),
        ("a list", run(b"]"), "not a dict"),
        ("no tensors", run(&dict(&[("epoch", b"N".to_vec())])), "[epoch]"),
        ("storage shorter than claimed", view(View { len: 5, ..View::default() }), "5 elements"),
        ("view outside", view(View { offset: 1, ..View::default() }), "leaves its storage"),
        ("negative side", view(View { shape: &[-2, 2], ..View::default() }), "whole number"),
        ("overflowing shape", view(huge), "more than the file can hold"),
        ("expanded beyond the file", view(wide), "more than the file can hold"),
        ("NaN", weights(&[1.0, f32::NAN, 0.0, 0.0]), "some.weight: holds NaN"),
    ];
    for (name, bytes, expected) in cases {
        let error = read(&bytes).expect_err(name).to_string();
        assert!(error.contains(expected), "{name}: {error}");
        assert!(error.len() < 400, "{name}: {error}");
    }
}

#[test]
fn a_size_that_an_entry_merely_claims_is_not_believed() {
    let mut bytes = checkpoint(&dict(&[("w", tensor(&View::default()))]), &floats(&[0.0; 4]));
    let entry = bytes.windows(4).rposition(|window| window == b"PK\x01\x02").unwrap();
    bytes[entry + 20..entry + 28].copy_from_slice(&[0xfe, 0xff, 0xff, 0x7f].repeat(2));
    let error = read(&bytes).unwrap_err().to_string();
    assert!(error.contains("2147483646 bytes"), "{error}");
}

#[test]
fn a_dict_inside_itself_is_no_state_dict() {
    let root = [b"}q\x00".to_vec(), text("model"), b"h\x00s".to_vec()].concat();
    let error = read(&checkpoint(&root, &[])).unwrap_err();
    assert!(matches!(error, CheckpointError::NoStateDict(_)), "{error}");
}

#[test]
fn a_file_cut_short_anywhere_is_refused() {
    let whole = checkpoint(&dict(&[("w", tensor(&View::default()))]), &floats(&[0.0; 4]));
    assert!(read(&whole).is_ok());
    for len in 0..whole.len() {
        assert!(read(&whole[..len]).is_err(), "cut at {len} of {}", whole.len());
    }
}
