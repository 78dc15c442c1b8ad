//! What was probably meant.

/// The one of `known` that is most like `word`; the word itself where none are known.
pub(crate) fn nearest<'a>(word: &'a str, known: impl IntoIterator<Item = &'a str>) -> &'a str {
    known.into_iter().min_by_key(|k| strsim::damerau_levenshtein(word, k)).unwrap_or(word)
}
