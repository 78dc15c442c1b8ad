//! What the inner loops of each instruction set have in common.

/// The inner loops for an instruction set.
pub(super) trait Kernel: Copy {
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
    /// Whether `multiply` takes the rows of a tile in another order than one after the other.
    const ARRANGED: bool = false;

    fn weight(weight: i8) -> Self::Weight;

    /// See [`quantize_row`](super::super::quantize_rows::quantize_row).
    fn quantize_row(self, x: &[f32], q: &mut Vec<Self::Activation>) -> f32;

    /// Appends `ROWS` rows, `depth` deep, to `q` in the order that `multiply` takes them in.
    fn arrange(self, _depth: usize, _rows: &[Self::Activation], _q: &mut Vec<Self::Activation>) {}

    /// Multiplies the rows `q`, tile after tile, with a panel, all `depth` deep, and writes the
    /// results.
    fn multiply(
        self,
        depth: usize,
        q: &[Self::Activation],
        panel: &[Self::Weight],
        columns: Columns,
    );
}

/// Where the sums of a panel's columns begin and what becomes of them. Columns beyond the layer's last
/// one have values too.
pub(super) struct Columns<'a> {
    /// What the sum of a column begins with.
    pub(super) start: &'a [i32],
    pub(super) scale: &'a [f32],
    pub(super) bias: &'a [f32],
    /// What one step of a row is worth, for each row that is there.
    pub(super) steps: &'a [f32],
    /// Begins with the first row's value of the first column.
    pub(super) out: &'a mut [f32],
    /// From one row of `out` to the next.
    pub(super) stride: usize,
    /// How many columns are there.
    pub(super) count: usize,
}

impl Columns<'_> {
    /// What the sums begin with, the same for each row.
    pub(super) fn start<const COLUMNS: usize>(&self) -> [i32; COLUMNS] {
        *self.start.first_chunk().expect("a start per column")
    }

    /// Tiles of `rows` rows.
    pub(super) fn tiles(&self, rows: usize) -> usize {
        self.steps.len().div_ceil(rows)
    }

    /// Scales the `sums` of a tile and writes those that are there.
    ///
    /// It is inlined into functions that have more instructions, so that it uses them too.
    #[inline(always)]
    pub(super) fn write<const ROWS: usize, const COLUMNS: usize>(
        &mut self,
        tile: usize,
        sums: &[[i32; COLUMNS]; ROWS],
    ) {
        // Whole tiles by themselves: their lengths are known, and checked once.
        if let Some((steps, mut to)) = self.whole::<ROWS, COLUMNS>(tile) {
            // Copies, which what is written can't change.
            let scale: [f32; COLUMNS] = *self.scale.first_chunk().expect("a scale per column");
            let bias: [f32; COLUMNS] = *self.bias.first_chunk().expect("a bias per column");
            for row in 0..ROWS {
                let scaled = std::array::from_fn(|n| {
                    (sums[row][n] as f32 * steps[row]) * scale[n] + bias[n]
                });
                // SAFETY: `to` is `row` strides behind the tile's beginning, where COLUMNS values have
                // room.
                unsafe { to.cast::<[f32; COLUMNS]>().write(scaled) };
                // Behind the last row it points nowhere, and isn't used.
                to = to.wrapping_add(self.stride);
            }
            return;
        }
        // Of a copy, so that the sums need not be in memory for whole tiles.
        let sums = *sums;
        self.write_part(tile * ROWS, sums.as_flattened());
    }

    /// If all rows and columns of a tile are there, the rows' steps and where the tile begins: COLUMNS
    /// values have room there and [`stride`](Self::stride), twice that and so on behind it, for each
    /// of ROWS.
    #[inline(always)]
    pub(super) fn whole<const ROWS: usize, const COLUMNS: usize>(
        &mut self,
        tile: usize,
    ) -> Option<([f32; ROWS], *mut f32)> {
        let first = tile * ROWS;
        let steps = self.steps[first..].first_chunk::<ROWS>()?;
        if self.count != COLUMNS {
            return None;
        }
        let out = &mut self.out[first * self.stride..];
        assert!((ROWS - 1) * self.stride + COLUMNS <= out.len(), "room for the tile");
        Some((*steps, out.as_mut_ptr()))
    }

    /// Scales and writes the `sums` of rows from `first` on, as far as rows and columns are there.
    #[inline(never)]
    fn write_part(&mut self, first: usize, sums: &[i32]) {
        let sums = sums.chunks_exact(self.start.len());
        let out = self.out[first * self.stride..].chunks_mut(self.stride);
        for ((sums, step), out) in sums.zip(&self.steps[first..]).zip(out) {
            let columns = sums.iter().zip(self.scale).zip(self.bias);
            for (((sum, scale), bias), out) in columns.zip(&mut out[..self.count]) {
                *out = (*sum as f32 * step) * scale + bias;
            }
        }
    }
}
