//! The nearest of some names, for "did you mean". Distance counts insertions, deletions, replacements and swaps of
//! neighbours (Damerau 1964, restricted), because swaps are what fingers do.

/// The candidate nearest to `name`, if it is near enough to be meant; difference in case alone counts as nearest. Names of
/// one letter are all near each other, so they are nearest only to themselves in the other case.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let letters = name.chars().count();
    let limit = |candidate: &str| match letters.min(candidate.chars().count()) {
        0 | 1 => 0,
        _ => (letters / 3).clamp(1, 3),
    };
    let wanted = name.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (distance(&wanted, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= limit(candidate))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        let names = ["sigma", "theta", "normal", "y"];
        assert_eq!(nearest("simga", names), Some("sigma"));
        assert_eq!(nearest("Normal", names), Some("normal"));
        assert_eq!(nearest("norml", names), Some("normal"));
        assert_eq!(nearest("weibull", names), None);
        assert_eq!(nearest("x", names), None);
        assert_eq!(nearest("Y", names), Some("y"));
    }
}
