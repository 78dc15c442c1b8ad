//! A linear layer with int8 weights, and activations quantized per token.
//!
//! The weights are packed once: panels of as many columns as a tile has, each with its groups of
//! `k` one after the other. Rows are quantized a block at a time; for each panel, tiles of a few
//! rows run down the whole depth with their sums in registers, and are scaled and written at once.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512vnni;
#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(target_arch = "aarch64")]
mod neon_dot;
#[cfg(target_arch = "aarch64")]
mod neon_i8mm;
mod portable;
#[cfg(test)]
mod tests;

use std::fmt;

use super::isa::Isa;
#[cfg(target_arch = "x86_64")]
use super::isa::{Avx2, Avx512Vnni};
#[cfg(target_arch = "aarch64")]
use super::isa::{Neon, NeonDot, NeonI8mm};
use portable::Portable;

/// The largest depth `k` of a [`PackedLinear`]: 131072 products of 127 · 127 fit into an i32.
pub const MAX_DEPTH: usize = 131_072;

/// About how many bytes of quantized rows are worked on at a time: they stay in the second cache.
const BLOCK_BYTES: usize = 192 * 1024;

/// The most rows of a block: more gain nothing, and would only make threads wait for each other.
const BLOCK_ROWS: usize = 128;

/// Why weights don't make a linear layer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinearError {
    /// The sums might not fit into an i32.
    #[error("a depth of {0} is more than {MAX_DEPTH}")]
    Depth(usize),
    /// There are more or fewer weights than `k` · `n`.
    #[error("{found} weights, but the shape is {k} × {n}")]
    Weights {
        /// How many there are.
        found: usize,
        /// The depth.
        k: usize,
        /// The number of outputs.
        n: usize,
    },
    /// The weight -128 has no counterpart, and the kernels do without it.
    #[error("weight {0} is -128; the range is -127 to 127")]
    Range(usize),
    /// There isn't one scale for each output.
    #[error("{found} scales for {n} outputs")]
    Scales {
        /// How many there are.
        found: usize,
        /// The number of outputs.
        n: usize,
    },
    /// There is a bias, but not one for each output.
    #[error("{found} biases for {n} outputs")]
    Biases {
        /// How many there are.
        found: usize,
        /// The number of outputs.
        n: usize,
    },
}

/// A linear layer with int8 weights, packed for an instruction set.
///
/// For each row (token) `x` of `k` numbers, with `a` = max |x|:
///
/// - `q[k]` = round(`x[k]` · (127 / max(`a`, 1e-30))), ties to even: -127 to 127;
/// - `acc[n]` = Σₖ `q[k]` · `weight[k][n]`, exactly;
/// - `y[n]` = (`acc[n]` · (`a` · (1 / 127))) · `scale[n]` + `bias[n]`, in f32, each step rounded.
///
/// The results have the same bits on every instruction set. A row with a NaN gives NaN, and an
/// infinite one NaN or infinities.
pub struct PackedLinear(Panels);

enum Panels {
    Portable(Packed<Portable>),
    #[cfg(target_arch = "x86_64")]
    Avx2(Packed<Avx2>),
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni(Packed<Avx512Vnni>),
    #[cfg(target_arch = "aarch64")]
    Neon(Packed<Neon>),
    #[cfg(target_arch = "aarch64")]
    NeonDot(Packed<NeonDot>),
    #[cfg(target_arch = "aarch64")]
    NeonI8mm(Packed<NeonI8mm>),
}

/// Does `$body` with `$packed`, whatever the instruction set.
macro_rules! with_packed {
    ($panels:expr, $packed:ident => $body:expr) => {
        match $panels {
            Panels::Portable($packed) => $body,
            #[cfg(target_arch = "x86_64")]
            Panels::Avx2($packed) => $body,
            #[cfg(target_arch = "x86_64")]
            Panels::Avx512Vnni($packed) => $body,
            #[cfg(target_arch = "aarch64")]
            Panels::Neon($packed) => $body,
            #[cfg(target_arch = "aarch64")]
            Panels::NeonDot($packed) => $body,
            #[cfg(target_arch = "aarch64")]
            Panels::NeonI8mm($packed) => $body,
        }
    };
}

impl PackedLinear {
    /// Packs `weight` (`k` × `n`, row by row, -127 to 127), one `scale` per output and, unless it
    /// is left out, one `bias` per output.
    ///
    /// # Errors
    ///
    /// If the lengths don't fit together, `k` is above [`MAX_DEPTH`], or a weight is -128.
    pub fn new(
        isa: Isa,
        (k, n): (usize, usize),
        weight: &[i8],
        scale: &[f32],
        bias: Option<&[f32]>,
    ) -> Result<Self, LinearError> {
        if k > MAX_DEPTH {
            return Err(LinearError::Depth(k));
        }
        if k.checked_mul(n) != Some(weight.len()) {
            return Err(LinearError::Weights { found: weight.len(), k, n });
        }
        if let Some(index) = weight.iter().position(|&w| w == i8::MIN) {
            return Err(LinearError::Range(index));
        }
        if scale.len() != n {
            return Err(LinearError::Scales { found: scale.len(), n });
        }
        if let Some(found) = bias.map(<[f32]>::len).filter(|&found| found != n) {
            return Err(LinearError::Biases { found, n });
        }
        let shape = (k, n);
        Ok(Self(match isa {
            Isa::Portable => Panels::Portable(Packed::new(Portable, shape, weight, scale, bias)),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2(has) => Panels::Avx2(Packed::new(has, shape, weight, scale, bias)),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512Vnni(has) => {
                Panels::Avx512Vnni(Packed::new(has, shape, weight, scale, bias))
            }
            #[cfg(target_arch = "aarch64")]
            Isa::Neon(has) => Panels::Neon(Packed::new(has, shape, weight, scale, bias)),
            #[cfg(target_arch = "aarch64")]
            Isa::NeonDot(has) => Panels::NeonDot(Packed::new(has, shape, weight, scale, bias)),
            #[cfg(target_arch = "aarch64")]
            Isa::NeonI8mm(has) => Panels::NeonI8mm(Packed::new(has, shape, weight, scale, bias)),
        }))
    }

    /// How long a row of the input is.
    pub fn inputs(&self) -> usize {
        with_packed!(&self.0, packed => packed.k)
    }

    /// How long a row of the output is.
    pub fn outputs(&self) -> usize {
        with_packed!(&self.0, packed => packed.n)
    }

    /// How many rows are computed together: a multiple of it wastes nothing.
    pub fn row_tile(&self) -> usize {
        fn rows<K: Kernel>(_: &Packed<K>) -> usize {
            K::ROWS
        }
        with_packed!(&self.0, packed => rows(packed))
    }

    /// Writes the layer's outputs for `rows` rows `x` (`rows` × `k`, row by row) to `out` (`rows` ×
    /// `n`). Rows don't depend on each other: threads may share them out.
    ///
    /// # Panics
    ///
    /// If `x` or `out` has another length.
    pub fn apply(&self, rows: usize, x: &[f32], out: &mut [f32]) {
        with_packed!(&self.0, packed => packed.apply(rows, x, out));
    }
}

impl fmt::Debug for PackedLinear {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "PackedLinear({} × {})", self.inputs(), self.outputs())
    }
}

/// The inner loops for an instruction set.
trait Kernel: Copy {
    /// What a quantized input is stored as.
    type Activation: Copy + Default;
    /// What a weight is stored as.
    type Weight: Copy + Default;
    /// Rows of a tile.
    const ROWS: usize;
    /// Columns of a tile and of a panel.
    const COLUMNS: usize;
    /// How many weights of a column lie side by side in a panel.
    const GROUP: usize;
    /// The depth is padded with zeros to a multiple of this, itself a multiple of `GROUP`.
    const DEPTH: usize;
    /// What is added to the quantized inputs when they are stored.
    const OFFSET: i32;

    fn weight(weight: i8) -> Self::Weight;

    /// See [`quantize_row`](super::quantize_rows::quantize_row).
    fn quantize_row(self, x: &[f32], q: &mut [Self::Activation]) -> f32;

    /// Puts `ROWS` rows `q`, `depth` deep, into the order that `tile` takes them in, with room for a
    /// copy. What becomes of the padding doesn't matter: the weights are zero there.
    fn arrange(
        self,
        _depth: usize,
        _q: &mut [Self::Activation],
        _rows: &mut Vec<Self::Activation>,
    ) {
    }

    /// Multiplies `ROWS` rows `q` with a panel, both `depth` deep, and writes the results.
    fn tile(self, depth: usize, q: &[Self::Activation], panel: &[Self::Weight], tile: Tile);
}

/// Where the sums of a tile begin and what becomes of them. Columns beyond the layer's last one
/// have values too.
struct Tile<'a> {
    /// What the sum of a column begins with.
    start: &'a [i32],
    /// What one step of a row is worth, for each row that is there.
    steps: &'a [f32],
    scale: &'a [f32],
    bias: &'a [f32],
    /// Begins with the tile's first value.
    out: &'a mut [f32],
    /// From one row of `out` to the next.
    stride: usize,
    /// How many columns are there.
    columns: usize,
}

impl Tile<'_> {
    /// What the sums begin with, the same for each row.
    fn start<const COLUMNS: usize>(&self) -> [i32; COLUMNS] {
        *self.start.first_chunk().expect("a start per column")
    }

    /// Scales `sums` and writes those that are there.
    ///
    /// It is inlined into functions that have more instructions, so that it uses them too.
    #[inline(always)]
    fn write<const ROWS: usize, const COLUMNS: usize>(self, sums: &[[i32; COLUMNS]; ROWS]) {
        let scale: [f32; COLUMNS] = *self.scale.first_chunk().expect("a scale per column");
        let bias: [f32; COLUMNS] = *self.bias.first_chunk().expect("a bias per column");
        let scaled = |sums: &[i32; COLUMNS], step: f32| -> [f32; COLUMNS] {
            std::array::from_fn(|n| (sums[n] as f32 * step) * scale[n] + bias[n])
        };
        // Whole tiles by themselves: their lengths are known, and checked once.
        if self.columns == COLUMNS
            && let Some(steps) = self.steps.first_chunk::<ROWS>()
        {
            let last = self.stride.checked_mul(ROWS - 1);
            let end = last.and_then(|last| last.checked_add(COLUMNS));
            assert!(end.is_some_and(|end| end <= self.out.len()), "room for the tile");
            let mut to = self.out.as_mut_ptr();
            for row in 0..ROWS {
                // SAFETY: `to` is `row` strides behind the beginning of `out`, where COLUMNS values
                // have room: those of the last row end at `end`.
                unsafe { to.cast::<[f32; COLUMNS]>().write(scaled(&sums[row], steps[row])) };
                // Behind the last row it points nowhere, and isn't used.
                to = to.wrapping_add(self.stride);
            }
            return;
        }
        // Of a copy, so that the sums need not be in memory for whole tiles.
        let sums = *sums;
        for ((sums, step), out) in sums.iter().zip(self.steps).zip(self.out.chunks_mut(self.stride))
        {
            out[..self.columns].copy_from_slice(&scaled(sums, *step)[..self.columns]);
        }
    }
}

struct Packed<K: Kernel> {
    kernel: K,
    k: usize,
    n: usize,
    /// `k`, padded.
    depth: usize,
    /// Panels one after the other; in each, groups of `k` one after the other; in each, columns.
    weights: Aligned<K::Weight>,
    /// For each column of the panels: takes back what the offset of the activations adds.
    start: Vec<i32>,
    scale: Vec<f32>,
    bias: Vec<f32>,
}

impl<K: Kernel> Packed<K> {
    fn new(
        kernel: K,
        (k, n): (usize, usize),
        weight: &[i8],
        scale: &[f32],
        bias: Option<&[f32]>,
    ) -> Self {
        let depth = k.next_multiple_of(K::DEPTH);
        let columns = n.next_multiple_of(K::COLUMNS);
        let mut weights = Aligned::new(depth * columns);
        let mut start = vec![0i32; columns];
        let place = |k: usize, n: usize| {
            let (panel, column) = (n / K::COLUMNS, n % K::COLUMNS);
            let (group, within) = (k / K::GROUP, k % K::GROUP);
            panel * K::COLUMNS * depth + (group * K::COLUMNS + column) * K::GROUP + within
        };
        for (k, row) in weight.chunks_exact(n.max(1)).enumerate() {
            for (n, &w) in row.iter().enumerate() {
                weights.get_mut()[place(k, n)] = K::weight(w);
                // It may overflow, as may the sums; added up they are in range again.
                start[n] = start[n].wrapping_sub(K::OFFSET * i32::from(w));
            }
        }
        let padded = |values: &[f32], with: f32| {
            let mut padded = values.to_vec();
            padded.resize(columns, with);
            padded
        };
        Self {
            kernel,
            k,
            n,
            depth,
            weights,
            start,
            scale: padded(scale, 0.0),
            // Adding -0 changes nothing, not even the sign of a zero.
            bias: padded(bias.unwrap_or(&[]), -0.0),
        }
    }

    fn apply(&self, rows: usize, x: &[f32], out: &mut [f32]) {
        assert_eq!(Some(x.len()), rows.checked_mul(self.k), "{rows} rows of {} inputs", self.k);
        assert_eq!(Some(out.len()), rows.checked_mul(self.n), "{rows} rows of {} outputs", self.n);
        let fitting = BLOCK_BYTES / (self.depth * size_of::<K::Activation>()).max(1);
        let block = (fitting.clamp(1, BLOCK_ROWS) / K::ROWS * K::ROWS).max(K::ROWS);
        let block = block.min(rows.next_multiple_of(K::ROWS));
        let mut q = vec![K::Activation::default(); block * self.depth];
        let (mut steps, mut unarranged) = (vec![0.0; block], vec![]);
        for first in (0..rows).step_by(block.max(1)) {
            let count = block.min(rows - first);
            for row in 0..count {
                let x = &x[(first + row) * self.k..][..self.k];
                let q = &mut q[row * self.depth..][..self.depth];
                steps[row] = self.kernel.quantize_row(x, q);
            }
            let tiles = (K::ROWS * self.depth).max(1);
            for q in q.chunks_exact_mut(tiles).take(count.div_ceil(K::ROWS)) {
                self.kernel.arrange(self.depth, q, &mut unarranged);
            }
            self.multiply(&q, &steps[..count], &mut out[first * self.n..][..count * self.n]);
        }
    }

    /// Multiplies the quantized rows `q`, of which those with `steps` are there, with all panels.
    fn multiply(&self, q: &[K::Activation], steps: &[f32], out: &mut [f32]) {
        for column in (0..self.n).step_by(K::COLUMNS) {
            let panel = &self.weights.get()[column * self.depth..][..K::COLUMNS * self.depth];
            for (tile, steps) in steps.chunks(K::ROWS).enumerate() {
                let row = tile * K::ROWS;
                let q = &q[row * self.depth..][..K::ROWS * self.depth];
                let tile = Tile {
                    start: &self.start[column..][..K::COLUMNS],
                    steps,
                    scale: &self.scale[column..][..K::COLUMNS],
                    bias: &self.bias[column..][..K::COLUMNS],
                    out: &mut out[row * self.n + column..],
                    stride: self.n,
                    columns: K::COLUMNS.min(self.n - column),
                };
                self.kernel.tile(self.depth, q, panel, tile);
            }
        }
    }
}

/// Values that begin at a cache line, so that no vector lies across two.
struct Aligned<T> {
    values: Vec<T>,
    skipped: usize,
    len: usize,
}

impl<T: Copy + Default> Aligned<T> {
    const LINE: usize = 64;

    fn new(len: usize) -> Self {
        let values = vec![T::default(); len + Self::LINE / size_of::<T>()];
        let skipped = values.as_ptr().align_offset(Self::LINE).min(values.len() - len);
        Self { values, skipped, len }
    }

    fn get(&self) -> &[T] {
        &self.values[self.skipped..][..self.len]
    }

    fn get_mut(&mut self) -> &mut [T] {
        &mut self.values[self.skipped..][..self.len]
    }
}
