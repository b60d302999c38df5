//! Argument types of the public functions: what a Python caller may write in several ways.

/// The `axis` argument: one axis, several, or (`None`) all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Axes(Option<Vec<i64>>);

impl Axes {
    /// All axes.
    pub fn all() -> Axes {
        Axes(None)
    }
    /// The axes, `None` for all.
    pub fn as_slice(&self) -> Option<&[i64]> {
        self.0.as_deref()
    }
}

impl From<i64> for Axes {
    fn from(a: i64) -> Self {
        Axes(Some(vec![a]))
    }
}
impl From<Vec<i64>> for Axes {
    fn from(a: Vec<i64>) -> Self {
        Axes(Some(a))
    }
}
impl<const N: usize> From<[i64; N]> for Axes {
    fn from(a: [i64; N]) -> Self {
        Axes(Some(a.to_vec()))
    }
}
impl From<Option<Vec<i64>>> for Axes {
    fn from(a: Option<Vec<i64>>) -> Self {
        Axes(a)
    }
}

/// An argument that is one integer or several, such as a shape, strides or a padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ints(pub Vec<i64>);

impl From<i64> for Ints {
    fn from(a: i64) -> Self {
        Ints(vec![a])
    }
}
impl From<Vec<i64>> for Ints {
    fn from(a: Vec<i64>) -> Self {
        Ints(a)
    }
}
impl<const N: usize> From<[i64; N]> for Ints {
    fn from(a: [i64; N]) -> Self {
        Ints(a.to_vec())
    }
}

/// The `padding` argument of convolution and pooling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Padding {
    /// No padding.
    Valid,
    /// As many outputs as inputs (divided by the stride, rounded up).
    Same,
    /// One axis, all zeros in front: an output sees no later input.
    Causal,
    /// Zeros before and after each spatial axis, or one pair for all; negative numbers crop.
    Explicit(Vec<(i64, i64)>),
}

impl Padding {
    /// The padding of that name.
    pub fn parse(name: &str) -> Option<Padding> {
        Some(match name.to_ascii_lowercase().as_str() {
            "valid" => Padding::Valid,
            "same" => Padding::Same,
            "causal" => Padding::Causal,
            _ => return None,
        })
    }
}

/// The `data_format` argument: where the channels are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataFormat {
    /// `[batch, spatial.., channels]`
    ChannelsLast,
    /// `[batch, channels, spatial..]`
    ChannelsFirst,
}

impl DataFormat {
    /// The format of that name.
    pub fn parse(name: &str) -> Option<DataFormat> {
        match name {
            "channels_last" => Some(DataFormat::ChannelsLast),
            "channels_first" => Some(DataFormat::ChannelsFirst),
            _ => None,
        }
    }
}
