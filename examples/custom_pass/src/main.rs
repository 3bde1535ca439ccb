//! Runs a pass of this crate by name, in a text pipeline beside planish's own.
//!
//! `cargo run -p custom-pass`

// Links the crate with its registered pass.
use custom_pass as _;
use planish::core::text;
use planish::prelude::*;

const MODEL: &str = r#"
    signature "serving_default" = @main (image) -> (scaled)
    graph @main (%image: f32[?, 4]) {
      %two = const f32[] 2.0
      %half = div %image, %two
      %scaled = relu %half
      return %scaled
    }
"#;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut model = text::parse(MODEL)?;
    let report = PassManager::parse("multiply_by_reciprocal, fuse_activation")?.run(&mut model)?;
    print!("{report}\n{}", text::print(&model));
    Ok(())
}
