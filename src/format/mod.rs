//! The structures of the format and no I/O: decode and encode of each stand side by side.
//!
//! [`layout`] holds the numbers of the three variants, [`ids`] the ids; the other modules hold one family of structures each. Reader,
//! checker, repairer and writer share them: no structure is described anywhere else.

pub mod block;
pub mod bytes;
pub mod context;
pub mod crc;
pub mod crypt;
#[cfg(all(feature = "simd", target_arch = "x86_64"))]
mod crypt_simd;
pub mod header;
pub mod heap;
pub mod ids;
pub mod layout;
pub mod maps;
pub mod page;
pub mod tags;
pub mod types;
pub mod write_log;
