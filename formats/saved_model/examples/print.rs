//! Prints the IR of SavedModels: `cargo run --example print -- DIR…`, with `--quiet` only what is wrong with them.

use std::time::Instant;

fn main() {
    let (flags, dirs): (Vec<String>, Vec<String>) = std::env::args().skip(1).partition(|a| a.starts_with("--"));
    let quiet = flags.iter().any(|f| f == "--quiet");
    for dir in dirs {
        let start = Instant::now();
        match planish_saved_model::read(&dir) {
            Ok(model) => {
                let took = start.elapsed();
                let ops: usize = model.graphs().map(|(_, g)| g.len()).sum();
                match planish_core::verify::verify(&model) {
                    Ok(()) => println!("{dir}: {ops} ops in {took:?}"),
                    Err(error) => println!("{dir}: INVALID {error}"),
                }
                let mut foreign = std::collections::BTreeMap::<String, usize>::new();
                for (_, graph) in model.graphs() {
                    for id in graph.ids() {
                        if let planish_core::op::Op::Foreign(op) = graph.op(id) {
                            *foreign.entry(op.name.clone()).or_default() += 1;
                        }
                    }
                }
                if !foreign.is_empty() {
                    println!("    foreign: {foreign:?}");
                }
                if !quiet {
                    println!("{}", planish_core::text::print(&model));
                }
            }
            Err(error) => println!("{dir}: ERROR {error}"),
        }
    }
}
