//! The weights in panels, and rows on their way through them.

use super::kernel::{Columns, Kernel};

/// About how many bytes of quantized rows are worked on at a time: they stay in the second cache.
pub(super) const BLOCK_BYTES: usize = 192 * 1024;

/// The most rows of a block: more gain nothing, and would only make threads wait for each other.
pub(super) const BLOCK_ROWS: usize = 128;

pub(super) struct Packed<K: Kernel> {
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
    /// With all weights zero.
    fn zero(kernel: K, (k, n): (usize, usize), scale: &[f32], bias: Option<&[f32]>) -> Self {
        let depth = k.next_multiple_of(K::DEPTH);
        let columns = n.next_multiple_of(K::COLUMNS);
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
            weights: Aligned::new(depth * columns),
            start: vec![0; columns],
            scale: padded(scale, 0.0),
            // Adding -0 changes nothing, not even the sign of a zero.
            bias: padded(bias.unwrap_or(&[]), -0.0),
        }
    }

    /// Where in the panels the group that begins with weight `k` of column `n` is.
    fn place(&self, k: usize, n: usize) -> usize {
        let (panel, column) = (n / K::COLUMNS, n % K::COLUMNS);
        panel * K::COLUMNS * self.depth + (k / K::GROUP * K::COLUMNS + column) * K::GROUP
    }

    pub(super) fn new(
        kernel: K,
        shape: (usize, usize),
        weight: &[i8],
        scale: &[f32],
        bias: Option<&[f32]>,
    ) -> Self {
        let mut packed = Self::zero(kernel, shape, scale, bias);
        for (k, row) in weight.chunks_exact(shape.1.max(1)).enumerate() {
            for (n, &w) in row.iter().enumerate() {
                let place = packed.place(k, n) + k % K::GROUP;
                packed.weights.get_mut()[place] = K::weight(w);
                // It may overflow, as may the sums; added up they are in range again.
                packed.start[n] = packed.start[n].wrapping_sub(K::OFFSET * i32::from(w));
            }
        }
        packed
    }

    /// Of weights that lie column by column.
    pub(super) fn of_columns(kernel: K, k: usize, weight: &[i8], scale: &[f32]) -> Self {
        let mut packed = Self::zero(kernel, (k, scale.len()), scale, None);
        for (n, column) in weight.chunks_exact(k.max(1)).enumerate() {
            let panel = packed.place(0, n);
            let mut places = packed.weights.get_mut()[panel..].chunks_mut(K::COLUMNS * K::GROUP);
            let mut groups = column.chunks_exact(K::GROUP);
            let put = |to: &mut [K::Weight], group: &[i8]| {
                for (to, &w) in to.iter_mut().zip(group) {
                    *to = K::weight(w);
                }
            };
            for (group, to) in (&mut groups).zip(&mut places) {
                put(&mut to[..K::GROUP], group);
            }
            if let Some(to) = places.next() {
                put(to, groups.remainder());
            }
            if K::OFFSET != 0 {
                let sum = column.iter().map(|&w| i32::from(w)).sum::<i32>();
                packed.start[n] = sum.wrapping_mul(-K::OFFSET);
            }
        }
        packed
    }

    pub(super) fn inputs(&self) -> usize {
        self.k
    }

    pub(super) fn outputs(&self) -> usize {
        self.n
    }

    /// [`outputs`](Self::outputs) of whole panels.
    pub(super) fn padded_outputs(&self) -> usize {
        self.scale.len()
    }

    /// See [`PackedLinear::apply_strided`](super::PackedLinear::apply_strided).
    pub(super) fn apply(&self, rows: usize, x: &[f32], (out, stride): (&mut [f32], usize)) {
        assert_eq!(Some(x.len()), rows.checked_mul(self.k), "{rows} rows of {} inputs", self.k);
        assert!(
            stride >= self.n && Some(out.len()) == rows.checked_mul(stride),
            "{rows} rows of {} outputs, {stride} apart",
            self.n
        );
        let fitting = BLOCK_BYTES / (self.depth * size_of::<K::Activation>()).max(1);
        let block = (fitting.clamp(1, BLOCK_ROWS) / K::ROWS * K::ROWS).max(K::ROWS);
        let block = block.min(rows.next_multiple_of(K::ROWS));
        let mut q = Vec::with_capacity(block * self.depth);
        let mut tile = Vec::with_capacity(if K::ARRANGED { K::ROWS * self.depth } else { 0 });
        let mut steps = Vec::with_capacity(block);
        for first in (0..rows).step_by(block.max(1)) {
            let count = block.min(rows - first);
            q.clear();
            steps.clear();
            for rows in (0..count).step_by(K::ROWS) {
                tile.clear();
                let to = if K::ARRANGED { &mut tile } else { &mut q };
                let end = to.len() + K::ROWS * self.depth;
                for row in rows..count.min(rows + K::ROWS) {
                    let (x, begin) = (&x[(first + row) * self.k..][..self.k], to.len());
                    steps.push(self.kernel.quantize_row(x, to));
                    to.resize(begin + self.depth, K::Activation::default());
                }
                to.resize(end, K::Activation::default());
                if K::ARRANGED {
                    self.kernel.arrange(self.depth, &tile, &mut q);
                }
            }
            let out = &mut out[first * stride..][..count * stride];
            self.multiply(&q, &steps, (out, stride));
        }
    }

    /// Multiplies the quantized rows `q`, of which those with `steps` are there, with all panels.
    fn multiply(&self, q: &[K::Activation], steps: &[f32], (out, stride): (&mut [f32], usize)) {
        // Behind the last column there may be room for what a panel has more.
        let n = if stride >= self.scale.len() { self.scale.len() } else { self.n };
        for column in (0..n).step_by(K::COLUMNS) {
            let panel = &self.weights.get()[column * self.depth..][..K::COLUMNS * self.depth];
            let columns = Columns {
                start: &self.start[column..][..K::COLUMNS],
                scale: &self.scale[column..][..K::COLUMNS],
                bias: &self.bias[column..][..K::COLUMNS],
                steps,
                out: &mut out[column..],
                stride,
                count: K::COLUMNS.min(n - column),
            };
            self.kernel.multiply(self.depth, q, panel, columns);
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
