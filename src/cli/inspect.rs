//! `planish inspect`: what a model consists of.

use std::collections::BTreeMap;
use std::io::Write;

use clap::Args;
use planish::convert::weight_bytes;
use planish::core::text;
use planish::core::{Model, Op};
use planish::saved_model::{Contents, PortInfo, Reader, is_saved_model};

use super::model_arguments::ModelArguments;
use super::size::{self, Size};
use super::{Outcome, one_line, progress::Progress};

/// Shows a model's signatures, sizes and operations, or all of it as text
#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    model: ModelArguments,
    /// Prints the whole model in its text form
    #[arg(long)]
    text: bool,
}

pub(super) fn run(arguments: Arguments, out: &mut dyn Write) -> Outcome {
    let path = &arguments.model.model;
    let mut options = arguments.model.options()?;
    let saved_model = is_saved_model(path);
    options.raw |= !saved_model;
    if arguments.text {
        let model = planish::convert(path, &options)?.model;
        out.write_all(text::print(&model).as_bytes())?;
        std::mem::forget(model);
        return Ok(());
    }
    if saved_model {
        let contents = Reader::new(path).contents()?;
        write_contents(&contents, out)?;
        out.flush()?;
        let callable = contents
            .meta_graphs
            .iter()
            .any(|m| !m.signatures.is_empty() || m.functions.len() == 1);
        if !callable && arguments.model.chooses_nothing() {
            writeln!(out, "on disk    {}", size::of(path))?;
            let functions = contents.meta_graphs.iter().any(|m| !m.functions.is_empty());
            let how = if functions {
                "choose a function with --signature"
            } else {
                "choose the values where it ends with --output"
            };
            writeln!(out, "there is no signature; {how}")?;
            return Ok(());
        }
    }
    let progress = Progress::start("reading");
    let model = planish::convert(path, &options)?.model;
    drop(progress);
    write_model(&model, size::of(path), out)?;
    std::mem::forget(model);
    Ok(())
}

fn write_contents(contents: &Contents, out: &mut dyn Write) -> Outcome {
    for meta in &contents.meta_graphs {
        write!(out, "MetaGraph {}", one_line(&meta.tags.join(",")))?;
        match meta.tensorflow_version.as_str() {
            "" => writeln!(out)?,
            version => writeln!(out, ", saved by TensorFlow {}", one_line(version))?,
        }
        for signature in &meta.signatures {
            let (inputs, outputs) = (ports(&signature.inputs), ports(&signature.outputs));
            writeln!(out, "  signature {} ({inputs}) -> ({outputs})", one_line(&signature.name))?;
        }
        for function in &meta.functions {
            writeln!(
                out,
                "  function {} at {} ({}) -> ({})",
                one_line(&function.name),
                one_line(&function.path),
                ports(&function.inputs),
                ports(&function.outputs)
            )?;
        }
    }
    writeln!(out)?;
    Ok(())
}

fn ports(ports: &[PortInfo]) -> String {
    let port = |p: &PortInfo| {
        let name = one_line(&p.name);
        match &p.ty {
            Some(ty) => format!("{name}: {ty}"),
            None => name,
        }
    };
    ports.iter().map(port).collect::<Vec<_>>().join(", ")
}

fn write_model(model: &Model, on_disk: Size, out: &mut dyn Write) -> Outcome {
    writeln!(out, "on disk    {on_disk}")?;
    writeln!(out, "constants  {}", Size(weight_bytes(model) as u64))?;
    for signature in &model.signatures {
        let graph = model.graph(signature.graph);
        let types = |names: &[String], values: Vec<planish::core::Value>| {
            let named = names
                .iter()
                .zip(values)
                .map(|(name, v)| format!("{}: {}", one_line(name), graph.ty(v)));
            named.collect::<Vec<_>>().join(", ")
        };
        let inputs = types(&signature.inputs, graph.parameters());
        let outputs = types(&signature.outputs, graph.results());
        writeln!(out, "signature  {} ({inputs}) -> ({outputs})", one_line(&signature.name))?;
    }
    for (_, graph) in model.graphs() {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for id in graph.ids() {
            let name = match graph.op(id) {
                Op::Parameters(_) | Op::Return(_) | Op::Const(_) => continue,
                Op::Foreign(op) => format!("foreign {}", one_line(&op.name)),
                Op::Custom(op) => format!("custom {}", one_line(&op.name)),
                op => op.name().to_owned(),
            };
            *counts.entry(name).or_default() += 1;
        }
        writeln!(
            out,
            "graph      {}: {} operations",
            one_line(graph.name()),
            counts.values().sum::<usize>()
        )?;
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        for (name, count) in counts {
            writeln!(out, "{count:9}  {name}")?;
        }
    }
    Ok(())
}
