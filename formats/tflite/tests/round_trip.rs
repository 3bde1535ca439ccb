//! What is written is read again, and written the same.

mod models;

use planish_core::attr::Rounding;
use planish_core::{DType, Model, Op, OpKind, Tensor};
use planish_tflite::{read, write};
use proptest::prelude::*;

fn bytes(model: &Model) -> Vec<u8> {
    write(model).expect("the model can be written")
}

fn again(model: &Model) -> Model {
    read(bytes(model)).expect("what was written can be read")
}

#[test]
fn reading_what_was_written_gives_the_same_model() {
    for (name, model) in models::all() {
        planish_core::verify::verify(&model).unwrap_or_else(|e| panic!("{name}: {e}"));
        let back = again(&model);
        planish_core::verify::verify(&back).unwrap_or_else(|e| panic!("{name} read back: {e}"));
        assert_eq!(back.signatures, model.signatures, "{name}");
        let names = |m: &Model| m.graphs().map(|(_, g)| g.name().to_owned()).collect::<Vec<_>>();
        assert_eq!(names(&back), names(&model), "{name}");
        assert_eq!(bytes(&back), bytes(&model), "{name}: written, read and written again");
        if name != "rounded" {
            let shape = |m: &Model| {
                m.graphs()
                    .map(|(_, g)| g.order().iter().map(|&o| g.op(o).clone()).collect::<Vec<_>>())
                    .collect::<Vec<_>>()
            };
            let sorted = |m: &Model| {
                shape(m)
                    .into_iter()
                    .map(|mut ops| {
                        ops.sort_by_key(Op::kind);
                        ops
                    })
                    .collect::<Vec<_>>()
            };
            assert_eq!(sorted(&back), sorted(&model), "{name}");
        }
    }
}

#[test]
fn writing_twice_gives_identical_bytes() {
    for (name, model) in models::all() {
        assert_eq!(bytes(&model), bytes(&model.clone()), "{name}");
    }
}

#[test]
fn rounding_on_the_way_gives_the_rounded_constant() {
    let model = models::rounded();
    let back = again(&model);
    let (_, graph) = back.graphs().next().expect("one graph");
    assert!(graph.ids().iter().all(|&id| graph.op(id).kind() != OpKind::Quantize));
    let (_, before) = model.graphs().next().expect("one graph");
    let quantize = before
        .ids()
        .into_iter()
        .find(|&id| before.op(id).kind() == OpKind::Quantize)
        .expect("it is there");
    let real = before
        .constant(before.operand(quantize, 0).expect("it has an operand"))
        .expect("a constant");
    let ty = before.ty(before.results_of(quantize)[0]);
    let rounded = planish_core::quantize::quantize(real, ty, Rounding::Nearest).expect("reals can be rounded");
    let conv = graph
        .ids()
        .into_iter()
        .find(|&id| graph.op(id).kind() == OpKind::Conv2d)
        .expect("it is there");
    assert_eq!(graph.constant(graph.operand(conv, 1).expect("weights")), Some(&rounded));
}

#[test]
fn effects_keep_their_order() {
    let back = again(&models::counter());
    let (_, graph) = back.graphs().next().expect("one graph");
    let kinds: Vec<OpKind> = graph.order().iter().map(|&id| graph.op(id).kind()).collect();
    let place = |kind| kinds.iter().position(|&k| k == kind).expect("it is there");
    let last_read = kinds.iter().rposition(|&k| k == OpKind::ReadVariable).expect("it is there");
    assert!(place(OpKind::ReadVariable) < place(OpKind::AssignVariable));
    assert!(place(OpKind::AssignVariable) < last_read);
    let mut swept = back.clone();
    swept.sweep();
    assert_eq!(bytes(&swept), bytes(&back));
}

#[test]
fn metadata_and_associated_files_are_kept() {
    let mut model = models::dense();
    model.description = "a test".into();
    model.metadata.insert("NOTE".into(), b"kept".to_vec());
    let archive = zip_of("labels.txt", b"cat\ndog\n");
    model.metadata.insert(planish_tflite::ASSOCIATED_FILES.into(), archive.clone());
    let file = bytes(&model);
    let base = file.len() - archive.len();
    let offset = u32::from_le_bytes(file[file.len() - 6..file.len() - 2].try_into().expect("four bytes")) as usize;
    assert!(
        file[offset..].starts_with(b"PK\x01\x02"),
        "the archive's directory is where its end says"
    );
    assert!(file[base..].starts_with(b"PK\x03\x04"));
    let back = again(&model);
    assert_eq!(back.description, "a test");
    assert_eq!(back.metadata["NOTE"], b"kept");
    assert_eq!(bytes(&back), file);
}

/// An archive of one file, stored as it is.
fn zip_of(name: &str, data: &[u8]) -> Vec<u8> {
    let fields = |numbers: &[(u32, usize)]| {
        numbers
            .iter()
            .flat_map(|(n, len)| n.to_le_bytes()[..*len].to_vec())
            .collect::<Vec<u8>>()
    };
    let (size, name_len) = (data.len() as u32, name.len() as u32);
    let common = [(20, 2), (0, 2), (0, 2), (0, 4), (0, 4), (size, 4), (size, 4), (name_len, 2), (0, 2)];
    let mut out = [b"PK\x03\x04".to_vec(), fields(&common), name.as_bytes().to_vec(), data.to_vec()].concat();
    let directory = out.len() as u32;
    let rest = [(0, 2), (0, 2), (0, 2), (0, 4), (0, 4)];
    out.extend(
        [
            b"PK\x01\x02".to_vec(),
            fields(&[(20, 2)]),
            fields(&common),
            fields(&rest),
            name.as_bytes().to_vec(),
        ]
        .concat(),
    );
    let length = out.len() as u32 - directory;
    out.extend(
        [
            b"PK\x05\x06".to_vec(),
            fields(&[(0, 4), (1, 2), (1, 2), (length, 4), (directory, 4), (0, 2)]),
        ]
        .concat(),
    );
    out
}

proptest! {
    #[test]
    fn any_view_of_any_constant_is_written_as_its_elements(
        dims in prop::collection::vec(1usize..6, 1..4), turn in 0usize..6, seed in any::<u32>(), wide in any::<bool>(),
    ) {
        let count = dims.iter().product();
        let plain = Tensor::from_vec(&dims, models::noise(count, seed));
        let plain = if wide { plain } else { Tensor::from_vec(&dims, plain.to_vec::<f32>().iter().map(|x| (x * 100.0) as i8).collect()) };
        let mut permutation: Vec<usize> = (0..dims.len()).collect();
        permutation.rotate_left(turn % dims.len());
        if turn > 2 {
            permutation.reverse();
        }
        let view = plain.transposed(&permutation).expect("a permutation");
        let mut graph = planish_core::Graph::new("main");
        let value = graph.add_const(view.clone());
        graph.set_results(&[value]);
        let back = again(&models::model(graph, &[], &["constant"]));
        let (_, graph) = back.graphs().next().expect("one graph");
        prop_assert_eq!(graph.constant(graph.results()[0]), Some(&view));
        prop_assert_eq!(view.dtype() == DType::F32, wide);
    }
}

#[test]
fn several_results_may_have_no_name() {
    let mut model = models::dense();
    let (id, graph) = model.graphs().next().expect("one graph");
    let result = graph.results()[0];
    model.graph_mut(id).set_results(&[result; 3]);
    model.signatures[0].outputs = vec![String::new(), "logits".into(), String::new()];
    let back = again(&model);
    let mut names = back.signatures[0].outputs.clone();
    names.sort();
    assert_eq!(names, ["", "", "logits"]);
    assert_eq!(bytes(&back), bytes(&again(&back)));
}
