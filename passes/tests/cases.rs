//! What each pass does: `cases/<pass>.ir` holds titled models before and after it.
//!
//! ```text
//! // case: a bias moves into the convolution
//! // options: {…}                                    where it is not run with its defaults
//! graph @main (…) { … }
//! // left alone: add `sum`, because …                what the report says, a line each
//! // decided: conv_2d `y`, hybrid, because …
//! // after:                                          or `// after: nothing changes`
//! graph @main (…) { … }
//! ```
//!
//! Everything from the first `left alone`, `decided` or `after` on is written by `BLESS=1 cargo test -p planish-passes
//! --test cases`: write the model before, bless, read what came out.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use planish_core::{Model, PassEntry, PassManager, Verify, registry, text, verify};
use planish_passes as _;

const CASE: &str = "// case: ";
const OPTIONS: &str = "// options: ";
const WRITTEN: [&str; 3] = ["// left alone: ", "// decided: ", "// after:"];

/// The model's text, short where there is nothing but graphs.
fn print(model: &Model) -> String {
    if !model.signatures.is_empty() || !model.metadata.is_empty() || !model.description.is_empty() {
        return text::print(model);
    }
    let graphs: Vec<String> = model.graphs().map(|(id, _)| text::print_graph(model, id)).collect();
    graphs.join("")
}

/// What follows the model before: the report and the model after.
fn outcome(entry: &PassEntry, options: &str, before: &str) -> Result<String, String> {
    let mut model = text::parse(before).map_err(|e| format!("the model before is not in the text form: {e}"))?;
    verify::verify(&model).map_err(|e| format!("the model before is not valid: {e}"))?;
    let unchanged = print(&model);
    let manager = PassManager::parse(&format!("{} {options}", entry.name)).map_err(|e| e.to_string())?;
    let report = manager.verify(Verify::EveryPass).run(&mut model).map_err(|e| e.to_string())?;
    let mut out = String::new();
    for s in &report.skipped {
        writeln!(out, "{}{} `{}`, because {}", WRITTEN[0], s.kind, s.operation, s.because).expect("a string takes all");
    }
    for d in &report.decisions {
        writeln!(
            out,
            "{}{} `{}`, {}, because {}",
            WRITTEN[1], d.kind, d.operation, d.choice, d.because
        )
        .expect("a string takes all");
    }
    out.push_str(WRITTEN[2]);
    let after = print(&model);
    if after == unchanged {
        out.push_str(" nothing changes\n");
    } else {
        write!(out, "\n{after}").expect("a string takes all");
    }
    Ok(out)
}

/// One case as it should stand in its file.
fn blessed(entry: &PassEntry, case: &str) -> Result<String, String> {
    let (title, body) = case.split_once('\n').ok_or("the case has no model")?;
    let mut options = "";
    let mut before = String::new();
    for line in body.lines() {
        if WRITTEN.iter().any(|mark| line.starts_with(mark)) {
            break;
        }
        if let Some(given) = line.strip_prefix(OPTIONS) {
            options = given;
        }
        before.push_str(line);
        before.push('\n');
    }
    let before = before.trim_end();
    let outcome = outcome(entry, options, before).map_err(|e| format!("case `{title}`: {e}"))?;
    Ok(format!("{CASE}{title}\n{before}\n{outcome}\n"))
}

fn check(entry: &PassEntry) -> Result<(), String> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/cases")
        .join(format!("{}.ir", entry.name));
    let expected = fs::read_to_string(&path).map_err(|_| {
        format!(
            "tests/cases/{}.ir is missing: write a case with the model before, then run with BLESS=1",
            entry.name
        )
    })?;
    let mut cases = expected.split(CASE);
    let mut found = cases.next().unwrap_or_default().to_owned();
    for case in cases {
        found.push_str(&blessed(entry, case)?);
    }
    let found = format!("{}\n", found.trim_end());
    if found.matches(WRITTEN[2]).count() == found.matches("// after: nothing changes").count() {
        return Err("no case shows the pass changing anything".into());
    }
    if found == expected {
        return Ok(());
    }
    if std::env::var_os("BLESS").is_some() {
        return fs::write(&path, &found).map_err(|e| format!("{}: {e}", path.display()));
    }
    let differing = found.lines().zip(expected.lines()).position(|(a, b)| a != b);
    let line = differing.unwrap_or(found.lines().count().min(expected.lines().count()));
    Err(format!(
        "line {}\n  expected {}\n  found    {}\n  BLESS=1 rewrites the expectations; then read the difference",
        line + 1,
        expected.lines().nth(line).unwrap_or("the end"),
        found.lines().nth(line).unwrap_or("the end")
    ))
}

#[test]
fn every_pass_does_what_its_cases_say() {
    let entries = registry::passes().expect("no two passes have one name");
    assert!(!entries.is_empty(), "the passes are linked");
    let failures: Vec<String> = entries
        .iter()
        .filter_map(|entry| Some(format!("{}: {}", entry.name, check(entry).err()?)))
        .collect();
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

#[test]
fn every_case_file_is_of_a_pass() {
    let entries = registry::passes().expect("no two passes have one name");
    for file in fs::read_dir(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cases")).expect("the folder is there") {
        let path = file.expect("the folder can be read").path();
        let name = path.file_stem().and_then(|s| s.to_str()).unwrap_or_default().to_owned();
        assert!(entries.iter().any(|e| e.name == name), "there is no pass for {}", path.display());
    }
}
