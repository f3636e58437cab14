//! Definitions of the structures on the disk: each one's decoding beside its encoding, and no I/O ([MS-PST] 2.2 to 2.4).

pub mod crc;
