//! The verbs of the command line, one file each, and what they share: arguments, errors, and where output goes.

use std::error::Error;
use std::io::{self, IsTerminal, Write};

use clap::{Parser, Subcommand};

mod convert;
mod inspect;
#[cfg(unix)]
mod interrupt;
mod model_arguments;
mod npz;
mod passes;
mod places;
mod progress;
mod run;
mod size;

/// What a verb ends with.
type Outcome = Result<(), Box<dyn Error>>;

/// Makes a trained neural network small and fast.
#[derive(Parser)]
#[command(name = "planish", version, about, max_term_width = 120)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Convert(convert::Arguments),
    Inspect(inspect::Arguments),
    Passes(passes::Arguments),
    Run(run::Arguments),
}

/// Runs the command line; returns the exit status.
pub(crate) fn main() -> i32 {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return i32::from(error.use_stderr());
        }
    };
    let mut out = io::BufWriter::new(io::stdout().lock());
    match run(arguments.verb, &mut out).and_then(|()| Ok(out.flush()?)) {
        Ok(()) => 0,
        Err(error) if closed_pipe(&*error) => 0,
        Err(error) => {
            let _ = out.flush();
            let bold = io::stderr().is_terminal();
            let (start, end) = if bold { ("\x1b[1;31m", "\x1b[0m") } else { ("", "") };
            let _ = writeln!(io::stderr(), "{start}error:{end} {}", printable(&with_causes(&*error)));
            1
        }
    }
}

fn run(verb: Verb, out: &mut dyn Write) -> Outcome {
    #[cfg(unix)]
    interrupt::leave_nothing_behind()?;
    match verb {
        Verb::Convert(arguments) => convert::run(arguments, out),
        Verb::Inspect(arguments) => inspect::run(arguments, out),
        Verb::Passes(arguments) => passes::run(arguments, out),
        Verb::Run(arguments) => run::run(arguments, out),
    }
}

/// How much of a message is shown: names in a model may be of any length.
const MOST_SHOWN: usize = 8000;

/// A message whose names cannot move the cursor, nor fill the screen.
fn printable(message: &str) -> String {
    let shown = message.char_indices().nth(MOST_SHOWN).map_or(message.len(), |(end, _)| end);
    let mut text = String::with_capacity(shown);
    for c in message[..shown].chars() {
        match c {
            '\n' | '\t' => text.push(c),
            c if c.is_control() => text.extend(c.escape_default()),
            c => text.push(c),
        }
    }
    if shown < message.len() {
        text.push_str(&format!(" … ({} bytes more)", message.len() - shown));
    }
    text
}

/// A name or a reason from a model, on one line.
fn one_line(text: &str) -> String {
    printable(text).replace('\n', "\\n").replace('\t', "\\t")
}

/// Whether whoever read our output has enough of it.
fn closed_pipe(error: &(dyn Error + 'static)) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
}

/// An error with its causes on one line; a cause that the message before it already tells is left out, and so is how a
/// library breaks its lines.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        let lines = more.lines().map(str::trim).filter(|line| !line.is_empty());
        let more = lines.collect::<Vec<_>>().join(", ");
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_do_not_move_the_cursor_nor_go_on_for_ever() {
        assert_eq!(printable("op `a\u{1b}[2J`\n\tline"), "op `a\\u{1b}[2J`\n\tline");
        assert_eq!(one_line("a\u{1b}[2J\n\tline"), "a\\u{1b}[2J\\n\\tline");
        let long = printable(&"é".repeat(MOST_SHOWN + 5));
        assert!(long.ends_with(" … (10 bytes more)") && long.chars().count() < MOST_SHOWN + 30);
    }
}
