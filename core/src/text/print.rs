//! Models, graphs, operations and pipelines to text.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::{data, element, quote};
use crate::attr::{Attr, Attrs};
use crate::graph::{Graph, OpId, Value, ValueInfo};
use crate::model::{GraphId, Model};
use crate::op::{Arity, Op, OpKind};

const INFALLIBLE: &str = "a string takes all";

/// Words that mean something else than a word where an attribute value stands.
pub(super) const TAKEN_WORDS: &[&str] = &["true", "false", "inf", "nan", "hex", "tensor", "word"];

/// Writes `items` with commas between them.
fn list<T>(out: &mut String, items: impl IntoIterator<Item = T>, mut item: impl FnMut(&mut String, T)) {
    for (index, each) in items.into_iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        item(out, each);
    }
}

/// How the model's graphs are called: by name, or by number where the model is not at hand.
#[derive(Clone, Copy)]
struct Graphs<'m>(Option<&'m Model>);

impl Graphs<'_> {
    fn write(self, out: &mut String, id: GraphId) {
        out.push('@');
        match self.0.and_then(|m| m.get_graph(id)) {
            Some(graph) => quote::name_or_quoted(out, graph.name()),
            None => quote::quoted(out, format!("?{}", id.index()).as_bytes()),
        }
    }

    fn attr(self, out: &mut String, attr: &Attr) {
        match attr {
            Attr::Bool(v) => write!(out, "{v}").expect(INFALLIBLE),
            Attr::Int(v) => write!(out, "{v}").expect(INFALLIBLE),
            Attr::Float(v) => element::f64(out, *v),
            Attr::Word(v) if quote::word_len(v) == v.len() && !v.is_empty() && !TAKEN_WORDS.contains(&v.as_str()) => out.push_str(v),
            Attr::Word(v) => {
                out.push_str("word ");
                quote::quoted(out, v.as_bytes());
            }
            Attr::Text(v) => quote::quoted(out, v.as_bytes()),
            Attr::Bytes(v) => {
                out.push_str("hex ");
                quote::hex(out, v);
            }
            Attr::List(items) => {
                out.push('[');
                list(out, items, |out, item| self.attr(out, item));
                out.push(']');
            }
            Attr::Map(attrs) => self.attrs(out, attrs.iter().map(|(name, attr)| (name.as_str(), attr))),
            Attr::Graph(id) => self.write(out, *id),
            Attr::Tensor(tensor) => {
                out.push_str("tensor ");
                data::tensor(out, tensor);
            }
        }
    }

    fn attrs<'a>(self, out: &mut String, attrs: impl IntoIterator<Item = (&'a str, &'a Attr)>) {
        out.push('{');
        list(out, attrs, |out, (name, attr)| {
            quote::word_or_quoted(out, name);
            out.push_str(" = ");
            self.attr(out, attr);
        });
        out.push('}');
    }
}

/// The names of one graph's values, and labels of operations that others run after.
struct Names {
    values: BTreeMap<Value, String>,
    labels: BTreeMap<OpId, String>,
    order: Vec<OpId>,
    places: BTreeMap<OpId, usize>,
}

impl Names {
    fn of(graph: &Graph) -> Names {
        let mut order = graph.order();
        if order.len() != graph.len() {
            let seen: std::collections::BTreeSet<OpId> = order.iter().copied().collect();
            order.extend(graph.ids().into_iter().filter(|id| !seen.contains(id)));
        }
        let mut names = Names {
            values: BTreeMap::new(),
            labels: BTreeMap::new(),
            places: order.iter().enumerate().map(|(place, &id)| (id, place)).collect(),
            order,
        };
        let mut unnamed = 0u64;
        let mut times: BTreeMap<&str, u32> = BTreeMap::new();
        for &id in &names.order {
            for value in graph.results_of(id) {
                let mut text = String::from("%");
                match graph.info(value).name.as_deref() {
                    None => {
                        write!(text, "{unnamed}").expect(INFALLIBLE);
                        unnamed += 1;
                    }
                    Some(name) => {
                        let times = times.entry(name).or_default();
                        *times += 1;
                        quote::name_or_quoted(&mut text, name);
                        if *times > 1 {
                            write!(text, "~{times}").expect(INFALLIBLE);
                        }
                    }
                }
                names.values.insert(value, text);
            }
        }
        let unnamed = |id: &OpId| graph.results_of(*id).is_empty() && *id != graph.parameters_op();
        for &id in &names.order {
            names
                .labels
                .extend(graph.after(id).into_iter().filter(unnamed).map(|earlier| (earlier, String::new())));
        }
        let labelled = names
            .order
            .iter()
            .filter(|id| names.labels.contains_key(id))
            .copied()
            .collect::<Vec<_>>();
        for (number, id) in labelled.into_iter().enumerate() {
            names.labels.insert(id, format!("^{number}"));
        }
        names
    }

    fn value(&self, value: Value) -> &str {
        self.values.get(&value).map_or("%\"?\"", String::as_str)
    }

    fn operation(&self, graph: &Graph, id: OpId) -> &str {
        match self.labels.get(&id) {
            _ if id == graph.parameters_op() => "parameters",
            Some(label) => label,
            None => self.value(Value { op: id, port: 0 }),
        }
    }
}

fn annotation(out: &mut String, info: &ValueInfo) {
    write!(out, "{}", info.ty).expect(INFALLIBLE);
    if let Some((least, greatest)) = info.range {
        out.push_str(" range [");
        element::f32(out, least);
        out.push_str(", ");
        element::f32(out, greatest);
        out.push(']');
    }
}

fn write_op(out: &mut String, graph: &Graph, id: OpId, names: &Names, graphs: Graphs<'_>) {
    let op = graph.op(id);
    let results = graph.results_of(id);
    if let Some(label) = names.labels.get(&id) {
        write!(out, "{label} = ").expect(INFALLIBLE);
    } else if !results.is_empty() {
        list(out, &results, |out, &value| out.push_str(names.value(value)));
        out.push_str(" = ");
    }
    out.push_str(op.name());
    let mut annotated = !results.is_empty();
    if let Op::Const(constant) = op {
        out.push(' ');
        data::tensor(out, &constant.value);
        annotated = results
            .iter()
            .any(|&v| *graph.info(v) != unannotated(graph.info(v), constant.value.ty()));
    } else {
        let mut operands = graph.operands(id);
        let fixed = op.kind().operands().iter().all(|spec| spec.arity != Arity::Many);
        while fixed && operands.last() == Some(&None) {
            operands.pop();
        }
        if !operands.is_empty() {
            out.push(' ');
        }
        list(out, operands, |out, operand| out.push_str(operand.map_or("_", |v| names.value(v))));
        let attrs = spoken_attrs(op);
        if !attrs.is_empty() {
            out.push(' ');
            graphs.attrs(out, attrs.iter().map(|(&name, attr)| (name, attr)));
        }
    }
    let mut after = graph.after(id);
    after.sort_by_key(|earlier| names.places.get(earlier));
    if !after.is_empty() {
        out.push_str(" after ");
        list(out, after, |out, earlier| out.push_str(names.operation(graph, earlier)));
    }
    if annotated {
        out.push_str(" : ");
        list(out, results, |out, value| annotation(out, graph.info(value)));
    }
}

/// What is known of a constant whose line says no more than its data.
fn unannotated(info: &ValueInfo, ty: crate::types::Type) -> ValueInfo {
    ValueInfo {
        ty,
        name: info.name.clone(),
        range: None,
    }
}

/// The attributes that differ from their defaults, sorted.
fn spoken_attrs(op: &Op) -> BTreeMap<&'static str, Attr> {
    let defaults: BTreeMap<&'static str, Attr> = op.kind().attr_defaults().into_iter().collect();
    op.attrs()
        .into_iter()
        .filter(|(name, attr)| defaults.get(name) != Some(attr))
        .collect()
}

fn write_graph(out: &mut String, graph: &Graph, graphs: Graphs<'_>, indent: &str) {
    let names = Names::of(graph);
    write!(out, "{indent}graph @").expect(INFALLIBLE);
    quote::name_or_quoted(out, graph.name());
    out.push_str(" (");
    list(out, graph.parameters(), |out, value| {
        write!(out, "{}: ", names.value(value)).expect(INFALLIBLE);
        annotation(out, graph.info(value));
    });
    out.push_str(") {\n");
    for &id in names.order.iter().filter(|&&id| graph.op(id).kind() != OpKind::Parameters) {
        write!(out, "{indent}  ").expect(INFALLIBLE);
        write_op(out, graph, id, &names, graphs);
        out.push('\n');
    }
    writeln!(out, "{indent}}}").expect(INFALLIBLE);
}

pub(super) fn op(graph: &Graph, id: OpId) -> String {
    let mut out = String::new();
    write_op(&mut out, graph, id, &Names::of(graph), Graphs(None));
    out
}

pub(super) fn pipeline<'a>(steps: impl IntoIterator<Item = (&'a str, &'a Attrs)>) -> String {
    let mut out = String::new();
    list(&mut out, steps, |out, (name, attrs)| {
        out.push_str(name);
        if !attrs.is_empty() {
            out.push(' ');
            Graphs(None).attrs(out, attrs.iter().map(|(name, attr)| (name.as_str(), attr)));
        }
    });
    out
}

pub(super) fn graph(model: &Model, id: GraphId) -> String {
    let mut out = String::new();
    write_graph(&mut out, model.graph(id), Graphs(Some(model)), "");
    out
}

pub(super) fn model(model: &Model) -> String {
    let graphs = Graphs(Some(model));
    let mut out = String::from("model {\n");
    if !model.description.is_empty() {
        out.push_str("  description ");
        quote::quoted(&mut out, model.description.as_bytes());
        out.push('\n');
    }
    for (name, bytes) in &model.metadata {
        out.push_str("  metadata ");
        quote::quoted(&mut out, name.as_bytes());
        out.push_str(" hex ");
        quote::hex(&mut out, bytes);
        out.push('\n');
    }
    for signature in &model.signatures {
        out.push_str("  signature ");
        quote::quoted(&mut out, signature.name.as_bytes());
        out.push_str(" = ");
        graphs.write(&mut out, signature.graph);
        out.push_str(" (");
        list(&mut out, &signature.inputs, |out, name| quote::word_or_quoted(out, name));
        out.push_str(") -> (");
        list(&mut out, &signature.outputs, |out, name| quote::word_or_quoted(out, name));
        out.push_str(")\n");
    }
    for (_, graph) in model.graphs() {
        if !out.ends_with("{\n") {
            out.push('\n');
        }
        write_graph(&mut out, graph, graphs, "  ");
    }
    out.push_str("}\n");
    out
}
