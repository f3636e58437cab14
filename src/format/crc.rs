//! The checksum of headers, pages, blocks, passwords and compressed bodies ([MS-PST] 5.3).

/// CRC-32 with the reflected polynomial 0xEDB88320, initial value 0 and no final inversion.
///
/// All-zero bytes have checksum 0 at any length: a match alone never proves anything.
#[inline]
pub fn crc(bytes: &[u8]) -> u32 {
    crc_on(0, bytes)
}

/// The same of bytes that follow others, whose checksum is `sum`.
#[inline]
pub(crate) fn crc_on(sum: u32, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(!sum);
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
        assert_eq!(super::crc_on(crc(b"1234"), b"56789"), 0x2DFD_2D88);
    }
}
