//! `planish passes`: the registry.

use std::io::Write;

use clap::Args;
use planish::core::{Meaning, registry, text};

use super::Outcome;

/// Lists the passes that there are, with their options and defaults
#[derive(Args)]
pub(super) struct Arguments {
    /// Only these passes
    names: Vec<String>,
}

pub(super) fn run(arguments: Arguments, out: &mut dyn Write) -> Outcome {
    let passes = match &arguments.names[..] {
        [] => registry::passes()?,
        names => names.iter().map(|name| registry::find(name)).collect::<Result<_, _>>()?,
    };
    for pass in passes {
        let keeps = match pass.meaning {
            Meaning::Exact => "keeps results bit for bit",
            Meaning::Ulps => "keeps results up to float rounding",
            Meaning::Quantized => "changes results by quantization errors",
        };
        let options = pass.options();
        writeln!(out, "{}", text::print_pipeline([(pass.name, &options)]))?;
        writeln!(out, "    {}; {keeps}", pass.summary)?;
        for (option, does) in pass.about_options {
            writeln!(out, "      {option}: {does}")?;
        }
    }
    Ok(())
}
