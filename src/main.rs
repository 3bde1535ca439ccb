//! The command line `planish`.

#![forbid(unsafe_code)]

mod cli;

fn main() {
    // Leaves at once, without giving back a large model's memory piece by piece.
    std::process::exit(cli::main());
}
