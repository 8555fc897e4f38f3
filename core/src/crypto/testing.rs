//! Help for tests with vectors.

extern crate std;

/// The octets of a text of hexadecimal digits; white space is ignored.
pub(crate) fn hex(text: &str) -> std::vec::Vec<u8> {
    let digits: std::vec::Vec<u8> =
        text.chars().filter_map(|digit| digit.to_digit(16)).map(|digit| digit as u8).collect();
    assert_eq!(text.split_whitespace().map(str::len).sum::<usize>(), digits.len());
    digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// As [`hex`], of known length.
pub(crate) fn hex_array<const N: usize>(text: &str) -> [u8; N] {
    hex(text).try_into().unwrap()
}
