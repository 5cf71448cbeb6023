//! "Did you mean …?"

/// The candidate that `wrong` is likely a misspelling of.
pub(super) fn closest<'a>(wrong: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (wrong.chars().count() / 3).clamp(1, 3);
    candidates
        .into_iter()
        .filter(|candidate| *candidate != wrong)
        .map(|candidate| (distance(wrong, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `, did you mean "x"?`, or nothing.
pub fn hint<'a>(wrong: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    closest(wrong, candidates).map_or_else(String::new, |found| format!(", did you mean \"{found}\"?"))
}

/// Edits between two words: insertions, deletions, replacements and swapped neighbours; letter
/// case and separators count nothing.
fn distance(a: &str, b: &str) -> usize {
    // Longer texts are no misspelt keys, and the work is quadratic.
    const LONGEST: usize = 128;
    let fold = |text: &str| -> Vec<char> {
        text.chars().filter(|c| !matches!(c, '_' | '-' | '.' | ' ')).flat_map(char::to_lowercase).collect()
    };
    let (a, b) = (fold(a), fold(b));
    if a.len() > LONGEST || b.len() > LONGEST {
        return usize::MAX;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1];
        for j in 0..b.len() {
            let replaced = last[j] + usize::from(a[i] != b[j]);
            let mut best = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_words_find_their_neighbour() {
        let keys = ["timeout", "send_batch_size", "send_batch_max_size", "endpoint"];
        for (wrong, want) in [
            ("tiemout", Some("timeout")),
            ("time_out", Some("timeout")),
            ("sendBatchSize", Some("send_batch_size")),
            ("endpont", Some("endpoint")),
            ("headers", None),
            ("x", None),
        ] {
            assert_eq!(closest(wrong, keys), want, "{wrong}");
        }
    }
}
