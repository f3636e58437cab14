//! The `pstkit` program.
fn main() {}
