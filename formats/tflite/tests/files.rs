//! The bytes of a file: alignment, sharing, no trace of failure, and refusals that say why.

mod models;

use planish_core::attr::{Activation, Rounding};
use planish_core::{DType, Graph, Model, Quant, Tensor, Type, ValueInfo, op};
use planish_tflite::{Error, NewFile, WriteOptions, read, read_file, write, write_file, write_to};

/// Where a run of bytes lies in a file.
fn find(file: &[u8], wanted: &[u8]) -> Vec<usize> {
    (0..file.len().saturating_sub(wanted.len() - 1))
        .filter(|&at| file[at..].starts_with(wanted))
        .collect()
}

fn floats(tensor: &Tensor) -> Vec<u8> {
    tensor.bytes().into_owned()
}

#[test]
fn data_is_aligned() {
    for (name, model) in models::all() {
        let file = write(&model).expect("the model can be written");
        for (_, graph) in model.graphs() {
            for id in graph.ids() {
                let constants = graph.results_of(id).into_iter().filter_map(|v| graph.constant(v));
                for constant in constants.filter(|c| c.elements() > 8) {
                    let places = find(&file, &floats(constant));
                    assert!(name == "rounded" || places.iter().any(|at| at % 16 == 0), "{name}: {places:?}");
                }
            }
        }
    }
}

#[test]
fn equal_data_is_stored_once() {
    let data = models::noise(1000, 7);
    let mut graph = Graph::new("main");
    let x = models::batch(&mut graph, "x", &[20]);
    let square = Tensor::from_vec(&[20, 50], data.clone());
    // The same elements three times: as they are, copied, and gathered from a transposed copy.
    let copy = Tensor::from_vec(&[20, 50], data.clone());
    let turned = Tensor::from_vec(&[50, 20], copy.transposed(&[1, 0]).expect("a matrix").to_vec::<f32>());
    let same = turned.transposed(&[1, 0]).expect("a matrix");
    let mut results = vec![x];
    for tensor in [square.clone(), square.clone(), copy, same] {
        results.push(graph.add_const(tensor));
    }
    graph.set_results(&results);
    let names = ["x", "a", "b", "c", "d"];
    let file = write(&models::model(graph, &["x"], &names)).expect("the model can be written");
    assert_eq!(find(&file, &floats(&square)).len(), 1);
    assert!(file.len() < 4000 + 1500);
}

#[test]
fn few_bytes_are_shared_however_they_are_stored() {
    let data = models::noise(12, 7);
    let mut graph = Graph::new("main");
    let x = models::batch(&mut graph, "x", &[4]);
    let square = Tensor::from_vec(&[4, 3], data);
    let turned = square.transposed(&[1, 0]).expect("a matrix");
    let copied = Tensor::from_vec(&[3, 4], turned.to_vec::<f32>());
    let same = copied.transposed(&[1, 0]).expect("a matrix");
    let values = [square.clone(), same].map(|tensor| graph.add_const(tensor));
    graph.set_results(&[x, values[0], values[1]]);
    let file = write(&models::model(graph, &["x"], &["x", "a", "b"])).expect("the model can be written");
    assert_eq!(find(&file, &floats(&square)).len(), 1);
}

#[test]
fn signatures_share_weights() {
    let mut model = models::dense();
    let weights = model.graphs().next().expect("one graph").1.clone();
    let mut second = Graph::new("second");
    let x = models::batch(&mut second, "x", &[24]);
    let constants: Vec<Tensor> = weights
        .ids()
        .into_iter()
        .flat_map(|id| weights.results_of(id))
        .filter_map(|v| weights.constant(v).cloned())
        .collect();
    let operands = [x, second.add_const(constants[0].clone()), second.add_const(constants[1].clone())];
    let y = second.add(models::fully_connected(Activation::None), &operands);
    second.set_results(&[y]);
    let one = write(&model).expect("the model can be written").len();
    let graph = model.add_graph(second);
    let signature = planish_core::Signature {
        name: "raw".into(),
        graph,
        inputs: vec!["x".into()],
        outputs: vec!["y".into()],
    };
    model.signatures.push(signature);
    let two = write(&model).expect("the model can be written").len();
    assert!(two - one < 500, "{one} bytes became {two}");
}

#[test]
fn every_operation_without_an_operator_is_listed() {
    let model = models::foreign();
    let Err(error @ Error::NoOperator(_)) = write(&model) else {
        panic!("it has no operators")
    };
    let text = error.to_string();
    assert!(
        text.contains("Bincount") && text.contains("counts") && text.contains("Unheard"),
        "{text}"
    );
    let flex = WriteOptions {
        select_tf_ops: true,
        custom_ops: false,
    };
    let Err(Error::NoOperator(left)) = write_to(&model, &flex, &mut Vec::new()) else {
        panic!("one has no definition")
    };
    assert_eq!(left.iter().map(|o| o.op.as_str()).collect::<Vec<_>>(), ["Unheard"]);
    let mut file = Vec::new();
    write_to(
        &model,
        &WriteOptions {
            select_tf_ops: true,
            custom_ops: true,
        },
        &mut file,
    )
    .expect("all is allowed");
    assert_eq!(find(&file, b"FlexBincount\0").len(), 1);
    // A vector of two texts, as a FlexBuffer.
    let options = b"\x08Bincount\0\x03\x0a\x01\x41\0\x02\x0f\x06\x14\x14\x04\x28\x01";
    assert_eq!(find(&file, options).len(), 1);
}

#[test]
fn custom_options_are_a_flexbuffer_map() {
    let mut file = Vec::new();
    write_to(
        &models::foreign(),
        &WriteOptions {
            select_tf_ops: false,
            custom_ops: true,
        },
        &mut file,
    )
    .expect("all is allowed");
    assert_eq!(find(&file, b"FlexBincount").len(), 0);
    assert_eq!(find(&file, b"Bincount\0").len(), 1);
    // The key, the keys' vector, the map with one 16-bit integer, its type, and the root.
    let options = b"N\0\x01\x03\x01\x00\x01\x00\x01\x00\x2c\x01\x05\x03\x25\x01";
    assert_eq!(find(&file, options).len(), 1, "{file:?}");
}

#[test]
fn code_that_is_bound_to_its_place_is_refused() {
    let file = |option: &str| {
        let options: String = option.bytes().map(|byte| format!("{byte:02x}")).collect();
        let graph = format!(
            "graph @main (%x: f32[2]) {{\n  %y = custom %x {{name = \"DISPATCH_OP\", options = hex \"{options}\", version = 1}} : f32[2]\n  return %y\n}}\n"
        );
        write(&planish_core::text::parse(&graph).expect("a model")).expect("it is written")
    };
    assert!(read(file("threads")).is_ok());
    let error = read(file("bytecode_offset"))
        .expect_err("what lies there is not carried along")
        .to_string();
    assert!(error.contains("DISPATCH_OP") && error.contains("NPU"), "{error}");
}

#[test]
fn a_model_without_a_graph_is_refused() {
    assert!(matches!(write(&Model::new()), Err(Error::Model { .. })));
}

#[test]
fn models_that_contradict_themselves_are_refused() {
    let dense = models::dense();
    let (id, graph) = dense.graphs().next().expect("one graph");
    let with = |changed: Graph| {
        let mut model = dense.clone();
        *model.graph_mut(id) = changed;
        model
    };
    let mut empty = graph.clone();
    empty.set_operand(empty.return_op(), 0, None);
    let mut along_nothing = graph.clone();
    let quant = Quant::symmetric_per_axis(3, vec![0.5, 0.25]).expect("positive scales");
    let ty = Type::fixed(DType::I8, &[1, 24]).with_quant(Some(quant));
    let rounding = Rounding::Nearest;
    along_nothing.add_typed(op::Quantize { rounding }, &[along_nothing.parameters()[0]], ty);
    let mut split = graph.clone();
    let operands = [split.add_int(1), split.parameters()[0]].map(Some);
    let parts = Type::fixed(DType::F32, &[1, 8]);
    split.add_declared(op::Split { num: 3 }, &operands, vec![ValueInfo::new(parts)]);
    let mut named_twice = dense.clone();
    named_twice.signatures.push(dense.signatures[0].clone());
    let models = [
        (with(empty), "return"),
        (with(along_nothing), "quantize"),
        (with(split), "split"),
        (named_twice, "signature `serving_default`"),
    ];
    for (model, place) in models {
        match write(&model) {
            Err(Error::Model { place: found, .. }) => assert!(found.contains(place), "{found}"),
            other => panic!("{place}: {:?}", other.map(|file| file.len())),
        }
    }
}

#[test]
fn nothing_is_left_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.tflite");
    write_file(&models::foreign(), &path).expect_err("it has no operators");
    assert_eq!(std::fs::read_dir(folder.path()).expect("the folder").count(), 0);
    write_file(&models::dense(), &path).expect("the model can be written");
    write_file(&models::looped(), &path).expect("it can be replaced");
    assert_eq!(std::fs::read_dir(folder.path()).expect("the folder").count(), 1);
    assert_eq!(
        std::fs::read(&path).expect("the file"),
        write(&models::looped()).expect("the model can be written")
    );
    let nowhere = folder.path().join("no").join("such").join("folder.tflite");
    assert!(matches!(write_file(&models::dense(), nowhere), Err(Error::Write { .. })));
}

#[test]
fn a_file_may_replace_the_one_it_was_read_from() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.tflite");
    write_file(&models::dense(), &path).expect("the model can be written");
    let model: Model = read_file(&path).expect("it can be read");
    write_file(&model, &path).expect("it can be replaced");
    assert_eq!(
        std::fs::read(&path).expect("the file"),
        write(&model).expect("the model can be written")
    );
}

#[cfg(unix)]
#[test]
fn what_is_replaced_hands_its_permissions_on_and_stays_until_then() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.tflite");
    let old = b"what was there before";
    for mode in [0o600, 0o444] {
        let _ = std::fs::remove_file(&path);
        std::fs::write(&path, old).expect("it can be written");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("it is ours");
        let old_file = std::fs::File::open(&path).expect("we may read it");
        write_file(&models::dense(), &path).expect("it can be replaced");
        let metadata = std::fs::metadata(&path).expect("the file");
        assert_eq!(metadata.mode() & 0o777, mode);
        assert_ne!(metadata.ino(), old_file.metadata().expect("the old file").ino());
    }
    // A folder in its place cannot be moved over.
    let new = NewFile::create(&path).expect("it can be begun");
    std::fs::remove_file(&path).expect("it is ours");
    std::fs::create_dir(&path).expect("a folder");
    new.place().expect_err("a folder stands there");
    assert!(path.is_dir());
    assert_eq!(std::fs::read_dir(folder.path()).expect("the folder").count(), 1);
}

#[cfg(unix)]
#[test]
fn pipes_and_devices_are_written_to_but_not_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let pipe = folder.path().join("pipe.tflite");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("every unix has it");
    assert!(made.success());
    // Nobody writes to it: waiting for that would take forever.
    assert!(matches!(read_file(&pipe), Err(Error::Read { .. })));
    assert!(matches!(read_file("/dev/zero"), Err(Error::Read { .. })));
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || std::fs::read(pipe).expect("the other end writes")
    });
    write_file(&models::dense(), &pipe).expect("a pipe takes bytes in order");
    let whole = write(&models::dense()).expect("the model can be written");
    assert_eq!(reader.join().expect("the reader ends"), whole);
    assert!(matches!(write_file(&models::dense(), "/dev/full"), Err(Error::Write { .. })));
    assert_eq!(std::fs::read_dir(folder.path()).expect("the folder").count(), 1);
}
