//! Small files that ask for much: they cost bounded time and memory, and end in one message.

mod saved;

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use planish_core::op::{Op, OpKind};
use planish_saved_model::{Error, Reader, read};
use saved::{Variable, saved_model};

const X: &str = r#"node { name: "x" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } } }"#;
const X_TO_Y: &str = r#"
    inputs { key: "x" value { name: "x:0" dtype: DT_FLOAT tensor_shape { dim { size: 1 } dim { size: 2 } } } }
    outputs { key: "y" value { name: "y:0" dtype: DT_FLOAT } }
"#;

/// Reads a graph within a time that is far beyond what it takes.
fn read_soon(graph: &str) -> Result<planish_core::Model, Error> {
    let dir = saved_model(&format!("{X} {graph}"), X_TO_Y, &[]);
    let started = Instant::now();
    let result = read(dir.path());
    let taken = started.elapsed();
    assert!(taken < Duration::from_secs(60), "it took {taken:?}");
    result
}

fn refusal(graph: &str) -> String {
    read_soon(graph).expect_err("it asks for too much").to_string()
}

fn constant(name: &str, dtype: &str, dims: &[u64]) -> String {
    let dims: String = dims.iter().map(|d| format!("dim {{ size: {d} }} ")).collect();
    format!(
        r#"node {{ name: "{name}" op: "Const" attr {{ key: "dtype" value {{ type: {dtype} }} }}
           attr {{ key: "value" value {{ tensor {{ dtype: {dtype} tensor_shape {{ {dims} }} }} }} }} }} "#
    )
}

#[test]
fn one_value_does_not_stand_for_too_many() {
    let sum = r#"node { name: "y" op: "AddV2" input: "x" input: "c" }"#;
    for dims in [&[1 << 36, 2][..], &[1 << 30, 2]] {
        let text = refusal(&(constant("c", "DT_FLOAT", dims) + sum));
        assert!(text.contains("c (Const)") && text.contains("too large"), "{text}");
    }
    let mut many: String = (0..40).map(|i| constant(&format!("c{i}"), "DT_FLOAT", &[1 << 24, 2])).collect();
    many += r#"node { name: "y" op: "AddN" input: "x" "#;
    (0..40).for_each(|i| many += &format!(r#"input: "c{i}" "#));
    many += "}";
    let text = refusal(&many);
    assert!(text.contains("too large"), "{text}");
}

#[test]
fn half_precision_stays_one_value() {
    let graph = constant("c", "DT_HALF", &[1 << 24, 2]) + r#"node { name: "y" op: "AddV2" input: "x" input: "c" }"#;
    let model = read_soon(&graph).expect("it is not too large");
    let (_, graph) = model.graphs().next().expect("one signature, one graph");
    let constants = graph.ids().into_iter().filter_map(|id| match graph.op(id) {
        Op::Const(op) => Some(op.value.is_splat()),
        _ => None,
    });
    assert_eq!(constants.collect::<Vec<_>>(), [true]);
}

/// A function of one argument and result with these nodes.
fn function(name: &str, nodes: &str, result: &str, more: &str) -> String {
    format!(
        r#"function {{ signature {{ name: "{name}" input_arg {{ name: "a" type: DT_FLOAT }} output_arg {{ name: "r" type: DT_FLOAT }} }}
           {nodes} ret {{ key: "r" value: "{result}" }} {more} }} "#
    )
}

fn call(kind: &str, name: &str, input: &str, function: &str) -> String {
    format!(
        r#"{kind} {{ name: "{name}" op: "StatefulPartitionedCall" input: "{input}" attr {{ key: "f" value {{ func {{ name: "{function}" }} }} }} }} "#
    )
}

#[test]
fn functions_that_multiply_are_refused() {
    let mut library = function("f0", r#"node_def { name: "n" op: "Relu" input: "a" }"#, "n:activations:0", "");
    for i in 1..40 {
        let inner = format!("f{}", i - 1);
        let nodes = call("node_def", "c", "a", &inner) + &call("node_def", "d", "c:output:0", &inner);
        library += &function(&format!("f{i}"), &nodes, "d:output:0", "");
    }
    let text = refusal(&format!("{} library {{ {library} }}", call("node", "y", "x", "f39")));
    assert!(text.contains("function calls"), "{text}");
}

#[test]
fn a_large_function_is_not_entered_too_often() {
    let mut nodes = String::new();
    (0..4000).for_each(|i| write!(nodes, r#"node_def {{ name: "n{i}" op: "Relu" input: "a" }} "#).expect("text grows"));
    let library = function("f", &nodes, "n7:activations:0", "");
    let mut graph = String::new();
    for i in 0..4000 {
        let input = if i == 0 { "x".to_owned() } else { format!("c{}", i - 1) };
        graph += &call("node", &format!("c{i}"), &input, "f");
    }
    let text = refusal(&format!(
        r#"{graph} node {{ name: "y" op: "Identity" input: "c3999" }} library {{ {library} }}"#
    ));
    assert!(text.contains("nodes"), "{text}");
}

#[test]
fn effects_are_followed_once() {
    let assign = r#"node_def { name: "v" op: "VarHandleOp" attr { key: "dtype" value { type: DT_FLOAT } } }
                    node_def { name: "s" op: "AssignVariableOp" input: "v:resource:0" input: "a" }"#;
    let twice = |node: &str| format!(r#"control_ret {{ key: "k1" value: "{node}" }} control_ret {{ key: "k2" value: "{node}" }}"#);
    let mut library = function("f0", assign, "a", &twice("s"));
    for i in 1..60 {
        library += &function(
            &format!("f{i}"),
            &call("node_def", "c", "a", &format!("f{}", i - 1)),
            "c:output:0",
            &twice("c"),
        );
    }
    let result = read_soon(&format!("{} library {{ {library} }}", call("node", "y", "x", "f59")));
    assert!(matches!(result, Err(Error::Variable { .. })), "{result:?}");
}

#[test]
fn calls_that_hand_on_their_argument_are_followed_once() {
    const CALLS: usize = 20_000;
    let mut graph = String::new();
    let mut sum = r#"node { name: "y" op: "AddN" "#.to_owned();
    for i in 0..CALLS {
        let input = if i == 0 { "x".to_owned() } else { format!("c{}", i - 1) };
        graph += &call("node", &format!("c{i}"), &input, "f");
        write!(sum, r#"input: "c{i}" "#).expect("text grows");
    }
    let library = function("f", "", "a", "");
    let model = read_soon(&format!("{graph} {sum} }} library {{ {library} }}")).expect("it is long, not wrong");
    let (_, graph) = model.graphs().next().expect("one signature, one graph");
    assert_eq!(graph.len(), 3);
}

#[test]
fn a_long_chain_does_not_exhaust_the_stack() {
    const LENGTH: usize = 100_000;
    let mut graph = String::new();
    for i in 0..LENGTH {
        let input = if i == 0 { "x".to_owned() } else { format!("n{}", i - 1) };
        write!(graph, r#"node {{ name: "n{i}" op: "Neg" input: "{input}" }} "#).expect("text grows");
    }
    let last = LENGTH - 1;
    let model = read_soon(&format!(r#"{graph} node {{ name: "y" op: "Identity" input: "n{last}" }}"#)).expect("it is long, not wrong");
    let (_, graph) = model.graphs().next().expect("one signature, one graph");
    assert!(graph.len() > LENGTH);
}

#[test]
fn objects_may_contain_each_other() {
    let dir = tempfile::tempdir().expect("there is a folder for temporary files");
    let mut objects = String::new();
    for i in 0..50_000 {
        let next = i + 1;
        write!(
            objects,
            r#"nodes {{ children {{ node_id: {next} local_name: "a_child" }} children {{ node_id: 0 local_name: "root" }}
               bare_concrete_function {{ concrete_function_name: "f{i}" }} }} "#
        )
        .expect("text grows");
    }
    let text = format!(
        "saved_model_schema_version: 1 meta_graphs {{ meta_info_def {{ tags: 'serve' }} graph_def {{ }} object_graph_def {{ {objects} }} }}"
    );
    std::fs::write(dir.path().join("saved_model.pbtxt"), text).expect("the folder is ours");
    let started = Instant::now();
    assert!(matches!(read(dir.path()), Err(Error::Choice(_) | Error::Graph { .. })));
    assert!(started.elapsed() < Duration::from_secs(60));
}

#[test]
fn nesting_is_bounded() {
    let deep = "node { attr { key: 'a' value { list { func { attr { value { ".repeat(200_000);
    let dir = saved_model(X, X_TO_Y, &[]);
    std::fs::write(dir.path().join("saved_model.pbtxt"), format!("meta_graphs {{ graph_def {{ {deep}")).expect("the folder is ours");
    let text = read(dir.path()).expect_err("it never ends").to_string();
    assert!(text.contains("nested"), "{text}");
    std::fs::write(dir.path().join("saved_model.pb"), vec![0x7b; 1 << 20]).expect("the folder is ours");
    let text = read(dir.path()).expect_err("groups in groups").to_string();
    assert!(text.contains("parse"), "{text}");
}

/// A model with a table that is filled from the asset `name`.
fn with_vocabulary(name: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("there is a folder for temporary files");
    let text = format!(
        r#"saved_model_schema_version: 1 meta_graphs {{ meta_info_def {{ tags: 'serve' }}
           asset_file_def {{ tensor_info {{ name: "asset:0" }} filename: "{name}" }}
           graph_def {{
             node {{ name: "words" op: "Placeholder" attr {{ key: "dtype" value {{ type: DT_STRING }} }} }}
             node {{ name: "asset" op: "Const" attr {{ key: "dtype" value {{ type: DT_STRING }} }}
               attr {{ key: "value" value {{ tensor {{ dtype: DT_STRING tensor_shape {{ }} string_val: "vocabulary" }} }} }} }}
             node {{ name: "table" op: "HashTableV2" attr {{ key: "key_dtype" value {{ type: DT_STRING }} }}
               attr {{ key: "value_dtype" value {{ type: DT_INT64 }} }} }}
             node {{ name: "fill" op: "InitializeTableFromTextFileV2" input: "table" input: "asset"
               attr {{ key: "key_index" value {{ i: -2 }} }} attr {{ key: "value_index" value {{ i: -1 }} }} }}
             node {{ name: "unknown" op: "Const" attr {{ key: "dtype" value {{ type: DT_INT64 }} }}
               attr {{ key: "value" value {{ tensor {{ dtype: DT_INT64 tensor_shape {{ }} int64_val: -1 }} }} }} }}
             node {{ name: "y" op: "LookupTableFindV2" input: "table" input: "words" input: "unknown" }}
           }}
           collection_def {{ key: "table_initializer" value {{ node_list {{ value: "fill" }} }} }}
           signature_def {{ key: "serving_default" value {{
             inputs {{ key: "words" value {{ name: "words:0" dtype: DT_STRING tensor_shape {{ dim {{ size: 1 }} }} }} }}
             outputs {{ key: "y" value {{ name: "y:0" dtype: DT_INT64 }} }} }} }} }}"#
    );
    std::fs::write(dir.path().join("saved_model.pbtxt"), text).expect("the folder is ours");
    std::fs::create_dir(dir.path().join("assets")).expect("the folder is ours");
    dir
}

/// The words that the model's table knows.
fn words(dir: &Path) -> Result<Vec<String>, Error> {
    let model = read(dir)?;
    let mut words = Vec::new();
    for (_, graph) in model.graphs() {
        let fillings = graph.ids().into_iter().filter(|&id| graph.op(id).kind() == OpKind::HashtableImport);
        for id in fillings {
            let keys = graph
                .constant(graph.operand(id, 1).expect("it has keys"))
                .expect("they are constant");
            words.extend(
                keys.to_strings()
                    .expect("strings")
                    .iter()
                    .map(|w| String::from_utf8_lossy(w).into_owned()),
            );
        }
    }
    Ok(words)
}

#[test]
fn assets_lie_in_the_model() {
    let dir = with_vocabulary("words.txt");
    std::fs::write(dir.path().join("assets/words.txt"), "one\ntwo\n").expect("the folder is ours");
    assert_eq!(words(dir.path()).expect("it is there"), ["one", "two"]);
    for name in ["../secret.txt", "/etc/passwd", "..", "assets/../../secret.txt"] {
        let dir = with_vocabulary(name);
        std::fs::write(dir.path().join("secret.txt"), "secret").expect("the folder is ours");
        assert!(words(dir.path()).is_err(), "{name}");
    }
}

#[cfg(unix)]
#[test]
fn links_do_not_lead_out_of_the_model() {
    use std::os::unix::fs::symlink;
    let elsewhere = tempfile::tempdir().expect("there is a folder for temporary files");
    let secret = elsewhere.path().join("secret.txt");
    std::fs::write(&secret, "secret").expect("the folder is ours");
    let dir = with_vocabulary("words.txt");
    let place = dir.path().join("assets/words.txt");
    symlink(&secret, &place).expect("the folder is ours");
    let text = words(dir.path()).expect_err("it is not the model's").to_string();
    assert!(text.contains("words.txt") && text.contains("leads out"), "{text}");
    // A store that keeps files under their hashes links to all of them.
    let graph = dir.path().join("saved_model.pbtxt");
    std::fs::rename(&graph, elsewhere.path().join("0123")).expect("the folders are ours");
    symlink(elsewhere.path().join("0123"), &graph).expect("the folder is ours");
    assert_eq!(words(dir.path()).expect("both are links to one folder"), ["secret"]);
}

#[cfg(unix)]
#[test]
fn pipes_and_devices_are_refused() {
    use std::os::unix::fs::symlink;
    let model = || {
        let weights = Variable {
            key: "kernel",
            dims: &[2],
            values: &[1., 2.],
        };
        saved_model(&format!(r#"{X} node {{ name: "y" op: "Neg" input: "x" }}"#), X_TO_Y, &[weights])
    };
    for file in [
        "variables/variables.index",
        "variables/variables.data-00000-of-00001",
        "saved_model.pbtxt",
    ] {
        for device in [true, false] {
            let dir = model();
            let path = dir.path().join(file);
            std::fs::remove_file(&path).expect("the folder is ours");
            if device {
                symlink("/dev/zero", &path).expect("the folder is ours");
            } else {
                let made = std::process::Command::new("mkfifo").arg(&path).status().expect("every unix has it");
                assert!(made.success());
            }
            let result = Reader::new(dir.path()).read();
            assert!(
                matches!(result, Err(Error::Read { .. } | Error::NotASavedModel { .. })),
                "{file}: {result:?}"
            );
        }
    }
}
