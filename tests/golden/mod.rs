//! Golden files: compared, and rewritten only where `BLESS=1` says so.

use std::fs;
use std::path::Path;

/// Compares a text with the golden file of this name.
///
/// # Panics
/// Where they differ; the message shows the first line that does.
pub(crate) fn compare(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, text).expect("golden files can be written");
        return;
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    if golden == text {
        return;
    }
    let end = "(the end)";
    let lines = |text: &'static str| text.lines().chain([end]);
    let (golden, text): (&'static str, &'static str) = (golden.leak(), text.to_owned().leak());
    let difference = lines(golden).zip(lines(text)).enumerate().find(|(_, (a, b))| a != b);
    let (line, (before, now)) = difference.expect("texts that differ do so in a line");
    panic!(
        "tests/golden/{name}, line {}:\n  golden {before}\n  now    {now}\nrun with BLESS=1 to accept, and read the difference",
        line + 1
    );
}
