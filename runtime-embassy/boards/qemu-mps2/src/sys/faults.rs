//! What ends the program: panics, faults of the processor, the watchdog's warning. Each leaves its
//! reason for the next start, says it on the console, and resets the board.

use core::fmt::Write;
use core::panic::PanicInfo;

use cortex_m_rt::{ExceptionFrame, exception};

use crate::sys::executor;
use crate::sys::retained::{self, Cause};
use crate::sys::uart::LastWords;

#[panic_handler]
fn on_panic(info: &PanicInfo<'_>) -> ! {
    cortex_m::interrupt::disable();
    // The names of files are left out of the image.
    let line = info.location().map_or(0, |place| place.line());
    end(Cause::Panic, format_args!("line {line}: {}", info.message()))
}

// SAFETY: nothing of what was interrupted is touched, and nothing comes back.
#[exception]
unsafe fn HardFault(frame: &ExceptionFrame) -> ! {
    end(Cause::Fault, format_args!("pc {:#010x} lr {:#010x}", frame.pc(), frame.lr()))
}

/// The watchdog's first expiry. At its second one the hardware resets the board by itself.
// SAFETY: as above.
#[exception]
unsafe fn NonMaskableInt() {
    let place = if executor::is_in_packets() { "packets" } else { "thread mode" };
    end(Cause::Watchdog, format_args!("hung in {place}"))
}

fn end(cause: Cause, words: core::fmt::Arguments<'_>) -> ! {
    // The console cannot fail.
    let _ = writeln!(LastWords, "\r\n{cause:?}: {words}\r");
    retained::reset(cause, words)
}
