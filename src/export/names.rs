//! Names of files and folders out of names that come from mail: [`safe_name`], [`NameSet`].

use std::collections::HashSet;

/// Bytes of a name that every file system takes, with room for a suffix.
pub const NAME_MAX: usize = 200;

/// Extensions of more bytes are no extensions.
const EXTENSION_MAX: usize = 16;

/// A name that can be used for a file on every file system, made of one that comes from mail.
///
/// It names nothing but an entry of the folder that it is used in: no separators, no `..`, no drive, no stream (`:`). Characters that
/// Windows refuses, control characters and marks of text direction become `_`; device names (`CON`, `LPT1.txt`) and names that
/// begin with `.`, `-` or `~` get a `_`; dots and spaces at the end go, as Windows would drop them. The result has between one and `most` bytes
/// of UTF-8, of at least 16; an extension stays where a name is cut. Two different names may become the same one: see [`NameSet`].
///
/// ```
/// use pstkit::export::safe_name;
/// assert_eq!(safe_name("../../etc/passwd", 200), "_.._.._etc_passwd");
/// assert_eq!(safe_name("Re: 1/2?", 200), "Re_ 1_2_");
/// assert_eq!(safe_name("con.txt", 200), "_con.txt");
/// assert_eq!(safe_name("  ", 200), "_");
/// ```
#[must_use]
pub fn safe_name(name: &str, most: usize) -> String {
    let most = most.max(16);
    let mut out: String = name.chars().take(1024).map(|c| if is_safe(c) { c } else { '_' }).collect();
    out.truncate(out.trim_end_matches([' ', '.']).len());
    let start = out.len().saturating_sub(out.trim_start().len());
    out.drain(..start);
    if out.is_empty() || out.starts_with(['.', '-', '~']) || is_device(&out) {
        out.insert(0, '_');
    }
    cut(&out, most)
}

fn is_safe(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' | '\u{FEFF}' | '\u{FFFD}')
        && !matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FFFE}' | '\u{FFFF}')
}

/// Whether Windows takes the name for a device, whatever its extension.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    let numbered = |device: &str| {
        stem.strip_prefix(device).is_some_and(|n| matches!(n, "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "¹" | "²" | "³"))
    };
    matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$" | "CLOCK$") || numbered("COM") || numbered("LPT")
}

/// Stem and extension, the latter with its dot.
fn split(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(at) if at > 0 && name.len().saturating_sub(at) <= EXTENSION_MAX => name.split_at(at),
        _ => (name, ""),
    }
}

/// As much of a name as `most` bytes hold, with its extension.
fn cut(name: &str, most: usize) -> String {
    if name.len() <= most {
        return name.to_owned();
    }
    let (stem, extension) = split(name);
    let (stem, extension) = if extension.len().saturating_add(8) > most { (name, "") } else { (stem, extension) };
    let stem = start_of(stem, most.saturating_sub(extension.len()));
    format!("{}{extension}", stem.trim_end_matches([' ', '.']))
}

/// The characters that the first `most` bytes of a text hold wholly.
pub(crate) fn start_of(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.get(..end).unwrap_or_default()
}

/// The names that are taken in one folder.
///
/// ```
/// use pstkit::export::NameSet;
/// let mut names = NameSet::default();
/// assert_eq!(names.add("a.txt", 200), "a.txt");
/// assert_eq!(names.add("A.TXT", 200), "A (2).TXT");
/// ```
#[derive(Debug, Default, Clone)]
pub struct NameSet(HashSet<String>);

impl NameSet {
    /// Takes the [safe](safe_name) form of a name, with a number where another has it already, in whatever case.
    pub fn add(&mut self, name: &str, most: usize) -> String {
        let name = safe_name(name, most);
        if self.0.insert(name.to_lowercase()) {
            return name;
        }
        let (stem, extension) = split(&name);
        let mut n = 2u64;
        loop {
            let tail = format!(" ({n}){extension}");
            let numbered = format!("{}{tail}", start_of(stem, most.max(32).saturating_sub(tail.len())).trim_end());
            if self.0.insert(numbered.to_lowercase()) {
                return numbered;
            }
            n = n.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn no_name_leads_anywhere_else() {
        for (name, want) in [
            ("..", "_"),
            (".", "_"),
            ("", "_"),
            ("C:\\Windows\\x", "C__Windows_x"),
            ("a\0b", "a_b"),
            ("x.txt. . .", "x.txt"),
            ("NUL", "_NUL"),
            ("com1.tar.gz", "_com1.tar.gz"),
            ("lpt¹", "_lpt¹"),
            ("file.txt:stream", "file.txt_stream"),
            ("photo\u{202E}gpj.exe", "photo_gpj.exe"),
            ("-rf", "_-rf"),
            (".bashrc", "_.bashrc"),
            ("Grüße.pdf", "Grüße.pdf"),
        ] {
            assert_eq!(safe_name(name, NAME_MAX), want, "{name:?}");
        }
    }

    #[test]
    fn a_long_name_keeps_its_extension_and_its_characters_whole() {
        let long = format!("{}.docx", "ü".repeat(300));
        let got = safe_name(&long, 100);
        assert!(got.len() <= 100 && got.ends_with("ü.docx"), "{got}");
    }

    proptest! {
        #[test]
        fn every_name_is_one_entry(name in "\\PC{0,80}|.{0,80}", most in 16usize..255) {
            let safe = safe_name(&name, most);
            prop_assert!(!safe.is_empty() && safe.len() <= most.max(17), "{:?}", safe);
            prop_assert!(!safe.contains(['/', '\\', ':', '\0', '\n']) && safe != "." && safe != "..");
            prop_assert_eq!(std::path::Path::new(&safe).components().count(), 1);
            prop_assert_eq!(safe_name(&safe, most.max(17)), safe.clone());
        }

        #[test]
        fn names_in_a_folder_differ_in_more_than_case(names in proptest::collection::vec("[aA./b]{0,3}", 0..20)) {
            let mut set = NameSet::default();
            let mut got: Vec<String> = names.iter().map(|n| set.add(n, 40).to_lowercase()).collect();
            got.sort();
            got.dedup();
            prop_assert_eq!(got.len(), names.len());
        }
    }
}
