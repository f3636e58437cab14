//! `pstkit show`: a structure, decoded and in hex.

use crate::Context;
use crate::args::ShowArgs;
use crate::open::{self, Opened};
use crate::show_block;
use crate::status::{Failure, Outcome, Status};
use crate::view::View;
use pstkit::finding::Finding;
use pstkit::format::header::HeaderField;
use pstkit::format::ids::{Bid, Ib, Nid};
use pstkit::ndb::Node;
use serde::Serialize;
use std::io::Write;

/// The request.
#[derive(Debug, PartialEq, Eq)]
enum Target {
    Header,
    /// A node, and sub-nodes below it.
    Node(Vec<Nid>),
    Block(Bid),
    /// A node or a block.
    Id(u64),
    Offset(u64),
    Page(u64),
}

/// A hexadecimal number, with or without `0x`.
fn number(text: &str) -> Result<u64, Failure> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text).replace('_', "");
    u64::from_str_radix(&digits, 16).map_err(|_| {
        Failure::usage(format!("\"{text}\" is no hexadecimal number: pstkit show FILE header | NID | BID | @OFFSET | page OFFSET"))
    })
}

fn nid(text: &str) -> Result<Nid, Failure> {
    let n = number(text)?;
    u32::try_from(n).map(Nid).map_err(|_| Failure::usage(format!("{text}: node ids have 32 bits")))
}

fn parse(words: &[String]) -> Result<Target, Failure> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["page", at] => Ok(Target::Page(number(at.strip_prefix('@').unwrap_or(at))?)),
        ["page"] => Err(Failure::usage("page needs an offset: pstkit show FILE page 0x4400")),
        ["header"] => Ok(Target::Header),
        ["nid" | "node", id] => Ok(Target::Node(vec![nid(id)?])),
        ["bid" | "block", id] => Ok(Target::Block(Bid(number(id)?))),
        [word] => {
            if let Some(at) = word.strip_prefix('@') {
                Ok(Target::Offset(number(at)?))
            } else if let Some(id) = word.strip_prefix("bid:") {
                Ok(Target::Block(Bid(number(id)?)))
            } else if word.starts_with("nid:") || word.contains('/') {
                let path = word.strip_prefix("nid:").unwrap_or(word);
                Ok(Target::Node(path.split('/').map(nid).collect::<Result<_, _>>()?))
            } else {
                Ok(Target::Id(number(word)?))
            }
        }
        _ => Err(Failure::usage("one structure at a time; see `pstkit show --help`")),
    }
}

/// A structure, and its bytes for `--raw`.
pub(crate) struct Shown {
    pub(crate) view: View,
    pub(crate) raw: Vec<u8>,
}

/// The problems of a read, as the view lists them.
pub(crate) fn problems(found: &[Finding]) -> Vec<String> {
    found.iter().map(ToString::to_string).collect()
}

fn header(opened: &Opened, args: &ShowArgs) -> Result<Shown, pstkit::error::Error> {
    let header = opened.ndb.header();
    let mut view = View::new(format!("header ({})", opened.ndb.layout().variant));
    for HeaderField { offset, size, name, value, .. } in header.fields() {
        view.at(offset, size, name, value, "");
    }
    let raw = open::read_up_to(&**opened.ndb.source(), 0, opened.ndb.layout().header_size)?;
    view.hex("bytes", 0, &raw, args.hex);
    view.problems = problems(&opened.problems);
    if !opened.header_readable {
        view.problems.push("the header cannot be read: the variant is told from what lies behind it, the fields may be wrong".to_owned());
    }
    Ok(Shown { view, raw })
}

/// The node at the end of a path of ids.
fn find_node<'a>(opened: &'a Opened, path: &[Nid], found: &mut Vec<Finding>) -> Result<Option<Node<'a>>, pstkit::error::Error> {
    let mut ids = path.iter();
    let Some(mut node) = ids.next().and_then(|id| opened.ndb.node(*id)) else { return Ok(None) };
    for id in ids {
        match node.subnode(*id, found)? {
            Some(sub) => node = sub,
            None => return Ok(None),
        }
    }
    Ok(Some(node))
}

fn show(opened: &Opened, target: &Target, args: &ShowArgs) -> Result<Option<Shown>, pstkit::error::Error> {
    let ndb = &opened.ndb;
    match target {
        Target::Header => header(opened, args).map(Some),
        Target::Node(path) => {
            let mut found = Vec::new();
            match find_node(opened, path, &mut found)? {
                Some(node) => show_block::node(&node, found, args).map(Some),
                None => Ok(None),
            }
        }
        Target::Block(bid) => match ndb.find_block(*bid) {
            Some(entry) => show_block::block(ndb, entry, args).map(Some),
            None => Ok(None),
        },
        Target::Id(id) => {
            let node = u32::try_from(*id).ok().map(Nid).filter(|n| ndb.node(*n).is_some());
            match node {
                Some(n) => {
                    let shown = show(opened, &Target::Node(vec![n]), args)?;
                    Ok(shown.map(|mut s| {
                        if ndb.find_block(Bid(*id)).is_some() {
                            s.view.field("see also", format!("bid:{id:#x}"), "a block has the same id");
                        }
                        s
                    }))
                }
                None => show(opened, &Target::Block(Bid(*id)), args),
            }
        }
        Target::Page(at) => show_block::page(ndb, Ib(*at), args).map(Some),
        Target::Offset(at) => show_block::offset(opened, *at, args).map(Some),
    }
}

fn missing(target: &Target) -> String {
    match target {
        Target::Node(path) => {
            let path: Vec<String> = path.iter().map(ToString::to_string).collect();
            format!("no node {}", path.join("/"))
        }
        Target::Block(bid) => format!("no block {bid} in the block B-tree"),
        Target::Id(id) => format!("neither a node nor a block has the id {id:#x}"),
        _ => "nothing is there".to_owned(),
    }
}

/// A structure of the file: `pstkit-show/1`.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct Document<'a> {
    /// Shape of the document, and its version.
    schema: &'static str,
    /// The file.
    file: String,
    /// The structure.
    view: &'a View,
}

pub(crate) fn run(ctx: &mut Context, args: &ShowArgs) -> Outcome {
    let target = parse(&args.what)?;
    let opened = open::open(&args.file, &ctx.global)?;
    open::load_quietly(&opened.ndb);
    let shown = show(&opened, &target, args).map_err(|e| Failure::of(&args.file, e))?;
    let Some(shown) = shown else {
        return Err(Failure::Said(Status::FAILED, format!("{}: {}", args.file.display(), missing(&target))));
    };
    if args.raw {
        ctx.out.write_all(&shown.raw)?;
    } else if ctx.global.machine() {
        ctx.json(&Document { schema: "pstkit-show/1", file: args.file.display().to_string(), view: &shown.view })?;
    } else {
        shown.view.text(&mut ctx.out)?;
    }
    if shown.view.damaged() {
        for p in &shown.view.problems {
            ctx.note(format_args!("{}: {p}", args.file.display()));
        }
        return Ok(Status::LEFT);
    }
    Ok(Status::DONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(words: &[&str]) -> Option<Target> {
        parse(&words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>()).ok()
    }

    #[test]
    fn what_to_show_is_told_from_its_form() {
        assert_eq!(target(&["header"]), Some(Target::Header));
        assert_eq!(target(&["21"]), Some(Target::Id(0x21)));
        assert_eq!(target(&["0x21"]), Some(Target::Id(0x21)));
        assert_eq!(target(&["nid:200024/692"]), Some(Target::Node(vec![Nid(0x20_0024), Nid(0x692)])));
        assert_eq!(target(&["bid:0x1a4"]), Some(Target::Block(Bid(0x1A4))));
        assert_eq!(target(&["@4400"]), Some(Target::Offset(0x4400)));
        assert_eq!(target(&["page", "0x4400"]), Some(Target::Page(0x4400)));
        assert_eq!(target(&["page"]), None);
        assert_eq!(target(&["xyz"]), None);
        assert_eq!(target(&["nid:123456789"]), None);
    }
}
