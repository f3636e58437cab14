//! Content lines, of which iCalendar ([RFC 5545] 3.1) and vCard ([RFC 6350] 3.2) are made.

use super::names::start_of;

/// Lines that are being made.
#[derive(Debug, Default)]
pub(super) struct Lines(String);

impl Lines {
    /// A line whose value needs no escapes: a date, a number, an address.
    pub(super) fn raw(&mut self, name: &str, value: &str) {
        let value: String = value.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        self.fold(&format!("{name}:{value}"));
    }

    /// A line with a text, where there is one.
    pub(super) fn text(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value.filter(|v| !v.trim().is_empty()) {
            self.fold(&format!("{name}:{}", escaped(value)));
        }
    }

    /// A line with several texts, set apart by commas or semicolons.
    pub(super) fn texts<S: AsRef<str>>(&mut self, name: &str, values: &[S], between: &str) {
        if values.iter().any(|v| !v.as_ref().trim().is_empty()) {
            let all: Vec<String> = values.iter().map(|v| escaped(v.as_ref())).collect();
            self.fold(&format!("{name}:{}", all.join(between)));
        }
    }

    /// Lines are of at most 75 bytes; the rest comes behind a space.
    fn fold(&mut self, line: &str) {
        let mut rest = line;
        let mut most = 75usize;
        while rest.len() > most {
            let head = start_of(rest, most);
            self.0.push_str(head);
            self.0.push_str("\r\n ");
            rest = rest.get(head.len()..).unwrap_or_default();
            most = 74;
        }
        self.0.push_str(rest);
        self.0.push_str("\r\n");
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// A text with its special characters escaped, and its lines ended by `\n`.
fn escaped(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' => out.push_str("\\n"),
            '\\' | ';' | ',' => out.extend(['\\', c]),
            '\t' => out.push(c),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// The value of a parameter: quoted, without the characters that quotes cannot hold.
pub(super) fn parameter(text: &str) -> String {
    let text: String = text
        .chars()
        .map(|c| {
            if c == '"' {
                '\''
            } else if c.is_control() {
                ' '
            } else {
                c
            }
        })
        .collect();
    format!("\"{}\"", text.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_folded_between_characters_and_no_value_begins_another() {
        let mut lines = Lines::default();
        lines.text("SUMMARY", Some(&format!("a;b,c\\d\r\nEND:VEVENT\n{}", "ü".repeat(80))));
        let text = String::from_utf8(lines.as_bytes().to_vec()).unwrap();
        assert!(text.starts_with("SUMMARY:a\\;b\\,c\\\\d\\nEND:VEVENT\\n"));
        assert!(text.split("\r\n").all(|l| l.len() <= 75 && !l.starts_with("END")));
        assert_eq!(text.replace("\r\n ", "").matches('ü').count(), 80);
    }
}
