//! TODO(git)
