//! The output of `show`, in one shape for text and JSON: titled fields, tables, bytes, problems.

use crate::render;
use serde::Serialize;
use std::io::{self, Write};

/// A field of a structure.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Field {
    /// Byte offset in the structure, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) offset: Option<u64>,
    /// Size in bytes, where it has an offset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) size: Option<u64>,
    /// Its name.
    pub(crate) name: String,
    /// Its value, in words.
    pub(crate) value: String,
    /// The meaning.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) note: String,
}

/// Entries in columns.
#[derive(Debug, Default, Serialize, schemars::JsonSchema)]
pub(crate) struct Table {
    /// Its heading.
    pub(crate) title: String,
    /// Headings.
    pub(crate) columns: Vec<String>,
    /// Lines.
    pub(crate) rows: Vec<Vec<String>>,
    /// Rows in all, shown or not.
    pub(crate) total: u64,
}

/// Bytes, and the offset they bear.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Bytes {
    /// Its heading.
    pub(crate) title: String,
    /// The offset that the first byte bears.
    pub(crate) start: u64,
    /// Bytes in all, shown or not.
    pub(crate) total: u64,
    /// The bytes in hexadecimal.
    #[serde(serialize_with = "as_hex")]
    #[schemars(with = "String")]
    pub(crate) hex: Vec<u8>,
}

fn as_hex<S: serde::Serializer>(bytes: &[u8], s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(&bytes.iter().map(|b| format!("{b:02x}")).collect::<String>())
}

/// A structure.
#[derive(Debug, Default, Serialize, schemars::JsonSchema)]
pub(crate) struct View {
    /// Its heading.
    pub(crate) title: String,
    /// Fields.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) fields: Vec<Field>,
    /// Tables.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tables: Vec<Table>,
    /// How many bytes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) bytes: Vec<Bytes>,
    /// Parts that are damaged or missing, in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) parts: Vec<View>,
    /// The faults, in sentences.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) problems: Vec<String>,
}

impl View {
    pub(crate) fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), ..Self::default() }
    }

    /// Adds a field with a place.
    pub(crate) fn at(&mut self, offset: usize, size: usize, name: &str, value: impl ToString, note: impl Into<String>) {
        let wide = |n: usize| u64::try_from(n).ok();
        self.fields.push(Field {
            offset: wide(offset),
            size: wide(size),
            name: name.to_owned(),
            value: value.to_string(),
            note: note.into(),
        });
    }

    /// Adds a field without a place.
    pub(crate) fn field(&mut self, name: &str, value: impl ToString, note: impl Into<String>) {
        self.fields.push(Field { offset: None, size: None, name: name.to_owned(), value: value.to_string(), note: note.into() });
    }

    /// Adds bytes, at most `limit` of them.
    pub(crate) fn hex(&mut self, title: &str, start: u64, bytes: &[u8], limit: usize) {
        if limit > 0 {
            let shown = bytes.get(..limit.min(bytes.len())).unwrap_or_default().to_vec();
            let total = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            self.bytes.push(Bytes { title: title.to_owned(), start, total, hex: shown });
        }
    }

    /// Adds a table, at most `limit` of its rows.
    pub(crate) fn table(&mut self, title: &str, columns: &[&str], rows: impl IntoIterator<Item = Vec<String>>, limit: usize) {
        let mut table = Table { title: title.to_owned(), columns: columns.iter().map(|c| (*c).to_owned()).collect(), ..Table::default() };
        for row in rows {
            if table.rows.len() < limit {
                table.rows.push(row);
            }
            table.total = table.total.saturating_add(1);
        }
        self.tables.push(table);
    }

    /// Whether it, or a part of it, has problems.
    pub(crate) fn damaged(&self) -> bool {
        let mut pending = vec![self];
        while let Some(v) = pending.pop() {
            if !v.problems.is_empty() {
                return true;
            }
            pending.extend(&v.parts);
        }
        false
    }

    /// Writes it as text.
    pub(crate) fn text(&self, out: &mut impl Write) -> io::Result<()> {
        let mut pending = vec![self];
        let mut first = true;
        while let Some(v) = pending.pop() {
            if !first {
                writeln!(out)?;
            }
            first = false;
            v.one(out)?;
            pending.extend(v.parts.iter().rev());
        }
        Ok(())
    }

    fn one(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "{}", render::clean(&self.title))?;
        let placed = self.fields.iter().any(|f| f.offset.is_some());
        let rows: Vec<Vec<String>> = self
            .fields
            .iter()
            .map(|f| {
                let mut row = Vec::new();
                if placed {
                    row.push(f.offset.map_or_else(String::new, |o| format!("{o:04x}")));
                    row.push(f.size.map_or_else(String::new, |n| n.to_string()));
                }
                row.extend([f.name.clone(), render::cut(&f.value, 300), render::clean(&f.note)]);
                row
            })
            .collect();
        render::table(out, 2, if placed { &[1] } else { &[] }, &rows)?;
        for t in &self.tables {
            writeln!(out, "  {} ({})", t.title, render::grouped(t.total))?;
            let mut rows = vec![t.columns.clone()];
            rows.extend(t.rows.iter().map(|r| r.iter().map(|c| render::cut(c, 100)).collect()));
            if t.total > 0 {
                render::table(out, 4, &[], &rows)?;
            }
            let left = t.total.saturating_sub(u64::try_from(t.rows.len()).unwrap_or(0));
            if left > 0 {
                writeln!(out, "    … and {} more (--rows)", render::grouped(left))?;
            }
        }
        for b in &self.bytes {
            writeln!(out, "  {} ({})", b.title, render::count(b.total, "byte", "bytes"))?;
            render::hex(out, 4, b.start, &b.hex)?;
            let left = b.total.saturating_sub(u64::try_from(b.hex.len()).unwrap_or(0));
            if left > 0 {
                writeln!(out, "    … and {} more (--hex)", render::grouped(left))?;
            }
        }
        for p in &self.problems {
            writeln!(out, "  ! {}", render::clean(p))?;
        }
        Ok(())
    }
}
