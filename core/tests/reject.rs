//! Each invariant of a model, broken once: in `reject/*.ir` with the expected error before the model, and here what the
//! text form cannot express. `BLESS=1` writes the errors that were given into the files.

use std::fs;
use std::path::PathBuf;

use planish_core::attr::{Activation, Attr, Attrs, Blob};
use planish_core::op::{Add, Call, Foreign, Parameters, Relu, Return};
use planish_core::verify::{MOST_NESTING, verify};
use planish_core::{DType, Graph, GraphId, Model, Shape, Signature, Tensor, Type, Value, ValueInfo, text};

const MARK: &str = "// error: ";

/// The error in each model of a file, in place of the expected one.
fn rejected(path: &PathBuf) -> (String, String) {
    let expected = fs::read_to_string(path).expect("the file can be read");
    let mut cases = expected.split(MARK);
    let mut found = cases.next().expect("there is a first part").to_owned();
    for case in cases {
        let (_, model) = case.split_once('\n').expect("a model follows the error");
        let error = match text::parse(model) {
            Ok(model) => verify(&model).err().map_or("none".to_owned(), |e| e.to_string()),
            Err(error) => format!("not in the text form: {error}"),
        };
        found.push_str(&format!("{MARK}{error}\n{model}"));
    }
    (expected, found)
}

#[test]
fn each_broken_invariant_is_rejected() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/reject");
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    assert!(!files.is_empty());
    for path in files {
        let (expected, found) = rejected(&path);
        if std::env::var_os("BLESS").is_some() {
            fs::write(&path, found).expect("the file can be written");
        } else {
            assert_eq!(expected, found, "{}", path.display());
        }
    }
}

fn vector() -> ValueInfo {
    ValueInfo::named(Type::fixed(DType::F32, &[2]), "x")
}

/// A graph of one parameter, and that.
fn graph() -> (Graph, Value) {
    let mut graph = Graph::new("main");
    let x = graph.add_parameter(vector());
    (graph, x)
}

fn error(graph: Graph) -> String {
    let mut model = Model::new();
    model.add_graph(graph);
    verify(&model).expect_err("the model breaks an invariant").to_string()
}

/// The id of a graph that a model of one graph does not have.
fn missing() -> GraphId {
    let mut model = Model::new();
    model.add_graph(Graph::new("a"));
    model.add_graph(Graph::new("b"))
}

#[test]
fn operations_do_not_wait_for_themselves() {
    let (mut g, x) = graph();
    let a = g.add(Relu {}, &[x]);
    let b = g.add(Relu {}, &[a]);
    g.set_operand(a.op, 0, Some(b));
    g.set_results(&[b]);
    let on_cycle = "the operation lies on a cycle, or behind one";
    assert_eq!(error(g), format!("graph `main`, return `return#1`: {on_cycle}"));

    let (mut g, x) = graph();
    let a = g.add(Relu {}, &[x]);
    let b = g.add(Relu {}, &[x]);
    g.add_after(a.op, b.op);
    g.add_after(b.op, a.op);
    assert_eq!(error(g), format!("graph `main`, relu `relu#2`: {on_cycle}"));

    let (mut g, x) = graph();
    let a = g.add(Relu {}, &[x]);
    g.add_after(g.return_op(), a.op);
    assert_eq!(error(g), format!("graph `main`, relu `relu#2`: {on_cycle}"));
}

#[test]
fn a_graph_has_one_beginning_and_one_end() {
    let (mut g, _) = graph();
    g.add_declared(Parameters {}, &[], vec![]);
    assert_eq!(error(g), "graph `main`, parameters `parameters#2`: a graph has one `parameters`");

    let (mut g, _) = graph();
    g.add_declared(Return {}, &[], vec![]);
    assert_eq!(error(g), "graph `main`, return `return#2`: a graph has one `return`");

    let (mut g, x) = graph();
    *g.op_mut(x.op) = Relu {}.into();
    assert_eq!(error(g), "graph `main`, relu `x`: the graph's `parameters` is another operation");

    let (mut g, _) = graph();
    let end = g.return_op();
    *g.op_mut(end) = Relu {}.into();
    assert_eq!(error(g), "graph `main`, relu `relu#1`: the graph's `return` is another operation");

    let (mut g, x) = graph();
    let a = g.add_const(Tensor::scalar(1f32));
    g.add_after(a.op, x.op);
    assert_eq!(error(g), "graph `main`, parameters `x`: `parameters` comes first");
}

#[test]
fn a_constant_has_the_type_of_its_data() {
    let (mut g, _) = graph();
    let c = g.add_const(Tensor::from_vec(&[2], vec![1i32, 2]));
    g.info_mut(c).ty.shape = Shape::of_rank(1);
    assert_eq!(error(g), "graph `main`, const `const#2`: the result is i32[?], the data i32[2]");
}

#[test]
fn a_range_is_of_numbers() {
    let (mut g, x) = graph();
    g.info_mut(x).range = Some((f32::NAN, 1.0));
    assert_eq!(error(g), "graph `main`, parameters `x`: result 0: NaN to 1 is no range");
}

#[test]
fn graphs_that_are_named_exist() {
    let (mut g, x) = graph();
    g.add_typed(Call { graph: missing() }, &[x], Type::fixed(DType::F32, &[2]));
    assert_eq!(error(g), "graph `main`, call `call#2`: a graph that it calls does not exist");

    let mut model = Model::new();
    model.add_graph(graph().0);
    model.signatures.push(Signature {
        name: "serve".into(),
        graph: missing(),
        inputs: vec![],
        outputs: vec![],
    });
    let error = verify(&model).unwrap_err().to_string();
    assert_eq!(error, "graph ``, signature `serve`: the graph does not exist");
}

#[test]
fn foreign_attributes_name_no_graphs() {
    let (mut g, _) = graph();
    let nested = Attr::List(vec![Attr::Map(Attrs::from([("f".into(), Attr::Graph(missing()))]))]);
    let foreign = Foreign {
        name: "Strange".into(),
        attrs: Attrs::from([("a".into(), nested)]),
        definition: Blob::default(),
    };
    g.add_declared(foreign, &[], vec![]);
    assert_eq!(
        error(g),
        "graph `main`, foreign `foreign#2`: attributes of a foreign operation name no graphs"
    );
}

#[test]
fn graph_names_are_distinct() {
    let mut model = Model::new();
    model.add_graph(Graph::new("main"));
    let other = model.add_graph(Graph::new("other"));
    *model.graph_mut(other) = Graph::new("main");
    assert_eq!(
        verify(&model).unwrap_err().to_string(),
        "graph `main`, the model: another graph has the same name"
    );
}

/// Graphs that call one another in a row.
fn nested(depth: usize) -> Model {
    let mut model = Model::new();
    let mut inner = None;
    for i in 0..depth {
        let mut g = Graph::new(format!("g{i}"));
        let x = g.add_parameter(vector());
        let y = match inner {
            Some(graph) => g.add_typed(Call { graph }, &[x], vector().ty),
            None => x,
        };
        g.set_results(&[y]);
        inner = Some(model.add_graph(g));
    }
    model
}

#[test]
fn calls_nest_only_so_deep() {
    assert_eq!(verify(&nested(MOST_NESTING)), Ok(()));
    let error = verify(&nested(MOST_NESTING + 1)).unwrap_err().to_string();
    assert_eq!(error, "graph `g0`, the model: calls nest more than 64 deep");
}

#[test]
fn what_is_declared_may_be_more_precise() {
    let mut g = Graph::new("main");
    let x = g.add_parameter(ValueInfo::new(Type::new(DType::F32, Shape::unranked())));
    let add = Add {
        activation: Activation::None,
        pot_scale_int16: true,
    };
    let y = g.add_typed(add, &[x, x], Type::fixed(DType::F32, &[2, 3]));
    g.set_results(&[y, y, x]);
    let mut model = Model::new();
    model.add_graph(g);
    assert_eq!(verify(&model), Ok(()));
}
