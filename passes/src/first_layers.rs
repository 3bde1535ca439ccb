//! Which operations of a network come first: whose rounding errors all others pass on.

use std::collections::BTreeSet;

use planish_core::{Graph, OpId, Value};

use crate::weights::weights;

/// The operations with weights that read inputs of the graph, as they are or as operations without weights prepare them.
pub(crate) fn first_layers(graph: &Graph) -> BTreeSet<OpId> {
    let mut inputs: BTreeSet<Value> = graph.parameters().into_iter().collect();
    let mut first = BTreeSet::new();
    for id in graph.order() {
        let op = graph.at(id);
        if !op.operands().into_iter().flatten().any(|v| inputs.contains(&v)) {
            continue;
        }
        if weights(op).is_empty() {
            inputs.extend(graph.results_of(id));
        } else {
            first.insert(id);
        }
    }
    first
}

#[cfg(test)]
mod tests {
    use planish_core::attr::{Activation, WeightsFormat};
    use planish_core::op::{FullyConnected, Maximum, Relu};
    use planish_core::{DType, Shape, Tensor, Type, ValueInfo};

    use super::*;

    #[test]
    fn what_reads_an_input_or_what_is_made_of_it_comes_first() {
        let mut graph = Graph::new("main");
        let x = graph.add_parameter(ValueInfo::new(Type::new(DType::F32, Shape::fixed(&[2, 3]))));
        let weight = graph.add_const(Tensor::from_vec(&[3, 3], vec![0.5f32; 9]));
        let product = FullyConnected {
            activation: Activation::None,
            keep_num_dims: false,
            asymmetric_quantize_inputs: false,
            weights_format: WeightsFormat::Plain,
        };
        let prepared = graph.add(Relu {}, &[x]);
        let first = graph.add(product.clone(), &[prepared, weight]);
        let second = graph.add(product.clone(), &[first, weight]);
        let beside = graph.add(product.clone(), &[x, weight]);
        let sum = graph.add(Maximum {}, &[second, beside]);
        graph.set_results(&[sum]);
        assert_eq!(first_layers(&graph), BTreeSet::from([first.op, beside.op]));
    }
}
