//! Options of passes from attributes: defaults, kinds, and errors that say what is legal.

use std::collections::BTreeMap;

use planish_core::attr::{Attr, Attrs};
use planish_core::options::{from_attrs, to_attrs};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Granularity {
    Tensor,
    Channel,
    Block { size: u32 },
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Limits {
    least: u32,
    most: Option<u32>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Options {
    granularity: Granularity,
    skip: Vec<String>,
    threshold: f32,
    limits: Limits,
    target: String,
    note: Option<String>,
    by_name: BTreeMap<String, i64>,
    pair: (u8, bool),
}

impl Default for Options {
    fn default() -> Options {
        Options {
            granularity: Granularity::Channel,
            skip: Vec::new(),
            threshold: 0.1,
            limits: Limits { least: 1024, most: None },
            target: "litert".into(),
            note: None,
            by_name: BTreeMap::new(),
            pair: (1, true),
        }
    }
}

fn word(w: &str) -> Attr {
    Attr::Word(w.into())
}

fn attrs<const N: usize>(pairs: [(&str, Attr); N]) -> Attrs {
    pairs.into_iter().map(|(name, attr)| (name.to_owned(), attr)).collect()
}

fn error_of(given: Attrs) -> String {
    from_attrs::<Options>(given).expect_err("these are not legal").to_string()
}

#[test]
fn options_survive_attributes() {
    let options = Options {
        granularity: Granularity::Block { size: 32 },
        skip: vec!["head".into(), "a b".into()],
        limits: Limits { least: 0, most: Some(7) },
        note: Some("x".into()),
        by_name: BTreeMap::from([("a".into(), -1)]),
        ..Options::default()
    };
    let written = to_attrs(&options).expect("plain data");
    assert_eq!(from_attrs::<Options>(written).expect("the same data"), options);
}

#[test]
fn what_is_left_out_has_its_default_at_every_depth() {
    assert_eq!(from_attrs::<Options>(Attrs::new()), Ok(Options::default()));
    let given = attrs([
        ("limits", Attr::Map(attrs([("most", Attr::Int(5))]))),
        ("granularity", word("tensor")),
    ]);
    let options: Options = from_attrs(given).expect("legal options");
    assert_eq!(
        options.limits,
        Limits {
            least: 1024,
            most: Some(5)
        }
    );
    assert_eq!(options.granularity, Granularity::Tensor);
}

#[test]
fn words_are_text_and_integers_are_reals() {
    let given = attrs([
        ("target", word("planish")),
        ("threshold", Attr::Int(2)),
        ("note", Attr::Text("none".into())),
    ]);
    let options: Options = from_attrs(given).expect("legal options");
    assert_eq!(
        (options.target.as_str(), options.threshold, options.note.as_deref()),
        ("planish", 2.0, Some("none"))
    );
}

#[test]
fn defaults_are_written_as_people_write_them() {
    let written = to_attrs(&Options::default()).expect("plain data");
    assert_eq!(written["granularity"], word("channel"));
    assert_eq!(written["threshold"], Attr::Float(0.1));
    assert_eq!(written["note"], word("none"));
}

#[test]
fn errors_say_what_is_legal() {
    assert_eq!(
        error_of(attrs([("skp", Attr::Bool(true))])),
        "there is no option `skp`; the options are granularity, skip, threshold, limits, target, note, by_name, pair"
    );
    assert_eq!(
        error_of(attrs([("granularity", word("per_row"))])),
        "option `granularity`: there is no choice `per_row`; expected one of tensor, channel, block"
    );
    let nested = attrs([("limits", Attr::Map(attrs([("least", Attr::Text("x".into()))])))]);
    assert_eq!(error_of(nested), "option `limits.least`: invalid type: string \"x\", expected u32");
    let nested = attrs([("limits", Attr::Map(attrs([("lest", Attr::Int(1))])))]);
    assert_eq!(
        error_of(nested),
        "option `limits`: there is no option `lest`; the options are least, most"
    );
    assert!(error_of(attrs([("skip", Attr::Bool(true))])).starts_with("option `skip`: invalid type"));
    assert!(error_of(attrs([("pair", Attr::List(vec![Attr::Int(300), Attr::Bool(true)]))])).starts_with("option `pair`: invalid value"));
}
