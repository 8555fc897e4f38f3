//! The serial console: a line at a time, a few commands, and the log in between.
//!
//! A change is in force at once and goes to flash; there is nothing to commit. The console is
//! the board's own door: whoever holds the cable is the administrator.

mod command;
mod editor;
mod show;

use core::fmt;

use embassy_futures::select::{Either, select};
use embassy_time::{Instant, Timer};
use embedded_io_async::{Read, Write};
use embedded_storage_async::nor_flash::NorFlash;
use kumihimo_core::server;

use crate::board::Board;
use crate::settings::{Refused, Settings};
use crate::shared::Handle;
use crate::store::{Origin, Store};

use command::Command;
use editor::{Editor, Key};

/// The console's task, below the packet task.
pub struct Console<'d, R, W, F: NorFlash, B> {
    handle: Handle<'d>,
    input: R,
    output: Output<W>,
    store: Store<F>,
    board: &'d B,
    origin: Origin,
    editor: Editor,
    /// Somebody is there: a prompt is shown.
    is_awake: bool,
}

impl<'d, R: Read, W: Write, F: NorFlash, B: Board> Console<'d, R, W, F, B> {
    /// A console over the two halves of a serial port. `origin` is where the settings of this
    /// start came from.
    pub fn new(
        handle: Handle<'d>,
        (input, output): (R, W),
        store: Store<F>,
        board: &'d B,
        origin: Origin,
    ) -> Self {
        Self {
            handle,
            input,
            output: Output { port: output },
            store,
            board,
            origin,
            editor: Editor::new(),
            is_awake: false,
        }
    }

    /// Runs for ever.
    pub async fn run(&mut self) -> ! {
        self.greet().await;
        let (mut keys, mut log) = ([0; 16], [0; 128]);
        loop {
            let next = select(self.input.read(&mut keys), self.handle.read_log(&mut log)).await;
            match next {
                Either::First(Ok(len)) if len > 0 => {
                    for &key in keys.get(..len).unwrap_or_default() {
                        self.handle_key(key).await;
                    }
                }
                // A port that is not plugged in yet, or has lost something.
                Either::First(_) => Timer::after_millis(20).await,
                Either::Second(len) => self.show_log(log.get(..len).unwrap_or_default()).await,
            }
        }
    }

    async fn greet(&mut self) {
        let version = env!("CARGO_PKG_VERSION");
        let reason = self.board.reset_reason();
        self.output.line(format_args!("kumihimo {version}, started by: {reason}")).await;
        self.output.line(format_args!("settings {}", self.origin)).await;
        if self.handle.settings().is_some_and(|settings| !settings.has_psk()) {
            self.output.line(format_args!("no key yet: nobody can dial in; try help")).await;
        }
    }

    async fn show_log(&mut self, text: &[u8]) {
        if self.is_awake {
            self.output.write(CLEAR_LINE).await;
        }
        self.output.write(text).await;
        self.is_awake &= text.ends_with(b"\n");
        if self.is_awake {
            self.prompt().await;
        }
    }

    async fn handle_key(&mut self, key: u8) {
        if !self.is_awake {
            self.is_awake = true;
            self.prompt().await;
        }
        match self.editor.handle(key) {
            Key::Nothing => {}
            Key::Typed => self.output.write(&[key]).await,
            Key::Erased => self.output.write(b"\x08 \x08").await,
            Key::Cleared => {
                self.output.write(CLEAR_LINE).await;
                self.prompt().await;
            }
            Key::Entered => {
                self.output.write(b"\r\n").await;
                let editor = self.editor.take();
                match editor.text() {
                    Some(line) => self.execute(line).await,
                    None => self.output.line(format_args!("that is no text")).await,
                }
                self.prompt().await;
            }
        }
    }

    async fn prompt(&mut self) {
        self.output.write(b"> ").await;
        self.output.write(self.editor.bytes()).await;
    }

    async fn execute(&mut self, line: &str) {
        let command = match Command::parse(line) {
            Ok(command) => command,
            Err(usage) => return self.fall_back(line, usage).await,
        };
        match command {
            Command::Nothing => {}
            Command::Help => self.output.write(command::HELP.as_bytes()).await,
            Command::Show => self.show().await,
            Command::Users => self.show_users().await,
            Command::Status => self.status().await,
            Command::SetPsk(psk) => {
                let (psk, len) = psk.octets();
                let psk = psk.get(..len).unwrap_or_default();
                self.change(|settings| settings.set_psk(psk)).await;
            }
            Command::SetHub(name) => self.change(|settings| settings.set_hub(name)).await,
            Command::SetAddress(addressing) => {
                self.change(|settings| settings.set_addressing(addressing)).await;
            }
            Command::SetMac(mac) => self.change(|settings| settings.set_mac(mac)).await,
            Command::SetPolicy(policy) => {
                self.change(|settings| {
                    settings.policy = policy;
                    Ok(())
                })
                .await;
            }
            Command::SetEncapsulation(encapsulation) => {
                self.change(|settings| {
                    settings.encapsulation = encapsulation;
                    Ok(())
                })
                .await;
            }
            Command::UserAdd(name, password) => {
                self.change(|settings| settings.add_user(name, password)).await;
            }
            Command::UserDel(name) => self.change(|settings| settings.remove_user(name)).await,
            Command::Rekey => self.handle.command(server::Command::Rekey).await,
            Command::FactoryReset => self.factory_reset().await,
            Command::Reboot => self.reboot().await,
        }
    }

    /// A command that only this board has, or none at all.
    async fn fall_back(&mut self, line: &str, usage: &str) {
        let mut text = heapless::String::<BOARD_TEXT_LEN>::new();
        if self.board.command(line, &mut text) {
            self.output.write(text.as_bytes()).await;
        } else {
            self.output.line(format_args!("{usage}")).await;
        }
    }

    async fn change(&mut self, edit: impl FnOnce(&mut Settings) -> Result<(), Refused>) {
        let Some(mut settings) = self.handle.settings() else {
            return self.output.line(format_args!("the server does not run yet")).await;
        };
        let edited = edit(&mut settings);
        let in_force = match edited {
            Ok(()) => self.handle.configure(settings.clone()).await,
            Err(refused) => Err(refused),
        };
        match in_force {
            Ok(()) if self.store.save(&settings).await.is_ok() => {
                self.origin = Origin::Flash;
                self.output.line(format_args!("ok")).await;
            }
            Ok(()) => {
                let text = "in force until the next start: the flash refuses it";
                self.output.line(format_args!("{text}")).await;
            }
            Err(refused) => self.output.line(format_args!("refused: {}", refused.text())).await,
        }
    }

    async fn factory_reset(&mut self) {
        if self.store.erase().await.is_err() {
            return self.output.line(format_args!("the flash refuses it")).await;
        }
        self.reboot().await;
    }

    /// Says goodbye to the clients first.
    async fn reboot(&mut self) {
        self.handle.command(server::Command::Shutdown).await;
        self.output.line(format_args!("goodbye")).await;
        Timer::after_millis(GOODBYE_MS).await;
        self.board.reboot()
    }

    async fn show(&mut self) {
        let Some(settings) = self.handle.settings() else { return };
        self.output.line(format_args!("settings {}", self.origin)).await;
        let mac = self.handle.status().mac;
        for row in 0..show::SETTINGS_ROWS {
            self.output.line(format_args!("{}", show::Setting(&settings, mac, row))).await;
        }
        self.show_users().await;
    }

    async fn show_users(&mut self) {
        let Some(settings) = self.handle.settings() else { return };
        for user in settings.users() {
            self.output.line(format_args!("user {}", user.name)).await;
        }
    }

    async fn status(&mut self) {
        let status = self.handle.status();
        let (up, reason) = (Instant::now().as_secs(), self.board.reset_reason());
        self.output.line(format_args!("up {up} s, started by: {reason}")).await;
        for row in 0..show::STATUS_ROWS {
            self.output.line(format_args!("{}", show::Standing(&status, row))).await;
        }
        for lost in show::losses(&status) {
            self.output.line(format_args!("lost {lost}")).await;
        }
    }
}

struct Output<W> {
    port: W,
}

impl<W: Write> Output<W> {
    /// What the port does not take is lost: there is nobody else to tell.
    async fn write(&mut self, bytes: &[u8]) {
        let _ = self.port.write_all(bytes).await;
    }

    async fn line(&mut self, what: fmt::Arguments<'_>) {
        let mut line = heapless::String::<LINE_LEN>::new();
        // What does not fit is cut off.
        let _ = fmt::write(&mut line, what);
        self.write(line.as_bytes()).await;
        self.write(b"\r\n").await;
    }
}

impl<R, W, F: NorFlash, B> fmt::Debug for Console<'_, R, W, F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Console")
    }
}

/// Back to the start, and away with what stands there.
const CLEAR_LINE: &[u8] = b"\r\x1b[K";
/// Time for clients to hear the goodbye.
const GOODBYE_MS: u64 = 300;
/// Octets of the longest line.
const LINE_LEN: usize = 160;
/// Octets that a command of a board's own can say.
const BOARD_TEXT_LEN: usize = 512;
