//! The one error type. Every message names the op, what was wrong and the way out.

use thiserror::Error;

/// What can go wrong in rustdl; each variant becomes one Python exception type at the edge.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum Error {
    /// Shapes that do not fit each other or the op (`ValueError`).
    #[error("{op}: {reason}")]
    Shape {
        /// Name of the op.
        op: &'static str,
        /// What was seen, what was expected, and what to do.
        reason: String,
    },
    /// A dtype that the op cannot take (`TypeError`).
    #[error("{op}: {reason}")]
    DType {
        /// Name of the op.
        op: &'static str,
        /// What was seen, what was expected, and what to do.
        reason: String,
    },
    /// An axis or an index out of range (`IndexError`).
    #[error("{op}: {reason}")]
    Index {
        /// Name of the op.
        op: &'static str,
        /// What was seen and the range that is valid.
        reason: String,
    },
    /// An argument with a value that the op cannot take (`ValueError`).
    #[error("{op}: {reason}")]
    Argument {
        /// Name of the op.
        op: &'static str,
        /// The argument, its value and the values that are valid.
        reason: String,
    },
    /// Memory that could not be had (`MemoryError`).
    #[error("{op}: cannot allocate {bytes} bytes")]
    Memory {
        /// Name of the op.
        op: &'static str,
        /// The bytes asked for.
        bytes: u128,
    },
    /// A request for which no rule exists, such as the gradient of a sort order (`NotImplementedError`).
    #[error("{op}: {reason}")]
    Unsupported {
        /// Name of the op.
        op: &'static str,
        /// What is missing and the nearest thing supported.
        reason: String,
    },
    /// A traced tensor was asked for its value (`TypeError`).
    #[error("{op}: {reason}")]
    Traced {
        /// Name of the op.
        op: &'static str,
        /// What to use instead.
        reason: String,
    },
    /// A file that could not be read or written (`OSError`).
    #[error("{path}: {reason}")]
    Io {
        /// The file.
        path: String,
        /// What the system or the parser said.
        reason: String,
    },
    /// A bug in rustdl: a kernel panicked (`RuntimeError`).
    #[error("{op}: internal error: {reason}; please report it")]
    Internal {
        /// Name of the op.
        op: &'static str,
        /// The panic's message.
        reason: String,
    },
    /// A result with NaN (or infinities) while they are looked for (`FloatingPointError`).
    #[error("{op}: {reason}")]
    NotFinite {
        /// Name of the op.
        op: &'static str,
        /// Where, and whether its inputs had any.
        reason: String,
    },
    /// The user pressed Ctrl-C (`KeyboardInterrupt`).
    #[error("interrupted")]
    Interrupted,
}

/// Shorthand for results with [`enum@Error`].
pub type Result<T> = std::result::Result<T, Error>;

macro_rules! constructors {
    ($($(#[$doc:meta])* $name:ident => $variant:ident;)*) => {
        impl Error {
            $($(#[$doc])*
            #[cold]
            pub fn $name(op: &'static str, reason: impl Into<String>) -> Self {
                Self::$variant { op, reason: reason.into() }
            })*
        }
    };
}
constructors! {
    /// A [`Error::Shape`].
    shape => Shape;
    /// A [`Error::DType`].
    dtype => DType;
    /// A [`Error::Index`].
    index => Index;
    /// A [`Error::Argument`].
    argument => Argument;
    /// A [`Error::Unsupported`].
    unsupported => Unsupported;
    /// A [`Error::Traced`].
    traced => Traced;
    /// A [`Error::Internal`].
    internal => Internal;
    /// A [`Error::NotFinite`].
    not_finite => NotFinite;
}
