//! What proves the whole; nothing depends on it.
