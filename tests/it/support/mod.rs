//! What several topics use.

pub mod alloc;
pub mod mutate;
pub mod walk;
