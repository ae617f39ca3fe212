//! TODO(board)
