//! What stands in files of `/proc` whose lines are a name, a colon and a value.

/// The value of the first line with this name.
pub fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (other, value) = line.split_once(':')?;
        (other.trim() == name).then(|| value.trim())
    })
}

/// The number in that value, without its unit, which is KiB where it is one of memory.
pub fn number(text: &str, name: &str) -> Option<u64> {
    field(text, name)?.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_with_the_whole_name_counts() {
        let text =
            "model\t\t: 2\nmodel name\t: A: B\nVmRSS:\t  1234 kB\nmodel name\t: C\nbugs\t\t:\n";
        assert_eq!(field(text, "model"), Some("2"));
        assert_eq!(field(text, "model name"), Some("A: B"));
        assert_eq!(field(text, "bugs"), Some(""));
        assert_eq!(field(text, "name"), None);
        assert_eq!(number(text, "VmRSS"), Some(1_234));
        assert_eq!(number(text, "model name"), None);
    }
}
