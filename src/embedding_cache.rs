//! Image embeddings of recent frames, bounded by bytes.
