//! Gradients and errors of pooling; its values are compared with Keras in `conv_tests.rs`.

use super::*;
use crate::ops::gradcheck::{check, noise};

#[test]
fn gradients_of_first_and_second_order() {
    for padding in [Padding::Valid, Padding::Same] {
        for (size, strides) in [(2, 2), (3, 2), (2, 1)] {
            let (size, strides) = (Ints::from(size), Some(Ints::from(strides)));
            check(&[noise(&[2, 5, 4, 3], 1)], |x| {
                max_pool(&x[0], size.clone(), strides.clone(), padding.clone(), None)
            });
            check(&[noise(&[2, 5, 4, 3], 1)], |x| {
                average_pool(&x[0], size.clone(), strides.clone(), padding.clone(), None)
            });
        }
    }
}

#[test]
fn max_without_a_tape_gives_the_same() {
    let x = noise(&[2, 5, 6, 3], 1);
    let run = |x: &Tensor| {
        let y = max_pool(x, Ints::from(3), Some(Ints::from(2)), Padding::Same, None).unwrap();
        y.to_vec::<f64>().unwrap()
    };
    assert_eq!(run(&x), run(&x.leaf()));
}

#[test]
fn mistakes_are_explained() {
    let x = noise(&[1, 3, 4, 2], 1);
    let run = |size: Ints, strides| {
        max_pool(&x, size, strides, Padding::Valid, None)
            .unwrap_err()
            .to_string()
    };
    assert!(run(Ints::from(4), None).contains("spatial axis 0"));
    assert!(run(Ints::from([2, 2, 2]), None).contains("pool_size"));
    assert!(run(Ints::from(2), Some(Ints::from(0))).contains("strides"));
    let e = max_pool(
        &noise(&[4, 4], 1),
        Ints::from(2),
        None,
        Padding::Valid,
        None,
    )
    .unwrap_err();
    assert!(e.to_string().starts_with("max_pool: "), "{e}");
}
