//! `pstkit explain`: rows of the table of rules, and of the table of evidence.

use crate::Context;
use crate::args::ExplainArgs;
use crate::render;
use crate::status::{Failure, Outcome, Status};
use pstkit::recover::kinds::{EVIDENCE, Evidence};
use pstkit::rules::{FixVerb, RULES, Rule};
use serde::Serialize;
use std::io::Write;

fn text(ctx: &mut Context, rule: &Rule) -> Result<(), Failure> {
    writeln!(ctx.out, "{}  {}", rule.code, rule.name)?;
    let next = match (rule.fix, rule.safe) {
        (FixVerb::None, _) => "nothing that a repair could do",
        (_, true) => "`pstkit repair -n FILE` shows the plan; `pstkit repair -p FILE -o NEW` carries out the lossless part",
        (_, false) => "`pstkit repair -n FILE` shows the plan; `pstkit repair -y FILE -o NEW` carries it out",
    };
    let mut rows = vec![
        vec!["severity".to_owned(), rule.severity.to_string()],
        vec!["what".to_owned(), rule.message.to_owned()],
        vec!["meaning".to_owned(), rule.meaning.to_owned()],
        vec!["mended by".to_owned(), rule.fix.what().to_owned()],
        vec!["loses data".to_owned(), if rule.may_lose { "possibly: the plan says what" } else { "no" }.to_owned()],
    ];
    rows.push(vec!["next".to_owned(), next.to_owned()]);
    if rule.section != "-" {
        rows.push(vec!["stated in".to_owned(), format!("[MS-PST] {}", rule.section)]);
    }
    if let Some(words) = rule.scanpst {
        // the class stands before the words, as in a log
        rows.push(vec!["scanpst".to_owned(), crate::check_scanpst::form(words)]);
    }
    render::table(&mut ctx.out, 2, &[], &rows)?;
    Ok(())
}

/// A kind of evidence, for people.
fn evidence_text(ctx: &mut Context, e: &Evidence) -> Result<(), Failure> {
    writeln!(ctx.out, "{}  {}", e.code, e.name)?;
    let mut rows = vec![
        vec!["question".to_owned(), e.question.to_string()],
        vec!["strength".to_owned(), e.strength.as_str().to_owned()],
        vec!["says".to_owned(), e.says.to_owned()],
    ];
    if e.lies != "-" {
        rows.push(vec!["can be wrong".to_owned(), e.lies.to_owned()]);
    }
    if e.section != "-" {
        rows.push(vec!["stated in".to_owned(), format!("[MS-PST] {}", e.section)]);
    }
    render::table(&mut ctx.out, 2, &[], &rows)?;
    Ok(())
}

/// A row of one of the two tables.
enum Row {
    Rule(&'static Rule),
    Evidence(&'static Evidence),
}

impl Row {
    fn find(code: &str) -> Option<Self> {
        Rule::find(code).map(Self::Rule).or_else(|| Evidence::find(code).map(Self::Evidence))
    }

    fn text(&self, ctx: &mut Context) -> Result<(), Failure> {
        match self {
            Self::Rule(rule) => text(ctx, rule),
            Self::Evidence(e) => evidence_text(ctx, e),
        }
    }

    /// The columns of the list.
    fn columns(&self) -> Vec<String> {
        match self {
            Self::Rule(r) => vec![r.code.to_owned(), r.severity.to_string(), r.name.to_owned(), r.message.to_owned()],
            Self::Evidence(e) => vec![e.code.to_owned(), e.strength.as_str().to_owned(), e.name.to_owned(), e.says.to_owned()],
        }
    }
}

/// Rules and kinds of evidence: `pstkit-rules/1`.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct Document<'a> {
    /// Shape of the document, and its version.
    schema: &'static str,
    /// Rules of the format.
    rules: Vec<&'a Rule>,
    /// Kinds of evidence that recovery decides by.
    evidence: Vec<&'a Evidence>,
}

pub(crate) fn run(ctx: &mut Context, args: &ExplainArgs) -> Outcome {
    let mut chosen: Vec<Row> = Vec::new();
    if args.all {
        chosen.extend(RULES.iter().copied().map(Row::Rule));
        chosen.extend(EVIDENCE.iter().copied().map(Row::Evidence));
    }
    for code in &args.codes {
        let Some(row) = Row::find(code) else {
            return Err(Failure::usage(format!("no rule has the code or name {code}; `pstkit explain --all` lists them")));
        };
        chosen.push(row);
    }
    if ctx.global.jsonl {
        for row in chosen {
            match row {
                Row::Rule(rule) => ctx.json(rule)?,
                Row::Evidence(e) => ctx.json(e)?,
            }
        }
    } else if ctx.global.json {
        let rules: Vec<&Rule> = chosen.iter().filter_map(|r| if let Row::Rule(r) = r { Some(*r) } else { None }).collect();
        let evidence: Vec<&Evidence> = chosen.iter().filter_map(|r| if let Row::Evidence(e) = r { Some(*e) } else { None }).collect();
        ctx.json(&Document { schema: "pstkit-rules/1", rules, evidence })?;
    } else if args.all {
        let rows: Vec<Vec<String>> = chosen.iter().map(Row::columns).collect();
        render::table(&mut ctx.out, 0, &[], &rows)?;
    } else {
        for (i, row) in chosen.into_iter().enumerate() {
            if i > 0 {
                writeln!(ctx.out)?;
            }
            row.text(ctx)?;
        }
    }
    Ok(Status::DONE)
}
