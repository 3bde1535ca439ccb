//! The data of a constant as text: inline where it is small, else its length and hash.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use super::element::{element, packed_element};
use super::quote;
use crate::tensor::Tensor;
use crate::types::DType;

/// A constant of more elements than this is printed by its hash.
const MOST_INLINE: usize = 64;
/// Strings of more bytes than this together are printed by their hash.
const MOST_INLINE_BYTES: usize = 4096;

/// Writes the type and the data of a tensor.
pub(super) fn tensor(out: &mut String, tensor: &Tensor) {
    write!(out, "{} ", tensor.ty()).expect("a string takes all");
    if tensor.dtype() == DType::String {
        let total: usize = tensor.to_strings().map_or(0, |all| all.iter().map(|s| s.len()).sum());
        match tensor.elements() <= MOST_INLINE && total <= MOST_INLINE_BYTES {
            true => strings(out, tensor),
            false => hashed(out, tensor),
        }
    } else if tensor.elements() <= MOST_INLINE {
        inline(out, tensor);
    } else if tensor.is_splat() {
        let mut one = vec![0; tensor.dtype().size().expect("a splat's element has whole bytes")];
        tensor.gather_into(0, &mut one);
        out.push_str("splat(");
        element(out, tensor.dtype(), &one);
        out.push(')');
    } else {
        hashed(out, tensor);
    }
}

fn list(out: &mut String, tensor: &Tensor, mut item: impl FnMut(&mut String, usize)) {
    if tensor.dims().is_empty() {
        return item(out, 0);
    }
    out.push('[');
    for index in 0..tensor.elements() {
        if index > 0 {
            out.push_str(", ");
        }
        item(out, index);
    }
    out.push(']');
}

fn strings(out: &mut String, tensor: &Tensor) {
    let all = tensor.to_strings().expect("a tensor of strings");
    list(out, tensor, |out, index| quote::quoted(out, all[index]));
}

fn inline(out: &mut String, tensor: &Tensor) {
    let bytes = tensor.bytes();
    let dtype = tensor.dtype();
    list(out, tensor, |out, index| match dtype.size() {
        Some(size) => element(out, dtype, &bytes[index * size..(index + 1) * size]),
        None => write!(out, "{}", packed_element(dtype, &bytes, index)).expect("a string takes all"),
    });
}

fn hashed(out: &mut String, tensor: &Tensor) {
    let mut hash = Sha256::new();
    let len = match (tensor.dtype().size(), tensor.packed_bytes()) {
        (_, Some(bytes)) => {
            hash.update(bytes.as_slice());
            bytes.len()
        }
        (None, None) => {
            let bytes = tensor.bytes();
            hash.update(&bytes);
            bytes.len()
        }
        (Some(size), None) => {
            let elements = tensor.elements();
            let mut part = vec![0; (1 << 14) * size];
            for first in (0..elements).step_by(1 << 14) {
                let part = &mut part[..(elements - first).min(1 << 14) * size];
                tensor.gather_into(first, part);
                hash.update(&*part);
            }
            elements * size
        }
    };
    let hash = hash.finalize();
    write!(out, "bytes {len} \"sha256:").expect("a string takes all");
    for byte in &hash[..16] {
        write!(out, "{byte:02x}").expect("a string takes all");
    }
    out.push('"');
}
