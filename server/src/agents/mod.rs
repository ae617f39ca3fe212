//! TODO(agents)
