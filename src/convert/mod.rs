//! From a PyTorch checkpoint to a model package, without Python.
