//! Compressed RTF, the value of PidTagRtfCompressed (0x1009): [MS-OXRTFCP].
//!
//! ```text
//!  0        4        8        12       16
//!  +--------+--------+--------+--------+----------------------------
//!  |COMPSIZE|RAWSIZE |COMPTYPE|  CRC   | contents
//!  +--------+--------+--------+--------+----------------------------
//!   COMPSIZE  bytes that follow this field (contents + 12)
//!   RAWSIZE   bytes of the plain RTF
//!   COMPTYPE  "LZFu" compressed, "MELA" stored
//!   CRC       of the contents (zero for MELA)
//! ```
//!
//! The contents of `LZFu` are runs: a control byte, then one token for each of its bits from the lowest up. A 0 bit is a byte
//! taken as it is; a 1 bit is a big-endian 16-bit reference, 12 bits of position in a ring of 4096 bytes and 4 bits of length
//! less two. The ring starts with 207 bytes that most RTF has in common. A reference to the position that is written next ends
//! the stream.
//!
//! Damage is a result here, not an error: [`decompress`] gives the readable part together with the faults.

use crate::format::bytes::le32;
use crate::format::crc::crc;

/// COMPTYPE of compressed contents, "LZFu".
pub const COMPRESSED: u32 = 0x7546_5A4C;
/// COMPTYPE of stored contents, "MELA".
pub const UNCOMPRESSED: u32 = 0x414C_454D;

/// Bytes of the header in front of the contents.
pub const HEADER_SIZE: usize = 16;

/// The part of the header that COMPSIZE counts: everything but itself.
const COUNTED_HEADER: u32 = 12;

/// The contents of the ring before the first byte is written.
const PRELOAD: &[u8; 207] = b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \
\\fscript \\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx";

/// Size of the ring; a power of two.
const RING: usize = 4096;
/// Selects a position in the ring out of an absolute one.
const RING_MASK: usize = RING - 1;
/// The longest run that one reference can stand for.
const MAX_MATCH: usize = 17;
/// The shortest run that the compressor looks for. References of two bytes exist, but save one bit at most.
const MIN_MATCH: usize = 3;
/// How many earlier places the compressor compares before it takes the best one.
const MAX_CHAIN: usize = 48;

/// A value that is no compressed RTF at all, so that there is nothing to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RtfError {
    /// Fewer bytes than the header has.
    #[error("{0} bytes are too few for the 16-byte header of compressed RTF")]
    TooShort(usize),
    /// COMPTYPE is neither `LZFu` nor `MELA`.
    #[error("{0:#010X} is no compression type of RTF")]
    UnknownType(u32),
}

/// Something wrong in a value that could be read all the same, at least in part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RtfProblem {
    /// COMPSIZE asks for more contents than there are. Both in bytes of contents.
    #[error("the contents should have {stated} bytes and have {found}")]
    Truncated {
        /// The value of COMPSIZE.
        stated: u64,
        /// The size that is there.
        found: u64,
    },
    /// COMPSIZE is smaller than the part of the header that it counts; all bytes were taken as contents.
    #[error("COMPSIZE {0} is smaller than the header")]
    BadCompSize(u32),
    /// Bytes behind the end that COMPSIZE gives; they were ignored.
    #[error("{0} bytes follow the end of the compressed RTF")]
    Surplus(u64),
    /// The CRC in the header is not that of the contents.
    #[error("the CRC is {stored:#010X} and should be {computed:#010X}")]
    Crc {
        /// The value of the header.
        stored: u32,
        /// The value that the contents give; zero for `MELA`, where the field has to be zero.
        computed: u32,
    },
    /// The contents stop without the reference that ends them.
    #[error("the contents have no end mark")]
    NoEndMark,
    /// A reference to a place of the ring that nothing was written to yet; it was read as zeros.
    #[error("a reference at output byte {0} leads to a place that holds nothing yet")]
    EmptyReference(u64),
    /// RAWSIZE is not the size of the output.
    #[error("the RTF should have {stated} bytes and has {found}")]
    RawSize {
        /// The value of the header.
        stated: u32,
        /// The size of the output.
        found: u64,
    },
    /// The limit that the caller set ended the output.
    #[error("the output stopped at the limit of {0} bytes")]
    Limit(u64),
}

impl RtfProblem {
    /// Whether the text is whole all the same: sizes are off in files that Outlook wrote, too, and the checksum tells of damage.
    #[must_use]
    pub const fn is_harmless(&self) -> bool {
        matches!(self, Self::RawSize { .. } | Self::Surplus(_) | Self::BadCompSize(_))
    }
}

/// The output of [`decompress`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Decompressed {
    /// The RTF, or the part of it that could be read.
    pub data: Vec<u8>,
    /// Everything that was wrong, in the order in which it was met; empty for a sound value.
    pub problems: Vec<RtfProblem>,
}

impl Decompressed {
    /// Whether nothing at all was wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }
}

/// Takes the RTF out of a value of PidTagRtfCompressed ([MS-OXRTFCP] 2.2, 3.1).
///
/// At most `limit` bytes come out, and never is more memory asked for than the bytes that are there can fill, whatever the
/// header claims.
///
/// # Errors
///
/// Only when there is no header, or one of another format. All else is in [`Decompressed::problems`].
///
/// ```
/// use pstkit::messaging::rtf::{compress, decompress};
///
/// let rtf = br"{\rtf1\ansi Hello, hello, hello!\par}";
/// let back = decompress(&compress(rtf), 1 << 20)?;
/// assert_eq!(back.data, rtf);
/// assert!(back.is_sound());
/// # Ok::<(), pstkit::messaging::rtf::RtfError>(())
/// ```
pub fn decompress(value: &[u8], limit: usize) -> Result<Decompressed, RtfError> {
    let short = RtfError::TooShort(value.len());
    let (header, rest) = value.split_first_chunk::<HEADER_SIZE>().ok_or(short)?;
    let mut fields = header.as_chunks::<4>().0.iter().map(|field| u32::from_le_bytes(*field));
    let (Some(comp_size), Some(raw_size), Some(comp_type), Some(stored)) = (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err(short);
    };
    if comp_type != COMPRESSED && comp_type != UNCOMPRESSED {
        return Err(RtfError::UnknownType(comp_type));
    }

    let mut problems = Vec::new();
    let contents = contents(rest, comp_size, &mut problems);
    let computed = if comp_type == COMPRESSED { crc(contents) } else { 0 };
    if stored != computed {
        problems.push(RtfProblem::Crc { stored, computed });
    }
    let data = if comp_type == COMPRESSED {
        expand(contents, limit, &mut problems)
    } else {
        if contents.len() > limit {
            problems.push(RtfProblem::Limit(wide(limit)));
        }
        contents.get(..limit).unwrap_or(contents).to_vec()
    };
    let limited = problems.iter().any(|p| matches!(p, RtfProblem::Limit(_)));
    if !limited && wide(data.len()) != u64::from(raw_size) {
        problems.push(RtfProblem::RawSize { stated: raw_size, found: wide(data.len()) });
    }
    Ok(Decompressed { data, problems })
}

/// Whether a value's header is one, its size is there, and its checksum that of the contents: so it was written, and no damage has
/// come to it since. The contents are not expanded.
#[must_use]
pub fn is_sealed(value: &[u8]) -> bool {
    let Some((header, rest)) = value.split_first_chunk::<HEADER_SIZE>() else { return false };
    let mut problems = Vec::new();
    let contents = contents(rest, le32(header, 0), &mut problems);
    let computed = match le32(header, 8) {
        COMPRESSED => crc(contents),
        UNCOMPRESSED => 0,
        _ => return false,
    };
    le32(header, 12) == computed && !problems.iter().any(|p| matches!(p, RtfProblem::Truncated { .. }))
}

/// The RTF of a value whose header is lost: the contents as `LZFu` or as stored ones, if they begin as RTF does.
#[must_use]
pub fn without_header(value: &[u8], limit: usize) -> Option<Decompressed> {
    const START: &[u8] = b"{\\rtf";
    let contents = value.get(HEADER_SIZE..)?;
    if contents.starts_with(START) {
        return Some(Decompressed { data: contents.get(..limit).unwrap_or(contents).to_vec(), problems: Vec::new() });
    }
    let mut problems = Vec::new();
    let data = expand(contents, limit, &mut problems);
    data.starts_with(START).then_some(Decompressed { data, problems })
}

/// The part of `rest` that COMPSIZE claims and that is there.
fn contents<'a>(rest: &'a [u8], comp_size: u32, problems: &mut Vec<RtfProblem>) -> &'a [u8] {
    let Some(stated) = comp_size.checked_sub(COUNTED_HEADER) else {
        problems.push(RtfProblem::BadCompSize(comp_size));
        return rest;
    };
    let (stated, found) = (u64::from(stated), wide(rest.len()));
    if stated > found {
        problems.push(RtfProblem::Truncated { stated, found });
    } else if stated < found {
        problems.push(RtfProblem::Surplus(found.saturating_sub(stated)));
    }
    usize::try_from(stated).ok().and_then(|stated| rest.get(..stated)).unwrap_or(rest)
}

/// Expands the runs of `LZFu` contents to at most `limit` bytes.
fn expand(contents: &[u8], limit: usize, problems: &mut Vec<RtfProblem>) -> Vec<u8> {
    // The ring is the tail of the output, with the preload in front: position N of the ring is the last N modulo 4096.
    let mut out = Vec::with_capacity(contents.len().saturating_mul(3).min(limit).saturating_add(RING));
    out.extend_from_slice(PRELOAD);
    let full = limit.saturating_add(PRELOAD.len());
    let mut input = contents.iter().copied();
    let mut ended = false;
    let mut empty_reference = false;
    'runs: while let Some(control) = input.next() {
        for bit in 0..8_u32 {
            if out.len() > full {
                break 'runs;
            }
            if control & 1_u8.wrapping_shl(bit) == 0 {
                let Some(byte) = input.next() else {
                    break 'runs;
                };
                out.push(byte);
                continue;
            }
            let (Some(high), Some(low)) = (input.next(), input.next()) else {
                break 'runs;
            };
            let reference = u16::from_be_bytes([high, low]);
            let position = usize::from(reference >> 4);
            let length = usize::from(reference & 0xF).saturating_add(2);
            let distance = out.len().wrapping_sub(position) & RING_MASK;
            if distance == 0 {
                ended = true;
                break 'runs;
            }
            match out.len().checked_sub(distance) {
                Some(from) => copy_within(&mut out, from, length),
                None => {
                    if !empty_reference {
                        empty_reference = true;
                        problems.push(RtfProblem::EmptyReference(wide(out.len().saturating_sub(PRELOAD.len()))));
                    }
                    // The reference starts in the unwritten part, and may run into the part that is written.
                    let zeros = distance.saturating_sub(out.len()).min(length);
                    out.resize(out.len().saturating_add(zeros), 0);
                    copy_within(&mut out, 0, length.saturating_sub(zeros));
                }
            }
        }
    }
    if out.len() > full {
        out.truncate(full);
        problems.push(RtfProblem::Limit(wide(limit)));
    } else if !ended {
        problems.push(RtfProblem::NoEndMark);
    }
    out.drain(..PRELOAD.len());
    out
}

/// Appends `length` bytes that stand at `from`, some of which may be those that it appends.
fn copy_within(out: &mut Vec<u8>, from: usize, length: usize) {
    let end = from.saturating_add(length);
    if end <= out.len() {
        out.extend_from_within(from..end);
        return;
    }
    for at in from..end {
        let Some(&byte) = out.get(at) else { return };
        out.push(byte);
    }
}

/// Compresses RTF to a value for PidTagRtfCompressed ([MS-OXRTFCP] 3.2), with header and CRC.
///
/// The fields of the header have 32 bits; for contents beyond them they hold the largest number.
#[must_use]
pub fn compress(rtf: &[u8]) -> Vec<u8> {
    let mut runs = Runs::new(rtf.len());
    let mut window = Vec::with_capacity(rtf.len().saturating_add(PRELOAD.len()));
    window.extend_from_slice(PRELOAD);
    window.extend_from_slice(rtf);
    let mut chains = Chains::new();
    for at in 0..PRELOAD.len() {
        chains.insert(&window, at);
    }

    let mut at = PRELOAD.len();
    let mut found = chains.longest(&window, at, 0);
    while let Some(&byte) = window.get(at) {
        chains.insert(&window, at);
        let next = at.saturating_add(1);
        if found.length < MIN_MATCH {
            runs.literal(byte);
            at = next;
            found = chains.longest(&window, at, 0);
            continue;
        }
        // A longer run that starts one byte later is worth one literal.
        if found.length < MAX_MATCH {
            let later = chains.longest(&window, next, found.length);
            if later.length > found.length {
                runs.literal(byte);
                at = next;
                found = later;
                continue;
            }
        }
        runs.reference(found.from, found.length);
        let end = at.saturating_add(found.length);
        for inner in next..end {
            chains.insert(&window, inner);
        }
        at = end;
        found = chains.longest(&window, at, 0);
    }
    runs.reference(at, 2);
    runs.finish(rtf.len())
}

/// The output of the compressor: the header's place, and tokens in runs of eight.
struct Runs {
    out: Vec<u8>,
    /// Where the control byte of the open run stands, and how many tokens the run has.
    control: usize,
    tokens: u32,
}

impl Runs {
    fn new(raw_size: usize) -> Self {
        let mut out = Vec::with_capacity((raw_size / 2).saturating_add(64));
        out.resize(HEADER_SIZE, 0);
        Runs { out, control: 0, tokens: 8 }
    }

    /// Makes room for a token and marks its kind.
    fn token(&mut self, is_reference: bool) {
        if self.tokens == 8 {
            self.control = self.out.len();
            self.tokens = 0;
            self.out.push(0);
        }
        if is_reference && let Some(control) = self.out.get_mut(self.control) {
            *control |= 1_u8.wrapping_shl(self.tokens);
        }
        self.tokens = self.tokens.saturating_add(1);
    }

    fn literal(&mut self, byte: u8) {
        self.token(false);
        self.out.push(byte);
    }

    /// A run of `length` (2 to 17) bytes that stands at `from` in the window.
    fn reference(&mut self, from: usize, length: usize) {
        self.token(true);
        let position = from & RING_MASK;
        let token = (position << 4) | (length.saturating_sub(2) & 0xF);
        self.out.extend_from_slice(&u16::try_from(token).unwrap_or(u16::MAX).to_be_bytes());
    }

    /// Fills in the header.
    fn finish(mut self, raw_size: usize) -> Vec<u8> {
        let (contents_size, contents_crc) = match self.out.get(HEADER_SIZE..) {
            Some(contents) => (narrow(contents.len()), crc(contents)),
            None => (0, crc(&[])),
        };
        let fields = [contents_size.saturating_add(COUNTED_HEADER), narrow(raw_size), COMPRESSED, contents_crc];
        for (place, field) in self.out.as_chunks_mut::<4>().0.iter_mut().zip(fields) {
            *place = field.to_le_bytes();
        }
        self.out
    }
}

/// Where the same three bytes stood before: for each hash the latest position, for each position the one before it.
struct Chains {
    latest: Box<[usize; RING]>,
    before: Box<[usize; RING]>,
}

/// An earlier place that holds the same bytes.
#[derive(Clone, Copy)]
struct Match {
    from: usize,
    length: usize,
}

/// No position.
const NOWHERE: usize = usize::MAX;

impl Chains {
    fn new() -> Self {
        Chains { latest: Box::new([NOWHERE; RING]), before: Box::new([NOWHERE; RING]) }
    }

    /// The place of the chain for the three bytes at `at`.
    fn slot(window: &[u8], at: usize) -> Option<usize> {
        let [a, b, c] = *window.get(at..)?.first_chunk::<3>()?;
        let key = u32::from_le_bytes([a, b, c, 0]);
        usize::try_from(key.wrapping_mul(0x9E37_79B1) >> 20).ok()
    }

    fn insert(&mut self, window: &[u8], at: usize) {
        let Some(latest) = Self::slot(window, at).and_then(|slot| self.latest.get_mut(slot)) else {
            return;
        };
        if let Some(before) = self.before.get_mut(at & RING_MASK) {
            *before = *latest;
            *latest = at;
        }
    }

    /// The longest run before `at` that equals the bytes there, if it is longer than `beat`.
    fn longest(&self, window: &[u8], at: usize, beat: usize) -> Match {
        let mut best = Match { from: 0, length: beat };
        let nothing = Match { from: 0, length: 0 };
        let Some(ahead) = window.get(at..) else {
            return nothing;
        };
        let ahead = ahead.get(..MAX_MATCH).unwrap_or(ahead);
        let Some(mut from) = Self::slot(window, at).and_then(|slot| self.latest.get(slot).copied()) else {
            return nothing;
        };
        for _ in 0..MAX_CHAIN {
            // A distance of a whole ring would be read as the end mark.
            if from >= at || at.wrapping_sub(from) >= RING {
                break;
            }
            let Some(there) = window.get(from..) else {
                break;
            };
            // The byte that would make it longer decides quickly.
            if there.get(best.length) == ahead.get(best.length) {
                let length = ahead.iter().zip(there).take_while(|(a, b)| a == b).count();
                if length > best.length {
                    best = Match { from, length };
                    if length == ahead.len() {
                        break;
                    }
                }
            }
            from = match self.before.get(from & RING_MASK) {
                // A slot that was written again since leads forwards, or out of the ring.
                Some(&before) if before < from => before,
                _ => break,
            };
        }
        if best.length > beat { best } else { nothing }
    }
}

/// A size as it is reported.
fn wide(size: usize) -> u64 {
    u64::try_from(size).unwrap_or(u64::MAX)
}

/// A size as the header holds it.
fn narrow(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]
    use super::*;
    use proptest::prelude::*;

    const LIMIT: usize = 1 << 20;

    /// A value of `contents` under a sound header.
    fn value(comp_type: u32, raw_size: usize, contents: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend((contents.len() as u32 + 12).to_le_bytes());
        out.extend((raw_size as u32).to_le_bytes());
        out.extend(comp_type.to_le_bytes());
        let sum = if comp_type == COMPRESSED { crc(contents) } else { 0 };
        out.extend(sum.to_le_bytes());
        out.extend(contents);
        out
    }

    #[test]
    fn preload_ends_where_the_first_byte_is_written() {
        // An end mark as the only token: position 207, and nothing comes out.
        let got = decompress(&value(COMPRESSED, 0, &[1, 0x0C, 0xF0]), LIMIT).unwrap();
        assert_eq!(got, Decompressed::default());
    }

    #[test]
    fn a_seal_holds_until_a_byte_changes() {
        let whole = compress(&b"{\\rtf1 one two three one two three}"[..]);
        assert!(is_sealed(&whole) && !is_sealed(&whole[..10]) && !is_sealed(&whole[..whole.len() - 1]));
        for at in (0..4).chain(8..whole.len()) {
            let mut bad = whole.clone();
            bad[at] ^= 0x40;
            // a smaller size that ends elsewhere has another checksum
            assert!(!is_sealed(&bad), "{at}");
        }
        assert!(is_sealed(&value(UNCOMPRESSED, 2, b"ab")));
    }

    #[test]
    fn contents_without_a_header_tell_what_they_are() {
        let rtf = b"{\\rtf1 one two three one two three}";
        for mut whole in [compress(rtf), value(UNCOMPRESSED, rtf.len(), rtf)] {
            whole[..HEADER_SIZE].fill(0xA5);
            assert!(decompress(&whole, LIMIT).is_err());
            assert_eq!(without_header(&whole, LIMIT).unwrap().data, rtf);
        }
        assert!(without_header(&[7; 100], LIMIT).is_none() && without_header(&[], LIMIT).is_none());
    }

    #[test]
    fn references_read_the_preload() {
        // Six bytes at position 0 of the ring are `{\rtf1`, then a literal, then the end mark at 207 + 7.
        let got = decompress(&value(COMPRESSED, 7, &[0b101, 0x00, 0x04, b'!', 0x0D, 0x60]), LIMIT).unwrap();
        assert_eq!(got.data, b"{\\rtf1!");
        assert!(got.is_sound(), "{:?}", got.problems);
    }

    #[test]
    fn a_reference_may_reach_into_what_it_writes() {
        // `ab`, then nine bytes from where `ab` stands.
        let got = decompress(&value(COMPRESSED, 11, &[0b1100, b'a', b'b', 0x0C, 0xF7, 0x0D, 0xA0]), LIMIT).unwrap();
        assert_eq!(got.data, b"abababababa");
        assert!(got.is_sound(), "{:?}", got.problems);
    }

    #[test]
    fn a_reference_to_an_empty_place_reads_zeros() {
        // Position 4090 is 4090 bytes before nothing: six zeros up to the end of the ring, then the preload.
        let got = decompress(&value(COMPRESSED, 8, &[0b11, 0xFF, 0xA6, 0x0D, 0x70]), LIMIT).unwrap();
        assert_eq!(got.data, b"\0\0\0\0\0\0{\\");
        assert_eq!(got.problems, [RtfProblem::EmptyReference(0)]);
    }

    #[test]
    fn stored_contents_come_out_as_they_are() {
        let got = decompress(&value(UNCOMPRESSED, 6, b"{\\rtf}"), LIMIT).unwrap();
        assert_eq!(got.data, b"{\\rtf}");
        assert!(got.is_sound());
    }

    #[test]
    fn what_is_no_compressed_rtf_is_an_error() {
        assert_eq!(decompress(&[], LIMIT), Err(RtfError::TooShort(0)));
        assert_eq!(decompress(&[0; 15], LIMIT), Err(RtfError::TooShort(15)));
        assert_eq!(decompress(&[0; 16], LIMIT), Err(RtfError::UnknownType(0)));
    }

    #[test]
    fn a_truncated_value_gives_its_start() {
        let rtf: Vec<u8> = (0..200_u32).flat_map(|n| format!("line {}\\par ", n * n).into_bytes()).collect();
        let whole = compress(&rtf);
        for cut in HEADER_SIZE..whole.len() {
            let got = decompress(&whole[..cut], LIMIT).unwrap();
            assert!(rtf.starts_with(&got.data), "cut at {cut}");
            assert!(got.problems.contains(&RtfProblem::NoEndMark));
            assert!(matches!(got.problems[0], RtfProblem::Truncated { .. }));
        }
    }

    #[test]
    fn a_wrong_crc_is_a_problem_and_no_more() {
        let mut bytes = compress(b"{\\rtf1 text}");
        bytes[12] ^= 1;
        let got = decompress(&bytes, LIMIT).unwrap();
        assert_eq!(got.data, b"{\\rtf1 text}");
        assert!(matches!(got.problems[..], [RtfProblem::Crc { .. }]));
    }

    #[test]
    fn sizes_that_lie_cost_nothing() {
        let mut bytes = compress(b"{\\rtf1 text}");
        bytes[0..8].fill(0xFF);
        let got = decompress(&bytes, LIMIT).unwrap();
        assert_eq!(got.data, b"{\\rtf1 text}");
        assert!(matches!(got.problems[..], [RtfProblem::Truncated { .. }, RtfProblem::RawSize { found: 12, .. }]));
        bytes[0..4].fill(0);
        let got = decompress(&bytes, LIMIT).unwrap();
        assert_eq!(got.data, b"{\\rtf1 text}");
        assert!(matches!(got.problems[0], RtfProblem::BadCompSize(0)));
        let mut longer = compress(b"{\\rtf1 text}");
        longer.extend([0; 5]);
        assert_eq!(decompress(&longer, LIMIT).unwrap().problems, [RtfProblem::Surplus(5)]);
    }

    #[test]
    fn the_limit_holds() {
        let bomb = compress(&vec![b'a'; 100_000]);
        assert!(bomb.len() < 15_000);
        for limit in [0, 1, 1000, 99_999] {
            let got = decompress(&bomb, limit).unwrap();
            assert_eq!(got.data.len(), limit);
            assert_eq!(got.problems, [RtfProblem::Limit(limit as u64)]);
        }
        assert!(decompress(&bomb, 100_000).unwrap().is_sound());
        let stored = value(UNCOMPRESSED, 6, b"{\\rtf}");
        let got = decompress(&stored, 3).unwrap();
        assert_eq!((got.data.as_slice(), got.problems.as_slice()), (&b"{\\r"[..], &[RtfProblem::Limit(3)][..]));
    }

    #[test]
    fn repetition_is_found() {
        let rtf = b"{\\rtf1\\ansi\\deff0 The quick brown fox. The quick brown fox.\\par}".repeat(100);
        assert!(compress(&rtf).len() * 6 < rtf.len());
        // The usual head is in the preload.
        assert!(compress(&PRELOAD[..]).len() < 60);
    }

    #[test]
    fn long_values_go_round_past_the_ring() {
        let mut state = 1_u32;
        let rtf: Vec<u8> = (0..60_000)
            .map(|n: u32| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                if n % 5000 < 2000 { b'x' } else { (state >> 28) as u8 + b'a' }
            })
            .collect();
        let got = decompress(&compress(&rtf), LIMIT).unwrap();
        assert!(got.data == rtf && got.is_sound());
    }

    proptest! {
        #[test]
        fn round_trip(rtf in proptest::collection::vec(any::<u8>(), 0..3000)) {
            let got = decompress(&compress(&rtf), LIMIT).unwrap();
            prop_assert_eq!(got, Decompressed { data: rtf, problems: vec![] });
        }

        #[test]
        fn round_trip_of_repetitive_text(words in proptest::collection::vec("[a-c]{1,6}|\\\\par ", 0..2500)) {
            let rtf = words.concat().into_bytes();
            let got = decompress(&compress(&rtf), LIMIT).unwrap();
            prop_assert_eq!(got, Decompressed { data: rtf, problems: vec![] });
        }

        #[test]
        fn any_contents_are_bounded(contents in proptest::collection::vec(any::<u8>(), 0..600), limit in 0_usize..2000) {
            let got = decompress(&value(COMPRESSED, 0, &contents), limit).unwrap();
            prop_assert!(got.data.len() <= limit);
            prop_assert!(got.data.len() <= contents.len() * MAX_MATCH);
        }

        #[test]
        fn any_bytes_are_taken(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let limit = 50;
            match decompress(&bytes, limit) {
                Ok(got) => prop_assert!(got.data.len() <= limit),
                Err(RtfError::TooShort(found)) => prop_assert!(found < HEADER_SIZE),
                Err(RtfError::UnknownType(found)) => prop_assert!(found != COMPRESSED && found != UNCOMPRESSED),
            }
        }
    }
}
