//! Image embeddings of recent frames, bounded by bytes.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::model::ImageEmbedding;

/// Something whose memory can be told.
pub trait SizeBytes {
    /// The memory it takes, in bytes.
    fn size_bytes(&self) -> usize;
}

impl SizeBytes for ImageEmbedding {
    fn size_bytes(&self) -> usize {
        ImageEmbedding::size_bytes(self)
    }
}

/// What an embedding belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EmbeddingKey {
    /// The model's name; a cache serves one package of that name.
    pub model: Arc<str>,
    /// The frame's [`content_hash`](crate::Frame::content_hash).
    pub content: [u8; 32],
}

/// Keeps the most recently used embeddings whose sizes add up to no more than a bound, so that
/// returning to a recent frame needs no encoder. `E` is cheap to clone.
#[derive(Debug)]
pub struct EmbeddingCache<E = ImageEmbedding> {
    max_bytes: usize,
    bytes: usize,
    /// Least recently used first. Embeddings are megabytes, so there are few.
    entries: VecDeque<(EmbeddingKey, E)>,
}

impl<E: Clone + SizeBytes> EmbeddingCache<E> {
    /// An empty cache that will hold at most `max_bytes`.
    pub fn new(max_bytes: usize) -> Self {
        Self { max_bytes, bytes: 0, entries: VecDeque::new() }
    }

    /// The sizes of all that is kept, added up.
    pub fn size_bytes(&self) -> usize {
        self.bytes
    }

    /// The embedding for `key`, which thereby is the most recently used one.
    pub fn get(&mut self, key: &EmbeddingKey) -> Option<E> {
        let at = self.entries.iter().position(|(k, _)| k == key)?;
        let entry = self.entries.remove(at)?;
        let embedding = entry.1.clone();
        self.entries.push_back(entry);
        Some(embedding)
    }

    /// Keeps `embedding` for `key`, in place of what was kept for it, and drops the least
    /// recently used ones until the bound holds. An embedding that is larger than the bound is
    /// not kept.
    pub fn insert(&mut self, key: EmbeddingKey, embedding: E) {
        if let Some(at) = self.entries.iter().position(|(k, _)| *k == key) {
            self.remove(at);
        }
        let size = embedding.size_bytes();
        if size > self.max_bytes {
            return;
        }
        while self.bytes > self.max_bytes - size {
            self.remove(0);
        }
        self.bytes += size;
        self.entries.push_back((key, embedding));
    }

    fn remove(&mut self, at: usize) {
        if let Some((_, dropped)) = self.entries.remove(at) {
            self.bytes -= dropped.size_bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl SizeBytes for usize {
        fn size_bytes(&self) -> usize {
            *self
        }
    }

    fn key(model: &str, content: u8) -> EmbeddingKey {
        EmbeddingKey { model: model.into(), content: [content; 32] }
    }

    #[test]
    fn the_least_recently_used_goes_first() {
        let mut cache = EmbeddingCache::new(100);
        (0..3).for_each(|i| cache.insert(key("a", i), 30 + i as usize));
        assert_eq!(cache.get(&key("a", 0)), Some(30));
        cache.insert(key("a", 3), 35);
        let kept: Vec<_> = (0..4).map(|i| cache.get(&key("a", i)).is_some()).collect();
        assert_eq!(kept, [true, false, true, true]);
        assert_eq!(cache.size_bytes(), 30 + 32 + 35);
    }

    #[test]
    fn models_do_not_answer_for_each_other() {
        let mut cache = EmbeddingCache::new(100);
        cache.insert(key("a", 0), 1);
        assert_eq!(cache.get(&key("b", 0)), None);
    }

    #[test]
    fn sizes_at_and_beyond_the_bound() {
        let cases = [("fits exactly", 100, true), ("too large", 101, false), ("empty", 0, true)];
        for (name, size, kept) in cases {
            let mut cache = EmbeddingCache::new(100);
            cache.insert(key("a", 0), size);
            assert_eq!(cache.get(&key("a", 0)).is_some(), kept, "{name}");
        }
        let mut cache = EmbeddingCache::new(100);
        cache.insert(key("a", 0), 60);
        cache.insert(key("a", 0), 101);
        assert_eq!((cache.get(&key("a", 0)), cache.size_bytes()), (None, 0));
        cache.insert(key("a", 1), 60);
        cache.insert(key("a", 1), 70);
        assert_eq!((cache.get(&key("a", 1)), cache.size_bytes()), (Some(70), 70));
    }
}
