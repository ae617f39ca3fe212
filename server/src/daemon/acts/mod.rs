//! The effects themselves, by what they touch: each takes an order, does one thing, and says how it ended.

mod access;
pub(super) mod agents;
pub(super) mod board;
mod classify;
pub(super) mod gates;
pub(super) mod hooks;
pub(super) mod landing;
mod meter;
pub(super) mod records;
