//! Folders and lists of pictures.
