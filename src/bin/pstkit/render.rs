//! Text for people: sizes, tables.

use crate::plain::is_hidden;
use std::io::{self, Write};
use std::path::Path;

/// A number with its digits in groups of three.
pub(crate) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len().saturating_add(digits.len() >> 1));
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && digits.len().saturating_sub(i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// A size in the unit that fits, as `1.4 MiB`.
pub(crate) fn size(n: u64) -> String {
    const UNITS: [(u32, &str); 4] = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
    for (shift, unit) in UNITS {
        if n >> shift > 0 {
            let tenths = (n >> shift.saturating_sub(10)).saturating_mul(10) >> 10;
            return format!("{}.{} {unit}", tenths.checked_div(10).unwrap_or(0), tenths.checked_rem(10).unwrap_or(0));
        }
    }
    format!("{n} bytes")
}

/// A size in both forms.
pub(crate) fn size_exact(n: u64) -> String {
    if n < 1024 { format!("{n} bytes") } else { format!("{} ({} bytes)", size(n), grouped(n)) }
}

/// A word in the number that fits.
pub(crate) fn count(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(n), if n == 1 { one } else { many })
}

/// Text from a file, made safe to print: what is hidden, and could change what a terminal shows, becomes visible.
pub(crate) fn clean(text: &str) -> String {
    if !text.contains(is_hidden) {
        return text.to_owned();
    }
    text.chars()
        .map(|c| match c {
            '\n' | '\r' | '\t' => ' ',
            c if is_hidden(c) => '\u{FFFD}',
            c => c,
        })
        .collect()
}

/// The same of several lines.
pub(crate) fn clean_lines(text: &str) -> String {
    text.split('\n').map(clean).collect::<Vec<_>>().join("\n")
}

/// A file's name to print.
pub(crate) fn name(path: &Path) -> String {
    clean(&path.display().to_string())
}

/// A file's name as it has to stand in a command line: a shell finds in it nothing to carry out, and the program no option.
pub(crate) fn quoted(path: &Path) -> String {
    let dash = if path.as_os_str().as_encoded_bytes().starts_with(b"-") { "./" } else { "" };
    let text = format!("{dash}{}", name(path));
    if cfg!(windows) || !text.contains(['"', '$', '`', '\\', '!']) {
        format!("\"{text}\"")
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// The same, cut to a width in characters.
pub(crate) fn cut(text: &str, width: usize) -> String {
    let text = clean(text);
    if text.chars().count() <= width {
        return text;
    }
    let mut out: String = text.chars().take(width.saturating_sub(1)).collect();
    out.push('…');
    out
}

/// Writes rows in columns; `right` names the columns whose cells stand to the right.
pub(crate) fn table(out: &mut impl Write, indent: usize, right: &[usize], rows: &[Vec<String>]) -> io::Result<()> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> =
        (0..columns).map(|c| rows.iter().filter_map(|r| r.get(c)).map(|cell| cell.chars().count()).max().unwrap_or(0)).collect();
    for row in rows {
        let mut line = " ".repeat(indent);
        for (c, cell) in row.iter().enumerate() {
            let width = widths.get(c).copied().unwrap_or(0);
            let pad = " ".repeat(width.saturating_sub(cell.chars().count()));
            if c > 0 {
                line.push_str("  ");
            }
            if right.contains(&c) {
                line.push_str(&pad);
                line.push_str(cell);
            } else {
                line.push_str(cell);
                line.push_str(&pad);
            }
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// Writes bytes in hex, sixteen a line, with the offsets they bear and the characters they make.
pub(crate) fn hex(out: &mut impl Write, indent: usize, start: u64, bytes: &[u8]) -> io::Result<()> {
    let mut at = start;
    for line in bytes.chunks(16) {
        let mut text = String::new();
        let mut chars = String::new();
        for (i, b) in line.iter().enumerate() {
            text.push_str(if i == 8 { "  " } else { " " });
            text.push_str(&format!("{b:02x}"));
            chars.push(if (0x20..0x7F).contains(b) { char::from(*b) } else { '.' });
        }
        writeln!(out, "{:indent$}{at:08x} {text:49} |{chars}|", "")?;
        at = at.saturating_add(16);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_readable() {
        assert_eq!(size(0), "0 bytes");
        assert_eq!(size(1023), "1023 bytes");
        assert_eq!(size(271_360), "265.0 KiB");
        assert_eq!(size(1 << 40), "1.0 TiB");
        assert_eq!(size(u64::MAX), "16777215.9 TiB");
        assert_eq!(size_exact(2_302_976), "2.1 MiB (2,302,976 bytes)");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(count(1, "message", "messages"), "1 message");
    }

    #[test]
    fn text_from_a_file_cannot_steer_the_terminal() {
        assert_eq!(clean("a\x1b[2Jb\nc\u{202E}d"), "a\u{FFFD}[2Jb c\u{FFFD}d");
        assert_eq!(cut("abcdef", 4), "abc…");
    }

    #[test]
    fn columns_line_up() {
        let mut out = Vec::new();
        table(&mut out, 1, &[1], &[vec!["a".into(), "10".into()], vec!["bcd".into(), "2".into()]]).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), " a    10\n bcd   2\n");
    }
}
