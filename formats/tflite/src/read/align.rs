//! Files of early writers, which put vectors of 8-byte numbers at multiples of 4 bytes only.
//!
//! Runtimes read them all the same. Here each such vector is copied behind the flatbuffer, to where it may lie, and the field that
//! refers to it changed.

use flatbuffers::{ErrorTraceDetail, InvalidFlatbuffer};
use planish_core::Bytes;

use super::verified;
use crate::error::Error;

/// Vectors that are moved, at most.
const MOST_MOVED: usize = 4096;

/// Bytes that are verified again and again while vectors are moved, at most.
const MOST_VERIFIED: usize = 1 << 31;

/// The size of the elements.
const WIDE: usize = 8;

/// The same bytes where every vector lies as it should, or where something else is wrong.
pub(super) fn aligned(bytes: Bytes) -> Bytes {
    let Some(first) = misplaced(bytes.as_slice()) else {
        return bytes;
    };
    let mut moved = bytes.as_slice().to_vec();
    let mut next = Some(first);
    for _ in 0..MOST_MOVED.min(MOST_VERIFIED / moved.len().max(1)) {
        let Some(field) = next else { break };
        if relocate(&mut moved, field).is_none() {
            break;
        }
        next = misplaced(&moved);
    }
    moved.into()
}

/// The field that refers to a vector whose elements lie where they should not.
fn misplaced(bytes: &[u8]) -> Option<usize> {
    let Err(Error::Damaged(InvalidFlatbuffer::Unaligned { position, error_trace, .. })) = verified(bytes) else {
        return None;
    };
    let &ErrorTraceDetail::TableField { position: field, .. } = error_trace.as_ref().first()? else {
        return None;
    };
    let length_at = field.checked_add(word(bytes, field)? as usize)?;
    (length_at.checked_add(4)? == position).then_some(field)
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(word.try_into().ok()?))
}

fn relocate(bytes: &mut Vec<u8>, field: usize) -> Option<()> {
    let from = field.checked_add(word(bytes, field)? as usize)?;
    let end = (word(bytes, from)? as usize).checked_mul(WIDE)?.checked_add(from)?.checked_add(4)?;
    let vector = bytes.get(from..end)?.to_vec();
    // The length takes 4 bytes in front of the elements.
    let to = (bytes.len() + 4).next_multiple_of(WIDE) - 4;
    let offset = u32::try_from(to.checked_sub(field)?).ok()?;
    bytes.resize(to, 0);
    bytes.extend(vector);
    bytes[field..field + 4].copy_from_slice(&offset.to_le_bytes());
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use planish_core::{DType, Graph, Model, Quant, Type, ValueInfo};

    #[test]
    fn vectors_at_odd_places_are_read_as_if_they_lay_right() {
        let mut graph = Graph::new("main");
        let quant = Quant::per_axis(0, vec![0.5, 0.25], vec![3, -7]).expect("scales are positive");
        let x = graph.add_parameter(ValueInfo::new(Type::fixed(DType::I8, &[2]).with_quant(Some(quant))));
        graph.set_results(&[x]);
        let mut model = Model::new();
        model.add_graph(graph);
        let mut bytes = crate::write(&model).expect("it can be written");
        let file = verified(&bytes).expect("what was written is right");
        let tensor = file.subgraphs().expect("one").get(0).tensors().expect("one").get(0);
        let table = tensor.quantization().expect("it is quantized")._tab;
        let field = table.loc() + usize::from(table.vtable().get(crate::schema::QuantizationParameters::VT_ZERO_POINT));
        let elements = field + word(&bytes, field).expect("it refers to a vector") as usize + 4;
        let vector = bytes[elements - 4..elements + 16].to_vec();
        let to = bytes.len().next_multiple_of(WIDE);
        bytes.resize(to, 0);
        bytes.extend(vector);
        bytes[field..field + 4].copy_from_slice(&((to - field) as u32).to_le_bytes());
        assert!(verified(&bytes).is_err());
        let back = crate::read(bytes).expect("it is read all the same");
        let written = |model: &Model| crate::write(model).expect("it can be written");
        assert_eq!(written(&back), written(&model));
    }
}
