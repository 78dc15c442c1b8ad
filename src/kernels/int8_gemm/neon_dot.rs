//! arm64 with dot products: `sdot` adds four products of bytes to an i32.

use std::arch::aarch64::*;
use std::arch::asm;

use super::super::isa::{Neon, NeonDot};
use super::super::quantize_rows::quantize_row;
use super::kernel::{Columns, Kernel};

/// Vectors of four rows.
const ROW_VECTORS: usize = 3;
const ROWS: usize = ROW_VECTORS * LANES;
/// Vectors of four columns.
const COLUMN_VECTORS: usize = 2;
const COLUMNS: usize = COLUMN_VECTORS * LANES;
const GROUP: usize = 4;
/// Groups of a vector.
const LANES: usize = 4;
/// Groups that are multiplied before the loop begins anew.
const UNROLLED: usize = 4;

impl Kernel for NeonDot {
    type Activation = i8;
    type Weight = i8;
    const ROWS: usize = ROWS;
    const COLUMNS: usize = COLUMNS;
    const GROUP: usize = GROUP;
    const DEPTH: usize = UNROLLED * GROUP;
    const OFFSET: i32 = 0;
    const ARRANGED: bool = true;

    fn weight(weight: i8) -> i8 {
        weight
    }

    fn quantize_row(self, x: &[f32], q: &mut Vec<i8>) -> f32 {
        quantize_row(Neon::from(self), x, q, |q| q)
    }

    /// Lays the groups of all rows side by side, as those of a panel's columns are: so a few vectors
    /// hold them, and are loaded two at a time.
    fn arrange(self, depth: usize, rows: &[i8], q: &mut Vec<i8>) {
        assert!(rows.len() == ROWS * depth && depth.is_multiple_of(LANES * GROUP));
        q.reserve(rows.len());
        let appended = q.spare_capacity_mut()[..rows.len()].as_mut_ptr().cast();
        for first in (0..depth).step_by(LANES * GROUP) {
            for vector in 0..ROW_VECTORS {
                let from = std::array::from_fn(|row| (vector * LANES + row) * depth + first);
                let to = std::array::from_fn(|group| {
                    first * ROWS + (group * ROW_VECTORS + vector) * LANES * GROUP
                });
                // SAFETY: there is room for ROWS rows of `depth` bytes in both, and with them for
                // sixteen from and to each of these places; `self` is the proof that the processor
                // has NEON.
                unsafe { transpose(rows.as_ptr(), from, appended, to) }
            }
        }
        // SAFETY: that many are reserved; all are written, sixteen for each of a depth's LANES groups
        // in each of ROW_VECTORS.
        unsafe { q.set_len(q.len() + rows.len()) };
    }

    fn multiply(self, depth: usize, q: &[i8], panel: &[i8], columns: Columns) {
        // SAFETY: `self` is the proof that the processor has NEON with dot products.
        unsafe { multiply(depth, q, panel, columns) }
    }
}

/// Copies four groups of each of four rows, group by group.
///
/// # Safety
///
/// Sixteen bytes must be there at each place of `from` and of `to`.
#[target_feature(enable = "neon")]
unsafe fn transpose(rows: *const i8, from: [usize; 4], q: *mut i8, to: [usize; 4]) {
    // SAFETY: the caller's promise.
    let [a, b, c, d] = from.map(|at| unsafe { vreinterpretq_s32_s8(vld1q_s8(rows.add(at))) });
    let (ac, bd) = ([vzip1q_s32(a, c), vzip2q_s32(a, c)], [vzip1q_s32(b, d), vzip2q_s32(b, d)]);
    for half in 0..2 {
        let groups = [vzip1q_s32(ac[half], bd[half]), vzip2q_s32(ac[half], bd[half])];
        for (group, to) in groups.into_iter().zip(&to[2 * half..]) {
            // SAFETY: the caller's promise.
            unsafe { vst1q_s8(q.add(*to), vreinterpretq_s8_s32(group)) }
        }
    }
}

/// `sdot` of a row in one lane of a vector with a group of all columns, for each of the rows.
macro_rules! dot_rows {
    ($w0:literal $w1:literal: $($a:literal $b:literal $q:literal[$lane:literal]),+) => {
        concat!($(
            "sdot v", $a, ".4s, v", $w0, ".16b, v", $q, ".4b[", $lane, "]\n",
            "sdot v", $b, ".4s, v", $w1, ".16b, v", $q, ".4b[", $lane, "]\n",
        )+)
    };
}

/// Loads a group of all rows, and multiplies it with that of all columns in the registers given.
macro_rules! dot_group {
    ($w0:literal $w1:literal) => {
        concat!(
            "ld1 {{v24.16b-v26.16b}}, [{q}], #48\n",
            dot_rows!($w0 $w1:
                0 1 24[0], 2 3 24[1], 4 5 24[2], 6 7 24[3],
                8 9 25[0], 10 11 25[1], 12 13 25[2], 14 15 25[3],
                16 17 26[0], 18 19 26[1], 20 21 26[2], 22 23 26[3])
        )
    };
}

/// Loads two groups of all columns.
macro_rules! load_columns {
    () => {
        "ld1 {{v27.16b-v30.16b}}, [{weights}], #64\n"
    };
}

/// The sums of each row with each four columns.
type Sums = [[int32x4_t; COLUMN_VECTORS]; ROWS];

/// Scales the sums of a whole tile and writes them: as [`Columns::write`], which takes a third more
/// instructions.
///
/// # Safety
///
/// COLUMNS f32 must have room at `to` and `stride`, twice that and so on behind it, for each row.
#[target_feature(enable = "neon")]
unsafe fn write(
    sums: &Sums,
    (steps, [scale, bias]): ([f32; ROWS], &[[float32x4_t; COLUMN_VECTORS]; 2]),
    (mut to, stride): (*mut f32, usize),
) {
    for (rows, steps) in sums.as_chunks::<LANES>().0.iter().zip(steps.as_chunks::<LANES>().0) {
        // SAFETY: four are there.
        let steps = unsafe { vld1q_f32(steps.as_ptr()) };
        macro_rules! row {
            ($lane:literal) => {
                for column in 0..COLUMN_VECTORS {
                    let sum = vcvtq_f32_s32(rows[$lane][column]);
                    let scaled = vmulq_f32(vmulq_laneq_f32::<$lane>(sum, steps), scale[column]);
                    // SAFETY: the caller's promise.
                    unsafe { vst1q_f32(to.add(column * LANES), vaddq_f32(scaled, bias[column])) }
                }
                // Behind the last row it points nowhere, and isn't used.
                to = to.wrapping_add(stride);
            };
        }
        row!(0);
        row!(1);
        row!(2);
        row!(3);
    }
}

#[target_feature(enable = "neon,dotprod")]
fn multiply(depth: usize, q: &[i8], panel: &[i8], mut columns: Columns) {
    assert!(depth.is_multiple_of(UNROLLED * GROUP) && panel.len() == COLUMNS * depth);
    let start: [i32; COLUMNS] = columns.start();
    // SAFETY: both are COLUMN_VECTORS times four i32.
    let start =
        unsafe { std::mem::transmute::<[i32; COLUMNS], [int32x4_t; COLUMN_VECTORS]>(start) };
    let vectors = [columns.scale, columns.bias].map(|values| {
        let values = &values[..COLUMNS];
        // SAFETY: COLUMN_VECTORS times four f32 are there.
        std::array::from_fn(|vector| unsafe { vld1q_f32(values.as_ptr().add(vector * LANES)) })
    });
    for tile in 0..columns.tiles(ROWS) {
        let q = &q[tile * ROWS * depth..][..ROWS * depth];
        let mut sums: Sums = [start; ROWS];
        let [a, b, c, d, e, f, g, h, i, j, k, l] = &mut sums;
        // By hand: the intrinsic of `sdot` is not stable yet, and the compiler would load two vectors
        // at most at a time.
        // SAFETY: for each time round, rows and panel have four groups of ROWS and COLUMNS times GROUP
        // bytes, which are all that is read; the registers that change are named.
        unsafe {
            asm!(
                "cbz {rounds}, 3f",
                "2:",
                load_columns!(),
                dot_group!(27 28),
                dot_group!(29 30),
                load_columns!(),
                dot_group!(27 28),
                dot_group!(29 30),
                "subs {rounds}, {rounds}, #1",
                "b.ne 2b",
                "3:",
                rounds = inout(reg) depth / (UNROLLED * GROUP) => _,
                q = inout(reg) q.as_ptr() => _,
                weights = inout(reg) panel.as_ptr() => _,
                inout("v0") a[0], inout("v1") a[1], inout("v2") b[0], inout("v3") b[1],
                inout("v4") c[0], inout("v5") c[1], inout("v6") d[0], inout("v7") d[1],
                inout("v8") e[0], inout("v9") e[1], inout("v10") f[0], inout("v11") f[1],
                inout("v12") g[0], inout("v13") g[1], inout("v14") h[0], inout("v15") h[1],
                inout("v16") i[0], inout("v17") i[1], inout("v18") j[0], inout("v19") j[1],
                inout("v20") k[0], inout("v21") k[1], inout("v22") l[0], inout("v23") l[1],
                out("v24") _, out("v25") _, out("v26") _,
                out("v27") _, out("v28") _, out("v29") _, out("v30") _,
                options(readonly, nostack),
            );
        }
        if let Some((steps, to)) = columns.whole::<ROWS, COLUMNS>(tile) {
            // SAFETY: `whole` says that they have room.
            unsafe { write(&sums, (steps, &vectors), (to, columns.stride)) };
        } else {
            // SAFETY: both are ROWS times COLUMN_VECTORS times four i32.
            let sums = unsafe { std::mem::transmute::<Sums, [[i32; COLUMNS]; ROWS]>(sums) };
            columns.write(tile, &sums);
        }
    }
}
