//! The safetensors format: named tensors behind a JSON header.

use super::atomic;
use crate::aval::{DType, checked_bytes};
use crate::bind::contiguous;
use crate::error::{Error, Result};
use crate::tensor::Tensor;
use crate::with_element;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::HashMap;
use std::path::Path;

fn fail(path: &Path, reason: impl std::fmt::Display) -> Error {
    Error::Io {
        path: path.display().to_string(),
        reason: reason.to_string(),
    }
}

fn to_format(d: DType) -> Dtype {
    match d {
        DType::Bool => Dtype::BOOL,
        DType::U8 => Dtype::U8,
        DType::U16 => Dtype::U16,
        DType::U32 => Dtype::U32,
        DType::U64 => Dtype::U64,
        DType::I8 => Dtype::I8,
        DType::I16 => Dtype::I16,
        DType::I32 => Dtype::I32,
        DType::I64 => Dtype::I64,
        DType::F16 => Dtype::F16,
        DType::BF16 => Dtype::BF16,
        DType::F32 => Dtype::F32,
        DType::F64 => Dtype::F64,
    }
}

fn from_format(d: Dtype) -> Option<DType> {
    DType::ALL.into_iter().find(|&own| to_format(own) == d)
}

/// Writes named tensors, and text about them, to a file; atomically.
pub fn save(
    path: &Path,
    tensors: &[(String, Tensor)],
    metadata: Option<HashMap<String, String>>,
) -> Result<()> {
    let held: Vec<(&String, Tensor)> = tensors
        .iter()
        .map(|(n, t)| Ok((n, contiguous(t)?)))
        .collect::<Result<_>>()?;
    let bytes: Vec<Vec<u8>> = held
        .iter()
        .map(|(_, t)| t.to_le_bytes())
        .collect::<Result<_>>()?;
    let mut views = Vec::new();
    for ((name, t), data) in held.iter().zip(&bytes) {
        let view = TensorView::new(to_format(t.dtype()), t.shape().to_vec(), data)
            .map_err(|e| fail(path, e))?;
        views.push((name.as_str(), view));
    }
    let file = safetensors::serialize(views, metadata).map_err(|e| fail(path, e))?;
    atomic::write(path, |out| out.write_all(&file))
}

/// Reads all tensors of a file, by name.
pub fn load(path: &Path) -> Result<Vec<(String, Tensor)>> {
    let file = std::fs::read(path).map_err(|e| fail(path, e))?;
    // The parser checks that the header's sizes are those of the data before anything is allocated.
    let parsed = SafeTensors::deserialize(&file)
        .map_err(|e| fail(path, format!("not a safetensors file: {e}")))?;
    let mut out = Vec::new();
    for (name, view) in parsed.tensors() {
        let dtype = from_format(view.dtype()).ok_or_else(|| {
            fail(
                path,
                format!(
                    "tensor {name:?} has the unsupported dtype {:?}",
                    view.dtype()
                ),
            )
        })?;
        checked_bytes("load_safetensors", view.shape(), dtype)?;
        let tensor =
            with_element!(dtype, T => Tensor::from_le_bytes::<T>(view.data(), view.shape()))?;
        out.push((name, tensor));
    }
    out.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_round_trip_and_damage_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        let tensors = vec![
            (
                "a".to_string(),
                Tensor::from_slice(&[1.5f32, -2.0, 0.0, f32::NAN], &[2, 2]).unwrap(),
            ),
            (
                "b/c".to_string(),
                Tensor::from_slice(&[true, false], &[2]).unwrap(),
            ),
            (
                "empty".to_string(),
                Tensor::from_slice::<f64>(&[], &[0, 3]).unwrap(),
            ),
        ];
        save(&path, &tensors, None).unwrap();
        let back = load(&path).unwrap();
        for ((n, t), (m, u)) in tensors.iter().zip(&back) {
            assert_eq!((n, t.aval()), (m, u.aval()));
            assert_eq!(t.to_le_bytes().unwrap(), u.to_le_bytes().unwrap());
        }
        let bytes = std::fs::read(&path).unwrap();
        for cut in [0, 4, 8, 20, bytes.len() - 1] {
            std::fs::write(&path, &bytes[..cut]).unwrap();
            assert!(matches!(load(&path), Err(Error::Io { .. })), "cut at {cut}");
        }
    }
}
