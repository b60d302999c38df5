//! Which instruction set the kernels use: found once, pinned by `RUSTDL_ISA`, overridden by tests.

use std::cell::Cell;
use std::sync::OnceLock;

/// A set of instructions that kernels are compiled for, from the plainest up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Level {
    /// Plain Rust, one lane; on every machine.
    Scalar,
    /// x86-64 with AVX2 and FMA: 8 lanes of `f32`.
    Avx2,
    /// x86-64 with AVX-512 F, BW, DQ and VL: 16 lanes of `f32`.
    Avx512,
    /// 64-bit Arm: 4 lanes of `f32`.
    Neon,
}

impl Level {
    /// The name that `RUSTDL_ISA` takes.
    pub fn name(self) -> &'static str {
        match self {
            Level::Scalar => "scalar",
            Level::Avx2 => "avx2",
            Level::Avx512 => "avx512",
            Level::Neon => "neon",
        }
    }

    /// The level of that name.
    fn parse(name: &str) -> Option<Level> {
        [Level::Scalar, Level::Avx2, Level::Avx512, Level::Neon]
            .into_iter()
            .find(|l| l.name().eq_ignore_ascii_case(name.trim()))
    }
}

/// The levels that this CPU has, plainest first.
pub fn available() -> Vec<Level> {
    let mut levels = vec![Level::Scalar];
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        levels.push(Level::Avx2);
        if is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
        {
            levels.push(Level::Avx512);
        }
    }
    #[cfg(target_arch = "aarch64")]
    levels.push(Level::Neon);
    levels
}

/// `wanted` if this CPU has it, else the best that it has.
fn supported(wanted: Option<Level>) -> Level {
    let levels = available();
    let best = levels[levels.len() - 1];
    wanted.filter(|l| levels.contains(l)).unwrap_or(best)
}

thread_local! {
    static OVERRIDE: Cell<Option<Level>> = const { Cell::new(None) };
}

/// The level that [`dispatch`](super::dispatch) uses: the best that the CPU has, unless the environment
/// variable `RUSTDL_ISA` (`scalar`, `avx2`, `avx512`, `neon`; read once) names another. A name that is
/// unknown, or a level that the CPU lacks, is ignored.
#[inline]
pub fn level() -> Level {
    static DETECTED: OnceLock<Level> = OnceLock::new();
    OVERRIDE.get().unwrap_or_else(|| {
        *DETECTED.get_or_init(|| {
            let wanted = std::env::var("RUSTDL_ISA").ok();
            supported(wanted.as_deref().and_then(Level::parse))
        })
    })
}

/// Runs `f` with [`level()`] being `l` (the best level, if the CPU lacks `l`) on this thread alone:
/// work that `f` gives to other threads runs at their own level. For tests and benches.
pub fn with_level<R>(l: Level, f: impl FnOnce() -> R) -> R {
    /// Restores the former override, also when `f` panics.
    struct Restore(Option<Level>);
    impl Drop for Restore {
        fn drop(&mut self) {
            OVERRIDE.set(self.0);
        }
    }
    let _restore = Restore(OVERRIDE.replace(Some(supported(Some(l)))));
    f()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_back() {
        for l in [Level::Scalar, Level::Avx2, Level::Avx512, Level::Neon] {
            assert_eq!(Level::parse(l.name()), Some(l));
        }
        assert_eq!(Level::parse(" AVX2 "), Some(Level::Avx2));
        assert_eq!(Level::parse("sse"), None);
    }

    #[test]
    fn override_is_scoped_and_survives_panics() {
        let before = level();
        for l in available() {
            assert_eq!(with_level(l, level), l);
        }
        assert!(std::panic::catch_unwind(|| with_level(Level::Scalar, || panic!("x"))).is_err());
        assert_eq!(level(), before);
        let nested = with_level(Level::Scalar, || {
            with_level(before, level);
            level()
        });
        assert_eq!(nested, Level::Scalar);
    }

    #[test]
    fn a_level_the_cpu_lacks_falls_back() {
        let lacking = if cfg!(target_arch = "aarch64") {
            Level::Avx2
        } else {
            Level::Neon
        };
        assert!(available().contains(&with_level(lacking, level)));
    }
}
