//! Quantizes a SavedModel and says what became of each operation.
//!
//! `cargo run --release --example quantize -- tests/models/digits_cnn digits_cnn.tflite`

use planish::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(input), Some(output)) = (arguments.next(), arguments.next()) else {
        return Err("usage: quantize SAVED_MODEL OUT.tflite".into());
    };
    let mut model = planish::saved_model::read(input)?;
    let options = QuantizeOptions {
        skip: vec!["digit".into()],
        ..QuantizeOptions::default()
    };
    let report = PassManager::new()
        .add_with(PostTrainingQuantize, options)
        .add(SelectHybridKernels)
        .add(FallBackToFloat)
        .run(&mut model)?;
    print!("{report}");
    planish::tflite::write_file(&model, output)?;
    Ok(())
}
