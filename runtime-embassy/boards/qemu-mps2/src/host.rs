//! What the tests on the host see and order, through files beside QEMU's. No other board has this.
//!
//! `kumihimo.figures` is written each second. A file `kumihimo.order` is taken and obeyed: it
//! holds the name of a way to fail.

use core::ffi::CStr;
use core::fmt::Write as _;

use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::signal::Signal;
use embassy_time::Timer;
use kumihimo_embassy::Handle;

use crate::sys::map::CPU_HZ;
use crate::sys::semihosting::File;
use crate::sys::{clock, executor, lan9118, stack};

/// Writes figures and obeys orders for ever, in thread mode.
pub(crate) async fn run(handle: Handle<'static>) -> ! {
    loop {
        write_figures(handle);
        obey();
        Timer::after_secs(1).await;
    }
}

/// Hangs when it is ordered to; for the packet executor.
pub(crate) async fn hang_there() -> ! {
    HANG.wait().await;
    loop {
        core::hint::spin_loop();
    }
}

fn write_figures(handle: Handle<'static>) {
    let mut text = heapless::String::<512>::new();
    let status = handle.status();
    let (now, slept) = (clock::cycles(), executor::slept());
    let (ram, traffic, lost) = (stack::ram(), status.traffic, lan9118::Lan9118::lost());
    let wait_us = executor::longest_wait() / (CPU_HZ / 1_000_000);
    // What does not fit is cut off, and the test that looks for it fails.
    let _ = write!(
        text,
        "cycles {now}\nbusy {}\nwait-us {wait_us}\nstatics {}\nstack {}\nstack-there {}\n\
         datagrams-in {}\ndatagrams-out {}\nframes-in {}\nframes-out {}\nbad-frames {}\n\
         no-buffer {}\nchip-broken {}\nchip-overrun {}\nend\n",
        now - slept,
        ram.statics,
        ram.stack,
        ram.stack_there,
        traffic.datagrams_in,
        traffic.datagrams_out,
        traffic.frames_in,
        traffic.frames_out,
        traffic.bad_frames,
        traffic.no_buffer,
        lost.broken,
        lost.overrun,
    );
    if let Ok(mut file) = File::create(FIGURES) {
        // The host's disk is full: nobody looks at figures then.
        let _ = file.write(0, text.as_bytes());
    }
}

fn obey() {
    let mut order = [0; 32];
    let Ok(mut file) = File::open(ORDER) else { return };
    let len = file.len().unwrap_or(0).min(order.len());
    let order = &mut order[..len];
    if file.read(0, order).is_err() || File::remove(ORDER).is_err() {
        return;
    }
    match &*order.trim_ascii() {
        b"panic" => panic!("ordered to"),
        b"hang-packets" => HANG.signal(()),
        b"hang-thread" => loop {
            core::hint::spin_loop();
        },
        _ => {}
    }
}

static HANG: Signal<CriticalSectionRawMutex, ()> = Signal::new();

const FIGURES: &CStr = c"kumihimo.figures";
const ORDER: &CStr = c"kumihimo.order";
