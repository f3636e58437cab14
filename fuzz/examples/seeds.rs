//! Writes small inputs to begin with for every target, from stores of the crate's own writer: `cargo run --example seeds -- FOLDER`.

use pstkit::finding::Ignore;
use pstkit::format::header::Header;
use pstkit::limits::Limits;
use pstkit::ndb::Ndb;
use pstkit::testkit::{VARIETIES, tiny};
use pstkit_fuzz::image::Image;
use pstkit_fuzz::undo::record;
use std::path::Path;
use std::sync::Arc;

fn put(dir: &Path, target: &str, name: &str, bytes: &[u8]) {
    let dir = dir.join(target);
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join(name), bytes).unwrap();
}

/// The byte that chooses a layout, and the bytes.
fn in_layout(layout: u8, bytes: &[u8]) -> Vec<u8> {
    [&[layout], bytes].concat()
}

fn of_store(dir: &Path, variety: usize) {
    let bytes = tiny(VARIETIES[variety], 1).unwrap();
    let header = Header::decode(&bytes, &mut Ignore).unwrap();
    let layout = header.layout;
    let number = pstkit::format::layout::Layout::all().iter().position(|l| std::ptr::eq(*l, layout)).unwrap() as u8;
    let at = |ib: u64, n: usize| bytes[ib as usize..].iter().take(n).copied().collect::<Vec<u8>>();
    put(dir, "header", &format!("{variety}"), &bytes[..layout.header_size]);
    put(dir, "open_walk", &format!("header{variety}"), &bytes[..layout.header_size]);
    put(dir, "maps", &format!("amap{variety}"), &in_layout(number, &at(layout.amap_first, layout.page_size)));
    put(dir, "maps", &format!("dlist{variety}"), &in_layout(number, &at(layout.dlist, layout.page_size)));
    let ndb = Ndb::new(Arc::new(bytes.clone()), header, Limits::default());
    for (i, page) in ndb.index().facts.pages.iter().take(4).enumerate() {
        put(dir, "btpage", &format!("{variety}-{i}"), &in_layout(number, &at(page.bref.ib.0, layout.page_size)));
    }
    for (i, block) in ndb.index().blocks().iter().filter(|b| b.cb < 1000).enumerate().take(3) {
        put(dir, "block", &format!("{variety}-{i}"), &in_layout(number, &at(block.ib.0, usize::from(block.cb))));
    }
    for (i, node) in ndb.index().nodes().iter().enumerate() {
        let Some(data) = ndb.node(node.nid).and_then(|n| n.data(&mut Ignore).ok()).and_then(|t| t.read_all(&ndb, 1 << 16, &mut Ignore).ok()) else { continue };
        if data.len() > 1500 || i % 4 != 1 {
            continue;
        }
        // a heap, its table head, and the rows or records in it
        put(dir, "heap", &format!("{variety}-{i}"), &[&[number, 0], &data[..]].concat());
        for target in ["tc", "pc", "named"] {
            put(dir, target, &format!("{variety}-{i}"), data.get(12..).unwrap_or_default());
        }
    }
}

fn main() {
    let dir = std::env::args_os().nth(1).expect("the folder to write to");
    let dir = Path::new(&dir);
    for variety in [0, 2, 4] {
        of_store(dir, variety);
    }
    for (i, image) in Image::seeds().iter().enumerate() {
        for target in ["check_image", "repair_image", "recover_image", "export_image"] {
            put(dir, target, &format!("{i:03}"), &image.encode());
        }
    }
    for (name, text) in [
        ("fields", "Re: one\r\nBcc: two@example.com\r\n\r\nFrom here on\n.\n--=_1"),
        ("names", "../../con.txt:stream;name=\"x\"\u{202E}Ann; Lee, \\n <a@b.example>"),
        ("days", "\u{4}0\u{4}0\u{B} \u{1}BEGIN:VEVENT\r\nEND:VCARD\0"),
    ] {
        put(dir, "export", name, text.as_bytes());
    }
    put(dir, "undo", "real", &record().0.encode());
    put(dir, "undo", "changed", &[1, 40, 0, 7, 96, 0, 9]);
    put(dir, "undo", "none", &[0]);
    for (i, text) in [
        "<html><head><meta charset=\"utf-8\"><style>p{}</style></head><body><p>One&nbsp;&auml;<br>two<table><tr><td>3</td></tr></table></body></html>",
        "<!-- x --><a href='mailto:x@y'>&#x20AC;&#8364;</a><script>if(a<b){}</script><li>item",
        "\u{feff}<html xmlns:o=\"urn:schemas-microsoft-com:office:office\"><o:p>&nbsp;</o:p>",
    ]
    .iter()
    .enumerate()
    {
        put(dir, "html", &i.to_string(), text.as_bytes());
        let rtf = format!("{{\\rtf1\\ansi\\ansicpg1252\\fromhtml1 {{\\*\\htmltag64 <p>}}{}\\par}}", text.replace(['{', '}', '\\'], ""));
        put(dir, "rtf", &format!("html{i}"), rtf.as_bytes());
        put(dir, "rtf", &format!("packed{i}"), &pstkit::messaging::rtf::compress(rtf.as_bytes()));
    }
}
