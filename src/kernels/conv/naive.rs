//! Convolution by its definition, in `f64`: what the kernels are compared with.

use super::ConvShape;

/// Calls `f(x, w, y)` with the flat indices of each product of the convolution.
fn products(s: &ConvShape, mut f: impl FnMut(usize, usize, usize)) {
    let (cg, kg) = (s.c / s.groups, s.k / s.groups);
    let grid = |dims: [usize; 3]| {
        (0..dims.iter().product::<usize>())
            .map(move |i| [i / (dims[1] * dims[2]), i / dims[2] % dims[1], i % dims[2]])
    };
    for n in 0..s.n {
        for (oi, o) in grid(s.output).enumerate() {
            for (ti, t) in grid(s.kernel).enumerate() {
                let at: [isize; 3] = std::array::from_fn(|a| {
                    (o[a] * s.stride[a] + t[a] * s.dilation[a]) as isize - s.pad[a]
                });
                if (0..3).any(|a| at[a] < 0 || at[a] >= s.input[a] as isize) {
                    continue;
                }
                let i =
                    (at[0] as usize * s.input[1] + at[1] as usize) * s.input[2] + at[2] as usize;
                let xi = (n * s.input.iter().product::<usize>() + i) * s.c;
                let yi = (n * s.output.iter().product::<usize>() + oi) * s.k;
                for k in 0..s.k {
                    for c in 0..cg {
                        f(xi + k / kg * cg + c, (ti * cg + c) * s.k + k, yi + k);
                    }
                }
            }
        }
    }
}

pub fn forward(s: &ConvShape, x: &[f64], w: &[f64]) -> Vec<f64> {
    let mut y = vec![0.0; s.y_len()];
    products(s, |xi, wi, yi| y[yi] += x[xi] * w[wi]);
    y
}

pub fn input_grad(s: &ConvShape, dy: &[f64], w: &[f64]) -> Vec<f64> {
    let mut dx = vec![0.0; s.x_len()];
    products(s, |xi, wi, yi| dx[xi] += dy[yi] * w[wi]);
    dx
}

pub fn kernel_grad(s: &ConvShape, x: &[f64], dy: &[f64]) -> Vec<f64> {
    let mut dw = vec![0.0; s.w_len()];
    products(s, |xi, wi, yi| dw[wi] += x[xi] * dy[yi]);
    dw
}
