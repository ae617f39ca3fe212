//! TODO(gates)
