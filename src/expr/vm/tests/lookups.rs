//! Operands whose rows are looked up.

use super::*;
use crate::expr::Lookup;

/// `y = 2 x[numbers] + z`, for rows shorter and longer than a block, against plain loops; in place of `z` too.
#[test]
fn rows_are_read_where_their_numbers_say() {
    for (n, width) in [(2, 2), (7, 3), (300, 128), (40, 1500), (5000, 16)] {
        let held = n / 3 + 1;
        let x: Vec<f32> = (0..held * width).map(|i| noise(i, 1) as f32).collect();
        let z: Vec<f32> = (0..n * width).map(|i| noise(i, 2) as f32).collect();
        let numbers: Vec<i32> = (0..n).map(|i| ((i * 7) % held) as i32).collect();
        let mut b = Builder::new(&[Ty::F32, Ty::I32, Ty::F32]);
        let (u, v) = (b.load(0), b.load(2));
        let twice = b.bin(BinOp::Add, u, u);
        let sum = b.bin(BinOp::Add, twice, v);
        let program = b.finish(&[(sum, OutKind::Full)]);
        let dims = [n, width];
        let whole = Operand::contiguous(DType::F32, &dims);
        let index = Operand {
            dtype: DType::I32,
            strides: smallvec::smallvec![1, 0],
        };
        let lookup = Lookup {
            rows: 0,
            numbers: 1,
        };
        let ins = [whole.clone(), index, whole.clone()];
        let body = Loop::with_lookups(&program, &dims, &ins, &[whole], &[lookup]);
        let want: Vec<f32> = (0..n * width)
            .map(|i| {
                let u = x[numbers[i / width] as usize * width + i % width];
                u + u + z[i]
            })
            .collect();
        let mut y = vec![f32::NAN; n * width];
        let pointers = [
            x.as_ptr().cast(),
            numbers.as_ptr().cast(),
            z.as_ptr().cast(),
        ];
        // SAFETY: arrays of the sizes named, and numbers below `held`.
        unsafe { body.run(&pointers, &[y.as_mut_ptr().cast()]) };
        assert_eq!(y, want, "{n} x {width}");
        let mut z = z.clone();
        let pointers = [
            x.as_ptr().cast(),
            numbers.as_ptr().cast(),
            z.as_ptr().cast(),
        ];
        // SAFETY: as above; the output is the last operand.
        unsafe { body.run(&pointers, &[z.as_mut_ptr().cast()]) };
        assert_eq!(z, want, "{n} x {width} in place");
    }
}
