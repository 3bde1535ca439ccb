//! `planish passes`: the registry.

use std::io::Write;

use clap::Args;
use planish::core::{Meaning, registry, text};

use super::Outcome;

/// Lists the passes that there are, with their options and defaults
#[derive(Args)]
pub(super) struct Arguments {}

pub(super) fn run(_: Arguments, out: &mut dyn Write) -> Outcome {
    for pass in registry::passes()? {
        let keeps = match pass.meaning {
            Meaning::Exact => "keeps results bit for bit",
            Meaning::Ulps => "keeps results up to float rounding",
            Meaning::Quantized => "changes results by quantization errors",
        };
        let options = pass.options();
        writeln!(out, "{}", text::print_pipeline([(pass.name, &options)]))?;
        writeln!(out, "    {}; {keeps}", pass.summary)?;
    }
    Ok(())
}
