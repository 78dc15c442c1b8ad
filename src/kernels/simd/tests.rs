//! Every operation with the same bits as plain Rust.

use super::super::testing::{floats, same_on_all};
use super::*;

/// An operation on vectors, by its number.
struct Operation<'a> {
    number: usize,
    a: &'a [f32],
    b: &'a [f32],
    c: &'a [f32],
}

/// How many there are.
const OPERATIONS: usize = 11;

impl Task for Operation<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Vec<f32> {
        let [a, b, c] = [self.a, self.b, self.c].map(|v| s.load_part(v, 0.0));
        let result = match self.number {
            0 => s.add(a, b),
            1 => s.sub(a, b),
            2 => s.mul(a, b),
            3 => s.mul_add(a, b, c),
            4 => s.max(a, b),
            5 => s.at_least(a, -1.0),
            6 => s.at_most(a, 1.0),
            7 => s.splat(s.sum(a)),
            8 => s.max_magnitude(s.max_magnitude(s.splat(0.0), a), b),
            9 => s.splat(s.largest_magnitude(s.max_magnitude(s.splat(0.0), a))),
            _ => s.splat(s.largest(a)),
        };
        s.lanes(result).to_vec()
    }
}

/// Values that are treated with care.
const SPECIAL: [f32; 15] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    f32::NAN,
    f32::INFINITY,
    f32::NEG_INFINITY,
    f32::MAX,
    f32::MIN,
    f32::MIN_POSITIVE,
    -1e-42,
    1e-45,
    0.1,
    16_777_217.0,
    -3.402_823e38,
];

fn on_all(number: usize, [a, b, c]: [&[f32]; 3]) -> Vec<f32> {
    same_on_all(|isa| isa.run(Operation { number, a, b, c }))
}

#[test]
fn operations_give_the_same_bits() {
    let [first, second] = [SPECIAL, SPECIAL].map(|mut values| {
        values.reverse();
        values
    });
    for number in 0..OPERATIONS {
        for seed in 0..20 {
            let [a, b, c] = [1, 2, 3].map(|nth| floats(10 * seed + nth, LANES));
            on_all(number, [&a, &b, &c]);
        }
        for shift in 0..SPECIAL.len() {
            let mut b = second;
            b.rotate_left(shift);
            for c in [0.0, -0.0, 1e30, f32::NAN] {
                on_all(number, [&first, &b, &[c; LANES]]);
            }
        }
    }
}

#[test]
fn the_second_is_the_larger_where_one_is_not_a_number() {
    let found = on_all(4, [&[f32::NAN, 1.0], &[1.0, f32::NAN], &[]]);
    assert_eq!(found[0], 1.0);
    assert!(found[1].is_nan());
}

#[test]
fn products_that_are_added_are_rounded_once() {
    let a = 1.0 + f32::EPSILON;
    let found = on_all(3, [&[a], &[a], &[-1.0 - 2.0 * f32::EPSILON]]);
    assert_eq!(found[0], f32::EPSILON * f32::EPSILON);
}

struct Powers<'a>(&'a [f32; LANES]);

impl Task for Powers<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Vec<f32> {
        s.lanes(s.power_of_two(s.load(self.0))).to_vec()
    }
}

#[test]
fn powers_of_two_from_the_lowest_bits() {
    for n in 1..=254u32 {
        // Higher bits don't count.
        let from = [f32::from_bits(n), f32::from_bits(0x4b40_0000 | n)];
        let lanes = std::array::from_fn(|lane| from[lane % 2]);
        let found = same_on_all(|isa| isa.run(Powers(&lanes)));
        assert_eq!(found, [2f64.powi(n as i32 - 127) as f32; LANES]);
    }
}

struct Turned<'a>(&'a [[f32; LANES]; LANES]);

impl Task for Turned<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Vec<f32> {
        let turned = s.transpose(std::array::from_fn(|vector| s.load(&self.0[vector])));
        turned.into_iter().flat_map(|v| s.lanes(v)).collect()
    }
}

#[test]
fn a_square_is_transposed() {
    let square = std::array::from_fn(|row| std::array::from_fn(|lane| (row * LANES + lane) as f32));
    let found = same_on_all(|isa| isa.run(Turned(&square)));
    for (at, found) in found.into_iter().enumerate() {
        assert_eq!(found, square[at % LANES][at / LANES], "{at}");
    }
}

struct Copy<'a>(&'a [f32], usize);

impl Task for Copy<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Vec<f32> {
        let v = s.load_part(self.0, 9.0);
        let mut out = vec![-1.0; self.1];
        s.store_part(v, &mut out);
        out.extend(s.lanes(v));
        out
    }
}

#[test]
fn parts_of_vectors_are_loaded_and_stored() {
    let values: Vec<f32> = (0..LANES as i32 + 4).map(|i| i as f32).collect();
    for from in 0..values.len() {
        for to in 0..LANES + 4 {
            let found = same_on_all(|isa| isa.run(Copy(&values[..from], to)));
            let lane = |i: usize| if i < from { i as f32 } else { 9.0 };
            // What is behind the vector stays as it was.
            let stored = (0..to).map(|i| if i < LANES { lane(i) } else { -1.0 });
            let expected: Vec<_> = stored.chain((0..LANES).map(lane)).collect();
            assert_eq!(found, expected, "{from} {to}");
        }
    }
}
