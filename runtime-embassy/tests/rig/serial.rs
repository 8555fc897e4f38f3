//! A serial port that a test types on, flash in memory, and a board that only notes things.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use embedded_io_async::{ErrorType, Read, Write};
use embedded_storage_async::nor_flash::{ErrorType as FlashErrorType, NorFlash, ReadNorFlash};
use kumihimo_embassy::{Board, ResetReason};

#[derive(Clone, Default)]
pub struct Serial(Rc<RefCell<Ends>>);

#[derive(Default)]
struct Ends {
    typed: VecDeque<u8>,
    said: Vec<u8>,
    waker: Option<Waker>,
}

impl Serial {
    pub fn type_line(&self, line: &str) {
        let ends = &mut *self.0.borrow_mut();
        ends.typed.extend(line.bytes().chain([b'\r']));
        ends.waker.take().into_iter().for_each(Waker::wake);
    }

    /// What was said since the last question.
    pub fn take_said(&self) -> String {
        String::from_utf8(std::mem::take(&mut self.0.borrow_mut().said)).expect("text")
    }
}

impl ErrorType for Serial {
    type Error = Infallible;
}

impl Read for Serial {
    async fn read(&mut self, room: &mut [u8]) -> Result<usize, Infallible> {
        poll_fn(|cx| {
            let ends = &mut *self.0.borrow_mut();
            if ends.typed.is_empty() {
                ends.waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
            let len = room.len().min(ends.typed.len());
            room.iter_mut().zip(ends.typed.drain(..len)).for_each(|(to, from)| *to = from);
            Poll::Ready(Ok(len))
        })
        .await
    }
}

impl Write for Serial {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        self.0.borrow_mut().said.extend(bytes);
        Ok(bytes.len())
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// Four pages of 4 KiB.
#[derive(Clone)]
pub struct Flash(Rc<RefCell<Vec<u8>>>);

impl Flash {
    pub fn new() -> Self {
        Self(Rc::new(RefCell::new(vec![0xff; 4 * 4_096])))
    }

    pub fn spoil(&self) {
        self.0.borrow_mut().iter_mut().for_each(|octet| *octet ^= 0x35);
    }
}

impl FlashErrorType for Flash {
    type Error = Infallible;
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = 1;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Infallible> {
        let at = offset as usize;
        bytes.copy_from_slice(&self.0.borrow()[at..at + bytes.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        4 * 4_096
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = 4_096;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), Infallible> {
        self.0.borrow_mut()[from as usize..to as usize].fill(0xff);
        Ok(())
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Infallible> {
        let at = offset as usize;
        let room = &mut self.0.borrow_mut()[at..at + bytes.len()];
        room.iter_mut().zip(bytes).for_each(|(cell, octet)| *cell &= octet);
        Ok(())
    }
}

/// Notes what is done to it. Its reboot ends the task that asked for it.
#[derive(Default)]
pub struct Noting {
    pub fed: Cell<usize>,
    pub rebooted: Cell<bool>,
}

impl Board for Noting {
    fn feed(&self) {
        self.fed.set(self.fed.get() + 1);
    }

    fn reset_reason(&self) -> ResetReason {
        ResetReason::Watchdog
    }

    fn reboot(&self) -> ! {
        self.rebooted.set(true);
        panic!("reboot")
    }

    fn command(&self, line: &str, answer: &mut dyn std::fmt::Write) -> bool {
        line == "figures" && write!(answer, "stack 7\r\n").is_ok()
    }
}
