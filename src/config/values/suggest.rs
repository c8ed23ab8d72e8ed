//! "Did you mean": the nearest of the words that would have been right.

/// Bound: longer words are no slips of the finger, and comparing them takes time.
const LONGEST: usize = 64;

/// The candidate that `word` was probably meant to be, if one is near enough.
pub(crate) fn nearest<'c>(
    word: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    if word.len() > LONGEST {
        return None;
    }
    let folded = fold(word);
    // A third of the letters may be wrong: `leway` finds `leeway`, `azp` does not find `app`.
    let allowed = folded.chars().count().div_ceil(3).min(3);
    candidates
        .into_iter()
        .map(|candidate| (strsim::osa_distance(&folded, &fold(candidate)), candidate))
        .filter(|(distance, candidate)| {
            *distance <= allowed && *distance < candidate.chars().count()
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Spelling habits are not mistakes of letters: `publishableKey` is `publishable_key`.
fn fold(word: &str) -> String {
    word.chars()
        .filter(|c| !matches!(c, '_' | '-'))
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn only_near_words_are_suggested() {
        let keys = ["leeway", "publishable_key", "routes", "azp"];
        for (word, expected) in [
            ("leway", Some("leeway")),
            ("leewya", Some("leeway")),
            ("publishableKey", Some("publishable_key")),
            ("publishable-key", Some("publishable_key")),
            ("route", Some("routes")),
            ("upstream", None),
            ("", None),
            ("x", None),
        ] {
            assert_eq!(nearest(word, keys), expected, "given: {word}");
        }
        assert_eq!(nearest(&"a".repeat(1 << 20), keys), None);
    }
}
