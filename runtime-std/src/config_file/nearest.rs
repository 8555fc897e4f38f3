//! The known word that a misspelt one most likely means.

/// The word of `known` with the fewest edits from `word`, if that is few enough to be meant.
pub(super) fn nearest<'k>(word: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let few = word.chars().count() / 2 + 1;
    known
        .map(|candidate| (edits(word, candidate), candidate))
        .filter(|&(edits, _)| edits <= few)
        .min_by_key(|&(edits, _)| edits)
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions, replacements and swaps of neighbours between `a` and `b`.
fn edits(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let mut before_last = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, &x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, &y) in b.iter().enumerate() {
            let mut best = (last[j] + usize::from(x != y)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && x == b[j - 1] && a[i - 1] == y {
                best = best.min(before_last_at(&before_last, j) + 1);
            }
            row.push(best);
        }
        before_last = last;
        last = row;
    }
    last[b.len()]
}

fn before_last_at(row: &[usize], j: usize) -> usize {
    row.get(j.wrapping_sub(1)).copied().unwrap_or(usize::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_word_finds_its_neighbour_and_a_strange_one_finds_none() {
        let known = ["policy", "psk", "default-hub"];
        assert_eq!(nearest("polcy", known.into_iter()), Some("policy"));
        assert_eq!(nearest("pks", known.into_iter()), Some("psk"));
        assert_eq!(nearest("default_hub", known.into_iter()), Some("default-hub"));
        assert_eq!(nearest("frobnicate", known.into_iter()), None);
        assert_eq!(edits("pks", "psk"), 1);
        assert_eq!(edits("", "abc"), 3);
    }
}
