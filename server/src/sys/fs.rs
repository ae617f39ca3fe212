//! Files, made to last: durable writes, moves that refuse to replace, locks.
