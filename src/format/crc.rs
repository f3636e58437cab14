//! The checksum that the format uses everywhere ([MS-PST] 5.3).
//!
//! It is the usual reflected CRC-32 (polynomial 0xEDB88320), but starts at zero and is not inverted at the end.

/// The checksum of `bytes`: dwCRC of headers, pages and blocks, the hash of a password and of a property's name, and the CRC
/// of compressed RTF.
///
/// ```
/// assert_eq!(pstkit::format::crc::crc(b""), 0);
/// assert_eq!(pstkit::format::crc::crc(b"password"), 0x50E0_99BC);
/// ```
#[must_use]
pub fn crc(bytes: &[u8]) -> u32 {
    // The library's hasher inverts its state before and after, which has to be undone on both sides.
    let mut hasher = crc32fast::Hasher::new_with_initial(u32::MAX);
    hasher.update(bytes);
    !hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_values() {
        assert_eq!(crc(b"quickquick"), 0xFF93_9387);
        assert_eq!(crc(b"pass12345"), 0xB103_1B28);
    }

    proptest! {
        #[test]
        fn is_the_bitwise_definition(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut state = 0_u32;
            for &byte in &bytes {
                state ^= u32::from(byte);
                for _ in 0..8 {
                    state = (state >> 1) ^ (0xEDB8_8320 & 0_u32.wrapping_sub(state & 1));
                }
            }
            prop_assert_eq!(crc(&bytes), state);
        }
    }
}
