//! Constants whose integers are quantized in blocks, kept as they are in an operation that only readers and writers of
//! TFLite know.
//!
//! Such a tensor names others of its subgraph that hold the scales of its blocks and, where they are not symmetric, their zero
//! points. The operation reads the stored integers and those tensors; its result is what operators read.

use planish_core::attr::{Attr, Attrs, Blob};
use planish_core::op;

use crate::schema::{BlockwiseQuantizationT, MultiAxisQuantizationT, QuantizationDetailsT, QuantizationParameters};

/// The name of the `foreign` operation whose result is a constant that is quantized in blocks.
pub(crate) const NAME: &str = "tflite.block_quantized_constant";

/// How a tensor is quantized in blocks: the tensors with its parameters, and the rest as attributes.
pub(crate) struct Blocks {
    pub scales: i32,
    /// Negative where stored 0 is real 0.
    pub zero_points: i32,
    attrs: Attrs,
}

/// The attribute with the elements of a block.
const BLOCK_SIZE: &str = "block_size";

/// The attribute with the axes along which blocks lie, where a tensor has several.
const AXES: &str = "axes";

/// Whether a tensor is quantized in blocks, and how.
///
/// # Errors
/// Where the table has fields that are not known here and would be lost.
pub(crate) fn of(table: QuantizationParameters<'_>) -> Result<Option<Blocks>, String> {
    let (fields, known, blocks) = if let Some(details) = table.details_as_blockwise_quantization() {
        let attrs = Attrs::from([(BLOCK_SIZE.to_owned(), Attr::Int(details.block_size().into()))]);
        let blocks = Blocks {
            scales: details.scales(),
            zero_points: details.zero_points(),
            attrs,
        };
        (details._tab.vtable().num_fields(), 3, blocks)
    } else if let Some(details) = table.details_as_multi_axis_quantization() {
        let axes = details.quantized_dimensions().into_iter().flatten();
        let attrs = Attrs::from([
            (BLOCK_SIZE.to_owned(), Attr::Int(details.block_size().into())),
            (AXES.to_owned(), Attr::List(axes.map(|axis| Attr::Int(axis.into())).collect())),
        ]);
        let blocks = Blocks {
            scales: details.scales(),
            zero_points: details.zero_points(),
            attrs,
        };
        (details._tab.vtable().num_fields(), 4, blocks)
    } else {
        return Ok(None);
    };
    if fields > known {
        return Err("its quantization in blocks has fields of a later schema".into());
    }
    Ok(Some(blocks))
}

impl Blocks {
    /// The operation that keeps it.
    pub(crate) fn keep(&self) -> op::Foreign {
        op::Foreign {
            name: NAME.into(),
            attrs: self.attrs.clone(),
            definition: Blob::default(),
        }
    }
}

/// The file's table for such an operation, whose parameters are in these tensors; `None` where it is damaged.
pub(crate) fn details(foreign: &op::Foreign, scales: i32, zero_points: i32) -> Option<QuantizationDetailsT> {
    let int = |attr: &Attr| match attr {
        Attr::Int(n) => i32::try_from(*n).ok(),
        _ => None,
    };
    let block_size = int(foreign.attrs.get(BLOCK_SIZE)?)?;
    Some(match foreign.attrs.get(AXES) {
        None => QuantizationDetailsT::BlockwiseQuantization(Box::new(BlockwiseQuantizationT {
            scales,
            zero_points,
            block_size,
        })),
        Some(Attr::List(axes)) => QuantizationDetailsT::MultiAxisQuantization(Box::new(MultiAxisQuantizationT {
            scales,
            zero_points,
            block_size,
            quantized_dimensions: Some(axes.iter().map(int).collect::<Option<_>>()?),
        })),
        Some(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use planish_core::{DType, Graph, Model, Op, OpKind, Tensor, Type, Value};

    fn constant(graph: &mut Graph, tensor: Tensor) -> Value {
        let ty = tensor.ty();
        graph.add_typed(op::Const { value: tensor }, &[], ty)
    }

    fn model(attrs: Attrs, zero_points: bool) -> Model {
        let mut graph = Graph::new("main");
        let x = graph.add_parameter(planish_core::ValueInfo::new(Type::fixed(DType::F32, &[1, 4])));
        let stored = Tensor::new(DType::I4, &[2, 4], vec![0x21, 0x43, 0x65, 0x07].into()).expect("eight halves of a byte");
        let ty = stored.ty();
        let mut operands = vec![constant(&mut graph, stored)];
        let scales = Tensor::new(DType::F16, &[2, 2], vec![0, 0x3c, 0, 0x38, 0, 0x3c, 0, 0x34].into()).expect("four halves");
        operands.push(constant(&mut graph, scales));
        if zero_points {
            operands.push(constant(
                &mut graph,
                Tensor::new(DType::I8, &[2, 2], vec![1, 2, 3, 4].into()).expect("four bytes"),
            ));
        }
        let kept = op::Foreign {
            name: NAME.into(),
            attrs,
            definition: Blob::default(),
        };
        let weight = graph.add_typed(kept, &operands, ty);
        let custom = op::Custom {
            name: "Product".into(),
            options: Blob::default(),
            version: 1,
        };
        let y = graph.add_typed(custom, &[x, weight], Type::fixed(DType::F32, &[1, 2]));
        graph.set_results(&[y]);
        let mut model = Model::new();
        model.add_graph(graph);
        model
    }

    #[test]
    fn a_constant_in_blocks_survives_a_file() {
        let blocks = Attrs::from([(BLOCK_SIZE.to_owned(), Attr::Int(2))]);
        let mut axes = blocks.clone();
        axes.insert(AXES.into(), Attr::List(vec![Attr::Int(0), Attr::Int(1)]));
        for (attrs, zero_points) in [(blocks, false), (axes, true)] {
            let model = model(attrs.clone(), zero_points);
            let back = crate::read(crate::write(&model).expect("it can be written")).expect("it can be read");
            let graphs = |model: &Model| model.graphs().next().map(|(_, graph)| graph.clone()).expect("one graph");
            let (before, after) = (graphs(&model), graphs(&back));
            let find = |graph: &Graph| {
                let ids = graph.ids().into_iter();
                ids.filter(|&id| graph.op(id).kind() == OpKind::Foreign).collect::<Vec<_>>()
            };
            let (before_id, after_id) = (find(&before)[0], find(&after)[0]);
            let Op::Foreign(kept) = after.op(after_id) else {
                unreachable!("found as such")
            };
            assert_eq!(kept.attrs, attrs);
            let operands = |graph: &Graph, id| -> Vec<Option<Tensor>> {
                graph
                    .operands(id)
                    .iter()
                    .map(|v| v.and_then(|v| graph.constant(v).cloned()))
                    .collect()
            };
            assert_eq!(operands(&after, after_id), operands(&before, before_id));
        }
    }
}
