//! The text console behind a framebuffer, which would write over the picture.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicI32, Ordering};

use rustix::ioctl::{IntegerSetter, Opcode, ioctl};
use signal_hook::consts::{SIGABRT, SIGBUS, SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::low_level;

/// Tells a console what is shown on it (`linux/kd.h`).
const KDSETMODE: Opcode = 0x4B3A;
const KD_TEXT: usize = 0;
const KD_GRAPHICS: usize = 1;

/// What ends a program before it can tidy up: running out of memory or stack aborts.
const FATAL: [i32; 6] = [SIGABRT, SIGBUS, SIGHUP, SIGINT, SIGQUIT, SIGTERM];

/// The console that is hidden, for the signal handlers; none where negative.
static HIDDEN: AtomicI32 = AtomicI32::new(-1);

/// The console on the screen, hidden as long as this lives; shown again as well where the program is
/// ended by a signal.
pub(super) struct HiddenConsole(OwnedFd);

impl HiddenConsole {
    /// Hides the console this program was started from, or else the one on the screen.
    ///
    /// # Errors
    /// Why neither can be hidden.
    pub fn hide() -> io::Result<Self> {
        let from_here = io::stdin().as_fd().try_clone_to_owned();
        let console = match from_here.ok().filter(|fd| set_mode(fd.as_fd(), KD_GRAPHICS).is_ok()) {
            Some(fd) => fd,
            None => {
                let shown: File = OpenOptions::new().read(true).write(true).open("/dev/tty0")?;
                set_mode(shown.as_fd(), KD_GRAPHICS)?;
                shown.into()
            }
        };
        if HIDDEN.swap(console.as_raw_fd(), Ordering::SeqCst) < 0 {
            FATAL.into_iter().for_each(show_when);
        }
        Ok(Self(console))
    }
}

impl Drop for HiddenConsole {
    fn drop(&mut self) {
        HIDDEN.store(-1, Ordering::SeqCst);
        if let Err(error) = set_mode(self.0.as_fd(), KD_TEXT) {
            log::warn!("the console stays hidden: {error}");
        }
    }
}

fn set_mode(console: BorrowedFd<'_>, mode: usize) -> io::Result<()> {
    // SAFETY: KDSETMODE takes the mode by value and touches no memory; what is no console refuses it.
    unsafe { ioctl(console, IntegerSetter::<KDSETMODE>::new_usize(mode)) }.map_err(Into::into)
}

/// Shows the hidden console when `signal` comes, which then ends the program; what asks for an end
/// (SIGINT, SIGTERM) is left to whom else watches for it.
fn show_when(signal: i32) {
    let polite = matches!(signal, SIGINT | SIGTERM);
    let handler = move || {
        let console = HIDDEN.load(Ordering::SeqCst);
        if console >= 0 {
            // SAFETY: the descriptor is open as long as HIDDEN holds it.
            let console = unsafe { BorrowedFd::borrow_raw(console) };
            let _ = set_mode(console, KD_TEXT);
        }
        if !polite {
            let _ = low_level::emulate_default_handler(signal);
        }
    };
    // SAFETY: the handler reads an atomic, makes one system call, and ends the program as the signal
    // would: all may be done in a signal handler.
    if let Err(error) = unsafe { low_level::register(signal, handler) } {
        log::warn!("signal {signal} would leave the console hidden: {error}");
    }
}
