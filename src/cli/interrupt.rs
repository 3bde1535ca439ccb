//! What an interrupt does: it ends the process as ever, but leaves no unfinished file behind.

use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;

use planish::tflite::NewFile;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXFSZ};
use signal_hook::flag;
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

/// What tells a process to end.
const ENDINGS: [i32; 4] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM];

/// From here on files that are being written are removed where the process is told to end, and a file that grows too large is an
/// error of the write.
pub(super) fn leave_nothing_behind() -> io::Result<()> {
    // Where the signal is taken, be it for nothing, the write goes on to fail.
    flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)))?;
    let ignored = ignored();
    let mut signals = Signals::new(ENDINGS.into_iter().filter(|signal| ignored & bit(*signal) == 0))?;
    let wait = move || {
        for signal in signals.forever() {
            let _none_begins = NewFile::remove_unfinished();
            emulate_default_handler(signal).expect("all are signals that a process ends by");
        }
    };
    thread::Builder::new().spawn(wait).map_err(|e| {
        let limit = "allow more processes or threads (`ulimit -u`)";
        io::Error::new(e.kind(), format!("cannot make the thread that waits for interrupts: {e}; {limit}"))
    })?;
    Ok(())
}

fn bit(signal: i32) -> u64 {
    1 << (signal - 1)
}

/// The signals that whoever started the process told it to ignore, as `nohup` does, a bit for each. Where the system does not
/// tell, a hang-up may be one.
fn ignored() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(bit(SIGHUP))
}
