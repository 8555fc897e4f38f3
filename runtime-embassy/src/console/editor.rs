//! One line being typed. It is wiped when it is done with, since it may hold a secret.

use zeroize::Zeroize as _;

/// What is typed so far.
#[derive(Default)]
pub(super) struct Editor {
    line: heapless::Vec<u8, LINE_LEN>,
    /// The last key was a carriage return: a line feed belongs to it.
    after_return: bool,
}

/// What a key did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Nothing,
    /// It stands at the end of the line now.
    Typed,
    /// The last character is gone.
    Erased,
    /// The whole line is gone.
    Cleared,
    /// The line is complete.
    Entered,
}

impl Editor {
    pub(super) const fn new() -> Self {
        Self { line: heapless::Vec::new(), after_return: false }
    }

    pub(super) fn handle(&mut self, key: u8) -> Key {
        let after_return = core::mem::replace(&mut self.after_return, key == b'\r');
        match key {
            b'\n' if after_return => Key::Nothing,
            b'\r' | b'\n' => Key::Entered,
            0x08 | 0x7f => self.erase(),
            // Control-C, control-U.
            0x03 | 0x15 => {
                self.wipe();
                Key::Cleared
            }
            b'\t' => self.handle(b' '),
            0..0x20 => Key::Nothing,
            _ if self.line.push(key).is_ok() => Key::Typed,
            _ => Key::Nothing,
        }
    }

    /// Removes the last character, however many octets it has.
    fn erase(&mut self) -> Key {
        while let Some(octet) = self.line.pop() {
            if octet & 0xc0 != 0x80 {
                return Key::Erased;
            }
        }
        Key::Nothing
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.line
    }

    pub(super) fn text(&self) -> Option<&str> {
        core::str::from_utf8(&self.line).ok()
    }

    /// Takes the line away and leaves an empty one.
    pub(super) fn take(&mut self) -> Self {
        let after_return = self.after_return;
        core::mem::replace(self, Self { line: heapless::Vec::new(), after_return })
    }

    fn wipe(&mut self) {
        self.line.as_mut_slice().zeroize();
        self.line.clear();
    }
}

impl Drop for Editor {
    fn drop(&mut self) {
        self.wipe();
    }
}

/// Octets of the longest line: `user add`, a name and a password.
const LINE_LEN: usize = 160;

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(keys: &[u8]) -> (Editor, std::vec::Vec<Key>) {
        let mut editor = Editor::new();
        let seen = keys.iter().map(|&key| editor.handle(key)).collect();
        (editor, seen)
    }

    #[test]
    fn a_line_is_typed_mended_and_entered() {
        let (editor, seen) = typed(b"hellp\x7fo\r");
        assert_eq!(editor.text(), Some("hello"));
        assert_eq!(seen.last(), Some(&Key::Entered));
        let (editor, _) = typed("b\u{e4}\u{8}ar".as_bytes());
        assert_eq!(editor.text(), Some("bar"), "a character goes as a whole");
        let (editor, _) = typed(b"secret\x15x\x1b\x01");
        assert_eq!(editor.text(), Some("x"));
        assert_eq!(typed(b"\x7f").1, [Key::Nothing]);
    }

    #[test]
    fn a_line_ends_once_whatever_ends_it() {
        for (keys, ends) in [(&b"a\r\nb\r\n"[..], 2), (b"a\nb\n", 2), (b"a\r\rb\r", 3)] {
            let mut editor = Editor::new();
            let mut count = 0;
            for &key in keys {
                if editor.handle(key) == Key::Entered {
                    editor.take();
                    count += 1;
                }
            }
            assert_eq!(count, ends, "{keys:?}");
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_cut_and_no_text_is_told() {
        let (editor, _) = typed(&[b'x'; LINE_LEN + 9]);
        assert_eq!(editor.bytes().len(), LINE_LEN);
        assert_eq!(typed(b"\xff\xfe").0.text(), None);
    }
}
