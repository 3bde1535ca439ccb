//! Walks over a model: which operations hold the most weights?
//!
//! `cargo run --release --example inspect -- tests/models/digits_cnn`

use planish::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let input = std::env::args().nth(1).ok_or("usage: inspect SAVED_MODEL")?;
    let model = planish::saved_model::read(input)?;
    for signature in &model.signatures {
        let graph = model.graph(signature.graph);
        println!(
            "{}: {} -> {}",
            signature.name,
            signature.inputs.join(", "),
            signature.outputs.join(", ")
        );
        let mut rows: Vec<(usize, String)> = graph
            .order()
            .into_iter()
            .map(|id| (constant_elements(graph, id), graph.label(id)))
            .collect();
        rows.sort_by(|a, b| b.cmp(a));
        for (elements, label) in rows.iter().filter(|row| row.0 > 0).take(10) {
            println!("{elements:10}  {label}");
        }
    }
    Ok(())
}

/// How many elements the constants have that an operation reads.
fn constant_elements(graph: &Graph, id: planish::core::OpId) -> usize {
    let op = graph.at(id);
    (0..graph.operands(id).len())
        .filter_map(|i| op.operand(i)?.constant())
        .map(|tensor| tensor.elements())
        .sum()
}
