//! A pickle machine for state dicts that never executes anything.
//!
//! Pickle is a small stack language in which a file may name any Python function and call it. This
//! machine knows the opcodes that `torch.save` writes (protocols 2 to 5), keeps every value as
//! plain data, and refuses, by name and before anything else is read, any global that is not one
//! of the few a state dict needs. Opcodes: `pickletools` of CPython; globals:
//! `torch/_utils.py` and `torch/serialization.py`.
//!
//! Values live in one arena and refer to each other by index: a hostile file can nest or tie
//! values into cycles without overflowing the stack, and memory is proportional to the pickle.

use std::collections::HashMap;
use std::rc::Rc;

use super::tensor::{ElementType, TensorRef};
use crate::convert::error::{CheckpointError, shortened};

/// The most values a pickle may make; LiteMedSAM's makes about ten thousand.
const MAX_VALUES: usize = 1 << 18;
/// The most dimensions of a tensor.
const MAX_RANK: usize = 8;
/// How deep the state dict may be wrapped in dicts such as `{"model": …}`.
const MAX_WRAPPERS: usize = 4;

/// Names and the tensors they stand for; shared, as a pickle may refer to one value many times.
pub(super) type StateDict = Vec<(Rc<str>, Rc<TensorRef>)>;

/// Index of a value in the arena.
type Id = usize;

/// The globals a state dict needs.
#[derive(Clone, Copy)]
enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Storage(ElementType),
}

impl Global {
    fn find(module: &str, name: &str) -> Result<Self, CheckpointError> {
        match (module, name) {
            ("collections", "OrderedDict") => Some(Self::OrderedDict),
            ("torch._utils", "_rebuild_tensor_v2") => Some(Self::RebuildTensor),
            ("torch._utils", "_rebuild_parameter") => Some(Self::RebuildParameter),
            ("torch", name) => ElementType::of_storage(name).map(Self::Storage),
            _ => None,
        }
        .ok_or_else(|| CheckpointError::ForeignGlobal(shortened(&format!("{module}.{name}"))))
    }
}

enum Value {
    /// None, a boolean or a float: nothing the weights depend on.
    Plain,
    Int(i64),
    Text(Rc<str>),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Global(Global),
    Storage {
        key: Rc<str>,
        element: ElementType,
        len: usize,
    },
    Tensor(Rc<TensorRef>),
}

/// Reads the state dict in `pickle`: names and the tensors they stand for, in the file's order.
pub(super) fn read_state_dict(pickle: &[u8]) -> Result<StateDict, CheckpointError> {
    let mut machine = Machine::new(pickle);
    let root = machine.run()?;
    machine.state_dict(root)
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    values: Vec<Value>,
    stack: Vec<Id>,
    /// Heights of the stack at which marks lie.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl<'a> Machine<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, values: vec![], stack: vec![], marks: vec![], memo: HashMap::new() }
    }

    fn error(&self, reason: impl Into<String>) -> CheckpointError {
        CheckpointError::Pickle { at: self.at, reason: reason.into() }
    }

    fn run(&mut self) -> Result<Id, CheckpointError> {
        loop {
            match self.byte()? {
                0x80 => match self.byte()? {
                    2..=5 => {}
                    other => return Err(self.error(format!("pickle protocol {other}"))),
                },
                0x95 => drop(self.take(8)?), // FRAME: a hint for buffered readers
                b'.' => return self.pop(),
                b'0' => drop(self.pop()?),
                b'(' => self.marks.push(self.stack.len()),
                b'N' | 0x88 | 0x89 => self.push(Value::Plain)?,
                b'G' => {
                    self.take(8)?;
                    self.push(Value::Plain)?;
                }
                b'K' => {
                    let value = self.byte()?;
                    self.push(Value::Int(value.into()))?;
                }
                b'M' => {
                    let value = u16::from_le_bytes(self.array()?);
                    self.push(Value::Int(value.into()))?;
                }
                b'J' => {
                    let value = i32::from_le_bytes(self.array()?);
                    self.push(Value::Int(value.into()))?;
                }
                0x8a => {
                    let value = self.long()?;
                    self.push(Value::Int(value))?;
                }
                0x8c => {
                    let len = self.byte()?.into();
                    self.push_text(len)?;
                }
                b'X' => {
                    let len = u32::from_le_bytes(self.array()?);
                    self.push_text(len.into())?;
                }
                0x8d => {
                    let len = u64::from_le_bytes(self.array()?);
                    self.push_text(len)?;
                }
                b')' => self.push(Value::Tuple(vec![]))?,
                count @ 0x85..=0x87 => {
                    let from = self.height(usize::from(count - 0x84))?;
                    let items = self.stack.split_off(from);
                    self.push(Value::Tuple(items))?;
                }
                b't' => {
                    let items = self.pop_to_mark()?;
                    self.push(Value::Tuple(items))?;
                }
                b']' => self.push(Value::List(vec![]))?,
                b'a' => {
                    let item = self.pop()?;
                    self.append(vec![item])?;
                }
                b'e' => {
                    let items = self.pop_to_mark()?;
                    self.append(items)?;
                }
                b'}' => self.push(Value::Dict(vec![]))?,
                b's' => {
                    let (value, key) = (self.pop()?, self.pop()?);
                    self.set_items(&[key, value])?;
                }
                b'u' => {
                    let items = self.pop_to_mark()?;
                    self.set_items(&items)?;
                }
                b'q' => {
                    let slot = self.byte()?;
                    self.memoize(slot.into())?;
                }
                b'r' => {
                    let slot = u32::from_le_bytes(self.array()?);
                    self.memoize(slot)?;
                }
                0x94 => {
                    let slot = self.memo.len() as u32; // MAX_VALUES bounds it
                    self.memoize(slot)?;
                }
                b'h' => {
                    let slot = self.byte()?;
                    self.recall(slot.into())?;
                }
                b'j' => {
                    let slot = u32::from_le_bytes(self.array()?);
                    self.recall(slot)?;
                }
                b'c' => {
                    let (module, name) = (self.line()?, self.line()?);
                    self.push(Value::Global(Global::find(module, name)?))?;
                }
                0x93 => {
                    let (name, module) = (self.pop()?, self.pop()?);
                    let global = match (&self.values[module], &self.values[name]) {
                        (Value::Text(module), Value::Text(name)) => Global::find(module, name)?,
                        _ => return Err(self.error("a global whose name is not text")),
                    };
                    self.push(Value::Global(global))?;
                }
                b'Q' => {
                    let id = self.pop()?;
                    let storage = self.storage(id)?;
                    self.push(storage)?;
                }
                b'R' => {
                    let (arguments, callable) = (self.pop()?, self.pop()?);
                    self.rebuild(callable, arguments)?;
                }
                // BUILD gives an OrderedDict its `_metadata`, which the weights do not need.
                b'b' => {
                    self.pop()?;
                    let object = self.top()?;
                    if !matches!(self.values[object], Value::Dict(_)) {
                        return Err(self.error("BUILD on something other than a dict"));
                    }
                }
                other => {
                    let reason = format!("opcode {other:#04x}, which torch.save does not write");
                    return Err(self.error(reason));
                }
            }
        }
    }

    fn take(&mut self, len: u64) -> Result<&'a [u8], CheckpointError> {
        let rest = &self.bytes[self.at..];
        let taken = usize::try_from(len).ok().and_then(|len| rest.get(..len));
        let taken = taken.ok_or_else(|| self.error("ends too early"))?;
        self.at += taken.len();
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], CheckpointError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N as u64)?);
        Ok(array)
    }

    fn byte(&mut self) -> Result<u8, CheckpointError> {
        self.array().map(|[byte]| byte)
    }

    /// LONG1: a little-endian two's complement number with its length in front.
    fn long(&mut self) -> Result<i64, CheckpointError> {
        let len = self.byte()?;
        let bytes = self.take(len.into())?;
        if bytes.len() > 8 {
            return Err(self.error("a number of more than 64 bits"));
        }
        let sign = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
        let mut extended = [if sign { 0xff } else { 0 }; 8];
        extended[..bytes.len()].copy_from_slice(bytes);
        Ok(i64::from_le_bytes(extended))
    }

    fn line(&mut self) -> Result<&'a str, CheckpointError> {
        let rest = &self.bytes[self.at..];
        let end = rest.iter().position(|&byte| byte == b'\n');
        let end = end.ok_or_else(|| self.error("ends too early"))?;
        let line = std::str::from_utf8(&rest[..end]).map_err(|_| self.error("is not UTF-8"))?;
        self.at += end + 1;
        Ok(line)
    }

    fn push_text(&mut self, len: u64) -> Result<(), CheckpointError> {
        let bytes = self.take(len)?;
        let text = std::str::from_utf8(bytes).map_err(|_| self.error("is not UTF-8"))?;
        self.push(Value::Text(text.into()))
    }

    fn push(&mut self, value: Value) -> Result<(), CheckpointError> {
        if self.values.len() == MAX_VALUES {
            return Err(self.error(format!("makes more than {MAX_VALUES} values")));
        }
        self.stack.push(self.values.len());
        self.values.push(value);
        Ok(())
    }

    /// The stack's height without its `count` topmost values, which lie above the last mark.
    fn height(&self, count: usize) -> Result<usize, CheckpointError> {
        let floor = self.marks.last().copied().unwrap_or(0);
        let height = self.stack.len().checked_sub(count).filter(|&height| height >= floor);
        height.ok_or_else(|| self.error("takes a value from an empty stack"))
    }

    fn top(&self) -> Result<Id, CheckpointError> {
        Ok(self.stack[self.height(1)?])
    }

    fn pop(&mut self) -> Result<Id, CheckpointError> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Id>, CheckpointError> {
        let mark = self.marks.pop().ok_or_else(|| self.error("looks for a mark and finds none"))?;
        Ok(self.stack.split_off(mark))
    }

    fn append(&mut self, items: Vec<Id>) -> Result<(), CheckpointError> {
        let list = self.top()?;
        match &mut self.values[list] {
            Value::List(list) => list.extend(items),
            _ => return Err(self.error("appends to something other than a list")),
        }
        Ok(())
    }

    fn set_items(&mut self, items: &[Id]) -> Result<(), CheckpointError> {
        let dict = self.top()?;
        let (pairs, rest) = items.as_chunks::<2>();
        match &mut self.values[dict] {
            Value::Dict(dict) if rest.is_empty() => {
                dict.extend(pairs.iter().map(|&[key, value]| (key, value)));
            }
            _ => return Err(self.error("sets items of something other than a dict, or unpaired")),
        }
        Ok(())
    }

    fn memoize(&mut self, slot: u32) -> Result<(), CheckpointError> {
        let top = self.top()?;
        self.memo.insert(slot, top);
        Ok(())
    }

    fn recall(&mut self, slot: u32) -> Result<(), CheckpointError> {
        let id = self.memo.get(&slot).copied();
        self.stack.push(id.ok_or_else(|| self.error(format!("memo {slot} was never set")))?);
        Ok(())
    }

    /// The persistent id of a storage: `("storage", type, key, device, number of elements)`.
    fn storage(&self, id: Id) -> Result<Value, CheckpointError> {
        let unknown = || self.error("a persistent id that is not a storage's");
        let Value::Tuple(items) = &self.values[id] else { return Err(unknown()) };
        let &[tag, global, key, _device, len] = items.as_slice() else { return Err(unknown()) };
        match (&self.values[tag], &self.values[global], &self.values[key]) {
            (Value::Text(tag), &Value::Global(Global::Storage(element)), Value::Text(key))
                if **tag == *"storage" =>
            {
                Ok(Value::Storage { key: key.clone(), element, len: self.size(len)? })
            }
            _ => Err(unknown()),
        }
    }

    /// REDUCE, as far as a state dict needs it: what `callable(*arguments)` would have made.
    fn rebuild(&mut self, callable: Id, arguments: Id) -> Result<(), CheckpointError> {
        let (Value::Global(global), Value::Tuple(arguments)) =
            (&self.values[callable], &self.values[arguments])
        else {
            return Err(self.error("calls something other than a known function"));
        };
        match (global, arguments.as_slice()) {
            (Global::OrderedDict, []) => self.push(Value::Dict(vec![])),
            // storage, offset, size, stride, requires_grad, backward hooks[, metadata]
            (Global::RebuildTensor, &[storage, offset, shape, strides, _, _, ..]) => {
                let Value::Storage { key, element, len } = &self.values[storage] else {
                    return Err(self.error("a tensor without a storage"));
                };
                let tensor = TensorRef {
                    storage: key.clone(),
                    element: *element,
                    storage_len: *len,
                    offset: self.size(offset)?,
                    shape: self.sizes(shape)?,
                    strides: self.sizes(strides)?,
                };
                self.push(Value::Tensor(Rc::new(tensor)))
            }
            (Global::RebuildParameter, &[tensor, ..]) => {
                self.stack.push(tensor);
                Ok(())
            }
            _ => Err(self.error("calls a known function with unknown arguments")),
        }
    }

    fn size(&self, id: Id) -> Result<usize, CheckpointError> {
        match self.values[id] {
            Value::Int(value) => usize::try_from(value).ok(),
            _ => None,
        }
        .ok_or_else(|| self.error("a size or offset that is not a whole number from 0"))
    }

    fn sizes(&self, id: Id) -> Result<Vec<usize>, CheckpointError> {
        match &self.values[id] {
            Value::Tuple(items) if items.len() <= MAX_RANK => {
                items.iter().map(|&item| self.size(item)).collect()
            }
            _ => Err(self.error(format!("a shape that is not a tuple of at most {MAX_RANK}"))),
        }
    }

    /// The tensors of the dict at `root`, or of the one inside the wrappers that training scripts
    /// put round it.
    fn state_dict(&self, root: Id) -> Result<StateDict, CheckpointError> {
        let mut dict = self.dict(root).ok_or_else(|| {
            CheckpointError::NoStateDict("its root is not a dict but, perhaps, a module".into())
        })?;
        for _ in 0..MAX_WRAPPERS {
            let inner = ["model", "state_dict", "model_state_dict"].iter().find_map(|wrapper| {
                let (_, value) = dict.iter().find(|(key, _)| self.text(*key) == Some(wrapper))?;
                self.dict(*value)
            });
            match inner {
                Some(inner) => dict = inner,
                None => break,
            }
        }
        let tensors: Vec<_> = dict
            .iter()
            .filter_map(|&(key, value)| match (&self.values[key], &self.values[value]) {
                (Value::Text(name), Value::Tensor(tensor)) => Some((name.clone(), tensor.clone())),
                _ => None,
            })
            .collect();
        if tensors.is_empty() {
            let keys: Vec<_> = dict.iter().filter_map(|&(key, _)| self.text(key)).take(5).collect();
            let keys = shortened(&keys.join(", "));
            return Err(CheckpointError::NoStateDict(format!("the keys of its dict are [{keys}]")));
        }
        Ok(tensors)
    }

    fn dict(&self, id: Id) -> Option<&[(Id, Id)]> {
        match &self.values[id] {
            Value::Dict(items) => Some(items),
            _ => None,
        }
    }

    fn text(&self, id: Id) -> Option<&str> {
        match &self.values[id] {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}
