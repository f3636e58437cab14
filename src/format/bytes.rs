//! Checked little-endian access to byte slices: the one place that turns raw bytes into numbers.
//!
//! Reads come in two forms: `u32_at` answers `None` past the end; [`le16`], [`le32`], [`le64`] answer 0 there, for structures whose
//! length was checked before. Writes past the end do nothing.

use byteorder::{ByteOrder, LittleEndian};

/// The `N` bytes at `at`.
pub fn array_at<const N: usize>(b: &[u8], at: usize) -> Option<[u8; N]> {
    b.get(at..)?.first_chunk::<N>().copied()
}

/// The byte at `at`, or 0 past the end.
#[inline]
pub fn byte(b: &[u8], at: usize) -> u8 {
    b.get(at).copied().unwrap_or(0)
}

/// The 16-bit number at `at`.
#[inline]
pub fn u16_at(b: &[u8], at: usize) -> Option<u16> {
    b.get(at..at.checked_add(2)?).map(LittleEndian::read_u16)
}

/// The 32-bit number at `at`.
#[inline]
pub fn u32_at(b: &[u8], at: usize) -> Option<u32> {
    b.get(at..at.checked_add(4)?).map(LittleEndian::read_u32)
}

/// The 64-bit number at `at`.
#[inline]
pub fn u64_at(b: &[u8], at: usize) -> Option<u64> {
    b.get(at..at.checked_add(8)?).map(LittleEndian::read_u64)
}

/// The 16-bit number at `at`, or 0 past the end.
#[inline]
pub fn le16(b: &[u8], at: usize) -> u16 {
    u16_at(b, at).unwrap_or(0)
}

/// The 32-bit number at `at`, or 0 past the end.
#[inline]
pub fn le32(b: &[u8], at: usize) -> u32 {
    u32_at(b, at).unwrap_or(0)
}

/// The 64-bit number at `at`, or 0 past the end.
#[inline]
pub fn le64(b: &[u8], at: usize) -> u64 {
    u64_at(b, at).unwrap_or(0)
}

/// Writes bytes at `at`.
pub fn put(b: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(slot) = at.checked_add(bytes.len()).and_then(|end| b.get_mut(at..end)) {
        slot.copy_from_slice(bytes);
    }
}

/// Writes a byte at `at`.
pub fn put8(b: &mut [u8], at: usize, v: u8) {
    put(b, at, &[v]);
}

/// Writes a 16-bit number at `at`.
pub fn put16(b: &mut [u8], at: usize, v: u16) {
    put(b, at, &v.to_le_bytes());
}

/// Writes a 32-bit number at `at`.
pub fn put32(b: &mut [u8], at: usize, v: u32) {
    put(b, at, &v.to_le_bytes());
}

/// Writes a 64-bit number at `at`.
pub fn put64(b: &mut [u8], at: usize, v: u64) {
    put(b, at, &v.to_le_bytes());
}

/// The low 16 bits.
#[inline]
#[allow(clippy::cast_possible_truncation)]
pub const fn low16(v: u64) -> u16 {
    (v & 0xFFFF) as u16
}

/// The low 32 bits.
#[inline]
#[allow(clippy::cast_possible_truncation)]
pub const fn low32(v: u64) -> u32 {
    (v & 0xFFFF_FFFF) as u32
}

/// The low 8 bits.
#[inline]
#[allow(clippy::cast_possible_truncation)]
pub const fn low8(v: u64) -> u8 {
    (v & 0xFF) as u8
}

/// A length or index as a 64-bit number.
#[inline]
pub const fn wide(n: usize) -> u64 {
    n as u64
}

/// A 64-bit number as an index; the largest index where it does not fit, which no slice has.
#[inline]
pub fn index(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

/// `n` rounded up to a multiple of `to`; saturates.
#[inline]
pub const fn round_up(n: u64, to: u64) -> u64 {
    // slots and pages, of which there are millions, are powers of two: a division takes ten times as long
    if to.is_power_of_two() {
        let over = n & to.wrapping_sub(1);
        return if over == 0 { n } else { n.saturating_add(to.wrapping_sub(over)) };
    }
    match n.checked_next_multiple_of(to) {
        Some(v) => v,
        None => u64::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_past_the_end_are_nothing() {
        let b = [1, 2, 3];
        assert_eq!(u16_at(&b, 1), Some(0x0302));
        assert_eq!(u16_at(&b, 2), None);
        assert_eq!(u32_at(&b, usize::MAX), None);
        assert_eq!(le32(&b, 0), 0);
        assert_eq!(array_at::<2>(&b, 1), Some([2, 3]));
        assert_eq!(array_at::<2>(&b, 4), None);
    }

    #[test]
    fn writes_past_the_end_do_nothing() {
        let mut b = [0; 3];
        put16(&mut b, 2, 0xFFFF);
        put16(&mut b, 1, 0x0201);
        assert_eq!(b, [0, 1, 2]);
    }

    #[test]
    fn rounding_saturates() {
        assert_eq!(round_up(1, 64), 64);
        assert_eq!(round_up(64, 64), 64);
        assert!((0..1000).all(|n| [1, 2, 7, 24, 64, 512].iter().all(|to| round_up(n, *to) == n.next_multiple_of(*to))));
        assert_eq!((round_up(5, 0), round_up(u64::MAX, 24)), (u64::MAX, u64::MAX));
        assert_eq!(round_up(u64::MAX - 1, 64), u64::MAX);
    }
}
