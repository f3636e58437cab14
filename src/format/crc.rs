//! The checksum of headers, pages, blocks, passwords and compressed bodies ([MS-PST] 5.3).

/// CRC-32 with the reflected polynomial 0xEDB88320, initial value 0 and no final inversion.
///
/// All-zero bytes have checksum 0 at any length: a match alone never proves anything.
#[inline]
pub fn crc(bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(!0);
    hasher.update(bytes);
    !hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::crc;

    #[test]
    fn the_known_vector() {
        assert_eq!(crc(b"123456789"), 0x2DFD_2D88);
        assert_eq!(crc(b""), 0);
        assert_eq!(crc(&[0; 777]), 0);
        assert_eq!(crc(b"quickquick"), 0xFF93_9387);
    }
}
