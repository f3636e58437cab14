//! Mailboxes: mbox files (mboxrd), and the names of Maildir++.

use super::headers::sent;
use crate::error::Result;
use crate::format::tags;
use crate::messaging::{Message, MessageFlags};
use std::io::{self, Write};

/// The part of a message's state that mail programs keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct MailFlags {
    /// It was read.
    pub seen: bool,
    /// It was answered.
    pub answered: bool,
    /// It was forwarded.
    pub passed: bool,
    /// It is flagged to be followed up.
    pub flagged: bool,
    /// It is a draft.
    pub draft: bool,
}

/// The state of a message.
///
/// # Errors
/// In strict reading, the first violation.
pub fn mail_flags(message: &Message<'_>) -> Result<MailFlags> {
    let p = message.properties();
    let flags = message.flags()?;
    let verb = p.i32(tags::LAST_VERB_EXECUTED)?;
    Ok(MailFlags {
        seen: flags.contains(MessageFlags::READ),
        // 102 and 103: answered, answered to all; 104: forwarded ([MS-OXOMSG] 2.2.1.22)
        answered: matches!(verb, Some(102 | 103)),
        passed: verb == Some(104),
        flagged: p.i32(tags::FLAG_STATUS)? == Some(2),
        draft: flags.contains(MessageFlags::UNSENT),
    })
}

impl MailFlags {
    /// The letters behind `:2,` in a name of Maildir, in the order of the alphabet.
    ///
    /// ```
    /// # use pstkit::export::MailFlags;
    /// assert_eq!(MailFlags::default().maildir(), "");
    /// ```
    pub fn maildir(&self) -> String {
        let all = [(self.draft, 'D'), (self.flagged, 'F'), (self.passed, 'P'), (self.answered, 'R'), (self.seen, 'S')];
        all.into_iter().filter(|(is, _)| *is).map(|(_, c)| c).collect()
    }

    pub(super) fn status(&self) -> &'static str {
        if self.seen { "RO" } else { "O" }
    }

    pub(super) fn x_status(&self) -> String {
        let all = [(self.answered, 'A'), (self.flagged, 'F'), (self.draft, 'T')];
        all.into_iter().filter(|(is, _)| *is).map(|(_, c)| c).collect()
    }
}

/// The line that begins a message in an mbox file.
///
/// # Errors
/// In strict reading, the first violation.
pub fn mbox_from(message: &Message<'_>) -> Result<String> {
    const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let (from, sender) = super::address::senders(message, &[])?;
    let address = sender.as_ref().and_then(|s| s.smtp()).or(from.smtp()).unwrap_or("MAILER-DAEMON");
    // "Wed, 01 Jan 2020 00:00:00 +0000" as asctime has it
    let date = sent(message.properties())?.map(super::headers::date).unwrap_or_default();
    let mut words = date.split([' ', ',']).filter(|w| !w.is_empty());
    let mut word = || words.next();
    let when = match (word(), word(), word(), word(), word()) {
        (Some(day), Some(date), Some(month), Some(year), Some(time)) => format!("{day} {month} {date} {time} {year}"),
        _ => format!("{} Jan 01 00:00:00 1970", DAYS.get(3).copied().unwrap_or_default()),
    };
    Ok(format!("From {address} {when}\n"))
}

/// Turns CR LF into LF, and in an mbox file puts `>` before lines that look like the beginning of a message (mboxrd: also before
/// those that have a `>` already, so that taking one away gives the text back).
#[derive(Debug)]
pub struct LineWriter<W> {
    out: W,
    quotes: bool,
    /// The part of a line that has been seen, as long as it may be a `From ` line; a return that may be one of CR LF.
    held: Vec<u8>,
    is_start: bool,
    has_return: bool,
}

impl<W: Write> LineWriter<W> {
    /// Lines that end in LF alone.
    pub fn new(out: W) -> Self {
        Self { out, quotes: false, held: Vec::new(), is_start: true, has_return: false }
    }

    /// The same, with `From ` lines marked.
    pub fn mboxrd(out: W) -> Self {
        Self { quotes: true, ..Self::new(out) }
    }

    /// Ends the message: everything is passed on, and the last line has an end.
    ///
    /// # Errors
    /// An error of the writer below.
    pub fn finish(mut self) -> io::Result<W> {
        self.let_go(false)?;
        if self.has_return {
            self.out.write_all(b"\r")?;
        }
        if !self.is_start {
            self.out.write_all(b"\n")?;
        }
        Ok(self.out)
    }

    fn let_go(&mut self, is_from: bool) -> io::Result<()> {
        if is_from {
            self.out.write_all(b">")?;
        }
        if !self.held.is_empty() {
            self.out.write_all(&self.held)?;
            self.held.clear();
            self.is_start = false;
        }
        Ok(())
    }

    /// Takes bytes of one line, without its end.
    fn text(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        if self.has_return && !bytes.is_empty() {
            self.let_go(false)?;
            self.out.write_all(b"\r")?;
            (self.has_return, self.is_start) = (false, false);
        }
        while self.quotes && (self.is_start || !self.held.is_empty()) {
            let [first, rest @ ..] = bytes else { return Ok(()) };
            self.held.push(*first);
            bytes = rest;
            self.is_start = false;
            let marks = self.held.iter().take_while(|b| **b == b'>').count();
            let begun = self.held.get(marks..).unwrap_or_default();
            if begun == b"From " {
                self.let_go(true)?;
                break;
            }
            if !b"From ".starts_with(begun) || self.held.len() > 1000 {
                self.let_go(false)?;
                break;
            }
        }
        if !bytes.is_empty() {
            self.is_start = false;
            self.out.write_all(bytes)?;
        }
        Ok(())
    }
}

impl<W: Write> Write for LineWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for piece in bytes.split_inclusive(|b| *b == b'\n') {
            let (line, ends) = piece.strip_suffix(b"\n").map_or((piece, false), |l| (l, true));
            match line.split_last() {
                Some((b'\r', rest)) => {
                    self.text(rest)?;
                    // One return may still be followed by its line feed.
                    if self.has_return {
                        self.text(b"\r")?;
                    }
                    self.has_return = true;
                }
                _ => self.text(line)?,
            }
            if ends {
                self.has_return = false;
                self.let_go(false)?;
                self.out.write_all(b"\n")?;
                self.is_start = true;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// The name of a folder's directory in Maildir++: its names from the top down, joined and begun by dots, in modified UTF-7
/// ([RFC 3501] 5.1.3), as mail servers expect it. A dot or slash in a name becomes `_`.
pub fn maildir_folder<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> String {
    let mut out = String::new();
    for name in names {
        out.push('.');
        let safe = super::safe_name(name.as_ref(), super::names::NAME_MAX).replace('.', "_");
        out.push_str(&modified_utf7(safe.trim()));
    }
    out
}

fn modified_utf7(text: &str) -> String {
    let mut out = String::new();
    let mut run: Vec<u8> = Vec::new();
    let flush = |run: &mut Vec<u8>, out: &mut String| {
        if !run.is_empty() {
            let coded = super::mime::base64_text(run).trim_end_matches('=').replace('/', ",");
            out.push_str(&format!("&{coded}-"));
            run.clear();
        }
    };
    for c in text.chars() {
        if matches!(c, ' '..='~') {
            flush(&mut run, &mut out);
            out.push(c);
            if c == '&' {
                out.push('-');
            }
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                run.extend(unit.to_be_bytes());
            }
        }
    }
    flush(&mut run, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mbox(pieces: &[&str]) -> String {
        let mut w = LineWriter::mboxrd(Vec::new());
        for piece in pieces {
            w.write_all(piece.as_bytes()).unwrap();
        }
        String::from_utf8(w.finish().unwrap()).unwrap()
    }

    #[test]
    fn lines_that_look_like_the_next_message_are_marked() {
        assert_eq!(mbox(&["From me\r\n>From you\r\nFro", "m x\r\nFrom\r\nfrom y"]), ">From me\n>>From you\n>From x\nFrom\nfrom y\n");
    }

    #[test]
    fn folders_of_a_mail_server() {
        assert_eq!(maildir_folder(["Inbox", "A.B/C"]), ".Inbox.A_B_C");
        assert_eq!(maildir_folder(["Entwürfe & mehr"]), ".Entw&APw-rfe &- mehr");
        assert_eq!(maildir_folder(["日本語"]), ".&ZeVnLIqe-");
    }

    proptest! {
        #[test]
        fn marking_can_be_undone_however_the_text_comes(text in "(From |>|x|\r\n|\n| |F|Fr){0,30}", cut in 1usize..7) {
            let pieces: Vec<&str> = text.as_bytes().chunks(cut).map(|c| std::str::from_utf8(c).unwrap()).collect();
            let got = mbox(&pieces);
            let back: Vec<String> = got.lines().map(|l| {
                let marks = l.len() - l.trim_start_matches('>').len();
                if marks > 0 && l[marks..].starts_with("From ") { l[1..].to_owned() } else { l.to_owned() }
            }).collect();
            let want: Vec<String> = text.replace("\r\n", "\n").split('\n').map(str::to_owned).collect();
            let want = if want.last().is_some_and(String::is_empty) { want[..want.len() - 1].to_vec() } else { want };
            prop_assert_eq!(back, want);
            prop_assert!(!got.starts_with("From ") && !got.contains("\nFrom "));
        }
    }
}
