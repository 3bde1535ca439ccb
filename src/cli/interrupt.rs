//! What an interrupt does: it ends the process as ever, but leaves no unfinished file behind.

use std::io;
use std::thread;

use planish::tflite::NewFile;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

/// From here on files that are being written are removed where the process is told to end.
pub(super) fn leave_nothing_behind() -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    thread::spawn(move || {
        for signal in signals.forever() {
            let _none_begins = NewFile::remove_unfinished();
            emulate_default_handler(signal).expect("both are signals that a process ends by");
        }
    });
    Ok(())
}
