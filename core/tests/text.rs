//! The text form: reading back what was printed gives the same model, and errors say where and what.

use planish_core::attr::{Attr, Attrs};
use planish_core::op::{Op, OpKind};
use planish_core::text::{parse, parse_pipeline, print, print_graph, print_op, same};
use planish_core::{DType, Dim, Graph, Model, OpId, Quant, Shape, Signature, Tensor, Type, Value, ValueInfo};
use proptest::prelude::*;

/// Draws of a random model, taken one after the other; when they run out, all are 0.
struct Draws<'a>(std::slice::Iter<'a, u32>);

impl Draws<'_> {
    fn below(&mut self, n: usize) -> usize {
        self.0.next().map_or(0, |&d| d as usize % n)
    }

    fn pick<'x, T>(&mut self, of: &'x [T]) -> &'x T {
        &of[self.below(of.len())]
    }

    fn text(&mut self) -> String {
        let texts = [
            "x",
            "a/b",
            "a/b:0",
            "",
            "7",
            "dense_1.bias",
            "a b",
            "é\u{1}\"\\\n",
            "return",
            "a//b",
            "_",
            "~",
            "%x",
            "nan",
            "true",
        ];
        (*self.pick(&texts)).to_owned()
    }

    fn real(&mut self) -> f32 {
        *self.pick(&[
            0.0,
            -0.0,
            0.1,
            1e-20,
            -3.5e30,
            f32::INFINITY,
            f32::NEG_INFINITY,
            16777216.0,
            f32::MIN_POSITIVE / 4.0,
        ])
    }

    fn quant(&mut self) -> Option<Quant> {
        match self.below(4) {
            0 => Quant::per_tensor(0.1, -3).ok(),
            1 => Quant::per_axis(1, vec![0.25, 1e-9], vec![1, -2]).ok(),
            2 => Quant::symmetric_per_axis(0, vec![0.25, 1e-9, 3.0]).ok(),
            _ => None,
        }
    }

    fn ty(&mut self) -> Type {
        let shape = match self.below(4) {
            0 => Shape::unranked(),
            1 => Shape::scalar(),
            _ => Shape::new((0..self.below(4)).map(|i| if i % 2 == 0 { Dim::Known(i * 7) } else { Dim::Unknown })),
        };
        Type::new(*self.pick(DType::ALL), shape).with_quant(self.quant())
    }

    fn info(&mut self) -> ValueInfo {
        let mut info = ValueInfo::new(self.ty());
        info.name = (self.below(3) > 0).then(|| self.text().into());
        info.range = (self.below(4) == 0).then(|| (self.real(), self.real()));
        info
    }

    fn attr(&mut self, depth: usize) -> Attr {
        match self.below(if depth < 3 { 10 } else { 7 }) {
            0 => Attr::Bool(true),
            1 => Attr::Int(-5),
            2 => Attr::Float(f64::from(self.real())),
            3 => Attr::Word(self.text()),
            4 => Attr::Text(self.text()),
            5 => Attr::Bytes(self.text().into_bytes()),
            6 => Attr::Tensor(self.tensor()),
            7 => Attr::Map(self.attrs(depth + 1)),
            _ => Attr::List((0..self.below(3)).map(|_| self.attr(depth + 1)).collect()),
        }
    }

    fn attrs(&mut self, depth: usize) -> Attrs {
        (0..self.below(3)).map(|_| (self.text(), self.attr(depth))).collect()
    }

    fn tensor(&mut self) -> Tensor {
        let dims: &[usize] = self.pick::<&[usize]>(&[&[], &[2, 3], &[0, 4], &[1], &[7], &[8, 8]]);
        let count: usize = dims.iter().product();
        match *self.pick(DType::ALL) {
            DType::String => {
                let strings: Vec<Vec<u8>> = (0..count)
                    .map(|i| {
                        if i % 3 == 0 {
                            vec![0xff, b'"', i as u8]
                        } else {
                            self.text().into_bytes()
                        }
                    })
                    .collect();
                Tensor::from_strings(dims, &strings).expect("as many strings as the extents say")
            }
            DType::Resource | DType::Variant => Tensor::splat(&Tensor::scalar(self.real()), dims),
            dtype => {
                let len = dtype.packed_len(count).expect("small");
                let mut bytes: Vec<u8> = (0..len).map(|_| self.0.next().map_or(0x7f, |&d| (d >> 8) as u8)).collect();
                if let Some(last) = bytes.last_mut()
                    && dtype.size().is_none()
                {
                    let used = (count * dtype.bits() - 1) % 8 + 1;
                    *last &= (0xffu16 >> (8 - used)) as u8;
                }
                let tensor = Tensor::new(dtype, dims, bytes.into()).expect("as many bytes as the type needs");
                let turned = (self.below(2) == 0 && dims.len() == 2)
                    .then(|| tensor.transposed(&[1, 0]))
                    .flatten();
                turned.unwrap_or(tensor).with_quant(self.quant())
            }
        }
    }

    /// An operation of any kind; attributes without a default are found by trying one of each kind.
    fn op(&mut self, model: &Model) -> Op {
        let kind = *self.pick(OpKind::ALL);
        let mut attrs = Attrs::new();
        for &name in kind.attr_names() {
            let optional = kind.attr_defaults().iter().any(|(n, _)| *n == name);
            let int = Attr::Int(self.below(9) as i64);
            let pairs = |n: usize| Attr::List(vec![int.clone(); n]);
            let mut candidates = vec![
                Attr::Bool(self.below(2) == 0),
                int.clone(),
                Attr::Float(f64::from(self.real())),
                Attr::Text(self.text()),
                Attr::Bytes(vec![1, 2]),
                Attr::List(vec![Attr::Graph(*self.pick(&model.graph_ids()))]),
                pairs(2),
                pairs(3),
                Attr::List(vec![Attr::Float(0.5)]),
                Attr::Map(self.attrs(0)),
                Attr::Graph(*self.pick(&model.graph_ids())),
                Attr::Tensor(self.tensor()),
            ];
            let words = [
                "f32",
                "same",
                "relu6",
                "symmetric",
                "sum",
                "sparse",
                "shuffled_4x16",
                "maximum",
                "balanced",
            ];
            candidates.extend(words.map(|w| Attr::Word(w.into())));
            if optional && self.below(2) == 0 {
                continue;
            }
            let fits = candidates.into_iter().find(|candidate| {
                let mut tried = attrs.clone();
                tried.insert(name.into(), candidate.clone());
                !matches!(Op::from_attrs(kind, tried), Err(planish_core::attr::AttrError::Kind { name: n, .. }) if n == name)
            });
            attrs.insert(name.into(), fits.expect("one of each kind was tried"));
        }
        Op::from_attrs(kind, attrs).expect("every attribute fits")
    }

    fn graph(&mut self, model: &mut Model, id: planish_core::GraphId) {
        let mut graph = Graph::new(model.graph(id).name());
        let mut values: Vec<Value> = (0..self.below(3)).map(|_| graph.add_parameter(self.info())).collect();
        let mut ops: Vec<OpId> = vec![graph.parameters_op()];
        for _ in 0..self.below(8) {
            let op = match self.op(model) {
                Op::Parameters(_) | Op::Return(_) => continue,
                op => op,
            };
            let many = op.kind().operands().iter().any(|o| o.arity == planish_core::op::Arity::Many);
            let operands: Vec<Option<Value>> = match &op {
                Op::Const(_) => Vec::new(),
                _ => (0..self.below(4))
                    .map(|_| (!values.is_empty() && self.below(5) > 0).then(|| *self.pick(&values)))
                    .collect(),
            };
            let last = operands.iter().rposition(|o| many || o.is_some()).map_or(0, |at| at + 1);
            let mut results: Vec<ValueInfo> = (0..self.below(3)).map(|_| self.info()).collect();
            if let Op::Const(constant) = &op {
                results.truncate(1);
                match results.first_mut() {
                    Some(info) if self.below(2) == 0 => info.ty = constant.value.ty(),
                    Some(_) => {}
                    None => results.push(ValueInfo::new(constant.value.ty())),
                }
            }
            let id = graph.add_declared(op, &operands[..last], results);
            values.extend(graph.results_of(id));
            if self.below(4) == 0 {
                graph.add_after(*self.pick(&ops), id);
            }
            ops.push(id);
        }
        let results: Vec<Value> = if values.is_empty() {
            Vec::new()
        } else {
            (0..self.below(3)).map(|_| *self.pick(&values)).collect()
        };
        graph.set_results(&results);
        if self.below(5) == 0 {
            graph.add_after(*self.pick(&ops), graph.return_op());
        }
        *model.graph_mut(id) = graph;
    }

    fn model(&mut self) -> Model {
        let mut model = Model::new();
        let ids: Vec<_> = (0..=self.below(3)).map(|_| model.add_graph(Graph::new(self.text()))).collect();
        for &id in &ids {
            self.graph(&mut model, id);
        }
        for _ in 0..self.below(3) {
            let names = |d: &mut Self| (0..d.below(3)).map(|_| d.text()).collect();
            let signature = Signature {
                name: self.text(),
                graph: *self.pick(&ids),
                inputs: names(self),
                outputs: names(self),
            };
            model.signatures.push(signature);
        }
        if self.below(2) == 0 {
            model.description = self.text();
            model.metadata.insert(self.text(), self.text().into_bytes());
        }
        model
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn parsing_undoes_printing(draws in proptest::collection::vec(any::<u32>(), 0..400)) {
        let model = Draws(draws.iter()).model();
        let text = print(&model);
        let again = parse(&text).map_err(|e| TestCaseError::fail(format!("{e}\n{text}")))?;
        prop_assert_eq!(print(&again), text);
        prop_assert!(same(&model, &again));
    }

    #[test]
    fn any_text_gives_a_model_or_an_error(text in "\\PC{0,200}") {
        let _ = parse(&text);
        let _ = parse_pipeline(&text);
    }

    #[test]
    fn a_damaged_text_gives_a_model_or_an_error(draws in proptest::collection::vec(any::<u32>(), 0..400), from in any::<prop::sample::Index>(), len in 0usize..20) {
        let text = print(&Draws(draws.iter()).model());
        let chars: Vec<char> = text.chars().collect();
        let from = from.index(chars.len());
        let damaged: String = chars[..from].iter().chain(&chars[(from + len).min(chars.len())..]).collect();
        let _ = parse(&damaged);
    }
}

const CLASSIFIER: &str = r#"model {
  description "digits \"8x8\""
  metadata "min_runtime" hex "312e35"
  signature "serving_default" = @main (image, "second input") -> (logits)

  graph @main (%image: f32[?, 4] range [0.0, 1.0], %"in:1": i32[]) {
    %0 = const f32[2, 4] [1.0, 2.0, -0.0, 4.5, 1e-7, inf, nan, nan(0x7f800001)]
    %q = const i8[2] quant(axis 0, scales [0.5, 0.25]) [-128, 127]
    %x = fully_connected %image, %0, _ {activation = relu} : f32[?, 2] range [0.0, 6.0]
    %x~2 = if %"in:1", %x {else_graph = @other, then_graph = @main} : f32[?, 2]
    %handle = var_handle {shared_name = "v"} : resource[]
    ^0 = assign_variable %handle, %x
    %v = read_variable %handle after %x, ^0 : f32[..]
    return %x~2, %v
  }

  graph @other () {
    %0, %1 = foreign {attrs = {T = f32, n = [1, 2.0], word = word "true"}, name = "Strange"} : f32[0], string[?]
    %s = const string[2] ["a", "\xff\n"]
    %c = const complex64[] (1.0, -2.0)
    %b = const bool[2] [true, false]
    return
  }
}
"#;

#[test]
fn a_model_prints_as_it_was_written() {
    let model = parse(CLASSIFIER).expect("a model");
    // An empty operand at the end is as good as none.
    assert_eq!(print(&model), CLASSIFIER.replace("%0, _ {", "%0 {"));
    let main = model.graph_named("main").expect("the graph");
    let graph = model.graph(main);
    let names: Vec<_> = graph
        .ids()
        .into_iter()
        .flat_map(|op| graph.results_of(op))
        .map(|v| graph.info(v).name.as_deref().unwrap_or("-"))
        .collect();
    assert_eq!(names, ["image", "in:1", "-", "q", "x", "x", "handle", "v"]);
    assert!(print_graph(&model, main).starts_with("graph @main (%image"));
    let call = graph
        .ids()
        .into_iter()
        .find(|&op| graph.op(op).kind() == OpKind::If)
        .expect("the call");
    assert_eq!(
        print_op(graph, call),
        "%x~2 = if %\"in:1\", %x {else_graph = @\"?1\", then_graph = @\"?0\"} : f32[?, 2]"
    );
}

#[test]
fn constants_may_be_described() {
    let text = r#"graph @g () {
        %a = const f32[9, 9] random(7) // a comment
        %b = const f32[9, 9] = random(7)
        %c = const f32[1000000, 1000000] splat(0.5)
        %d = const i4[3] [-8, 7, -1]
        %e = const i4[70] splat(-2)
        %f = const string[3] splat("x")
        %g = const f16[2] [0.1, nan]
        return %a, %b
    }"#;
    let model = parse(text).expect("a model");
    let (_, graph) = model.graphs().next().expect("one graph");
    let constants: Vec<&Tensor> = graph
        .ids()
        .into_iter()
        .filter(|&op| graph.op(op).kind() == OpKind::Const)
        .map(|op| graph.constant(graph.results_of(op)[0]).expect("a constant"))
        .collect();
    assert_eq!(constants[0], constants[1]);
    let reals = constants[0].to_vec::<f32>();
    assert!(reals.iter().all(|v| (-1.0..1.0).contains(v)) && reals.iter().any(|v| *v < -0.5) && reals.iter().any(|v| *v > 0.5));
    assert!(constants[2].is_splat());
    let printed = print(&model);
    assert!(printed.contains("const f32[9, 9] bytes 324 \"sha256:"), "{printed}");
    assert!(printed.contains("const f32[1000000, 1000000] splat(0.5)"), "{printed}");
    assert!(printed.contains("const i4[3] [-8, 7, -1]"), "{printed}");
    let error = parse(&printed).expect_err("a hash is no data");
    assert!(error.problem.contains("only its hash is"), "{error}");
}

#[test]
fn errors_say_where_and_what() {
    let cases: &[(&str, &str)] = &[
        (
            "model {",
            "line 1, column 8: expected `signature`, `graph`, `metadata` or `description`, found the end of the text",
        ),
        (
            "graph @g () {\n  %y = relu %x : f32[1]\n  return %y\n}",
            "line 2, column 13: `%x` is not defined above",
        ),
        (
            "graph @g (%x: f32[1]) {\n  %y = rellu %x\n}",
            "line 2, column 8: there is no operation `rellu`",
        ),
        (
            "graph @g (%x: f33[1]) {}",
            "line 1, column 15: there is no element type `f33`; there are",
        ),
        (
            "graph @g () {\n %c = const f32[3] [1.0, 2.0]\n}",
            "line 2, column 20: f32[3] has 3 elements, here are 2",
        ),
        (
            "graph @g (%x: f32[1]) {\n  %y = relu %x {beta = 1.0} : f32[1]\n}",
            "line 2, column 8: `relu`: there is no attribute `beta`",
        ),
        ("graph @g (%x: f32[1], %x: f32[1]) {}", "line 1, column 23: `%x` is defined twice"),
        ("signature \"s\" = @g () -> ()", "line 1, column 17: there is no graph `@g`"),
        (
            "graph @g () { return }\ngraph @g () { return }",
            "line 2, column 7: there are two graphs `@g`",
        ),
        (
            "graph @g () {\n %c = const i8[1] [200]\n}",
            "line 2, column 20: expected an integer (i8), found `200`",
        ),
        (
            "graph @g () {\n %c = const f32[1000000, 1000000] random(1)\n}",
            "generated constants may take 64 MiB in one text",
        ),
        ("graph @\"é\" () { \u{1} }", "line 1, column 17: `\\u{1}` means nothing here"),
        (
            "graph @g (%x: i8[2] quant(scale 0.0)) {}",
            "line 1, column 21: scale 0 is not a positive finite number",
        ),
        (
            "graph @g (%x: f32[1]) {\n  %y, %z = relu %x : f32[1]\n}",
            "`relu` has 1 results, 2 are named",
        ),
        (
            "graph @g () {\n return\n %c = const i32[] 1\n}",
            "line 3, column 2: expected `}`: `return` ends a graph, found `%c`",
        ),
        ("description \"a", "line 1, column 13: the text in quotes does not end on its line"),
    ];
    for (text, expected) in cases {
        let error = parse(text).expect_err(text).to_string();
        assert!(error.contains(expected), "{text}\n  gives    {error}\n  expected {expected}");
    }
}

#[test]
fn nesting_is_bounded() {
    let text = format!("p {{a = {}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(parse_pipeline(&text).expect_err("too deep").problem.contains("nested"));
}

#[test]
fn pipelines_are_names_with_options() {
    let steps = parse_pipeline("fold_batch_norm,\n post_training_quantize {skip = [\"head\"], granularity = per_tensor}, // the end\n")
        .expect("a pipeline");
    let names: Vec<&str> = steps.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["fold_batch_norm", "post_training_quantize"]);
    assert_eq!(steps[1].1["granularity"], Attr::Word("per_tensor".into()));
    let text = planish_core::text::print_pipeline(steps.iter().map(|(name, attrs)| (name.as_str(), attrs)));
    assert_eq!(
        text,
        "fold_batch_norm, post_training_quantize {granularity = per_tensor, skip = [\"head\"]}"
    );
    assert_eq!(parse_pipeline(""), Ok(Vec::new()));
    assert_eq!(
        parse_pipeline("a b").expect_err("no comma").to_string(),
        "line 1, column 3: expected `,` before the next pass, found `b`"
    );
}

#[test]
fn types_that_are_left_out_are_inferred() {
    let model = parse("graph @g (%x: f32[2, 3]) {\n  %y = relu %x\n  return %y\n}").expect("relu's result has its operand's type");
    assert!(print(&model).contains("%y = relu %x : f32[2, 3]"));
}
