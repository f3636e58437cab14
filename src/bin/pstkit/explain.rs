//! `pstkit explain`: rows of the table of rules.

use crate::Context;
use crate::args::ExplainArgs;
use crate::render;
use crate::status::{Failure, Outcome, Status};
use pstkit::rules::{FixVerb, RULES, Rule};
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
        rows.push(vec!["scanpst".to_owned(), words.replace("{}", "…")]);
    }
    render::table(&mut ctx.out, 2, &[], &rows)?;
    Ok(())
}

pub(crate) fn run(ctx: &mut Context, args: &ExplainArgs) -> Outcome {
    let mut chosen: Vec<&Rule> = Vec::new();
    if args.all {
        chosen.extend(RULES);
    }
    for code in &args.codes {
        let Some(rule) = Rule::find(code) else {
            return Err(Failure::usage(format!("no rule has the code or name {code}; `pstkit explain --all` lists them")));
        };
        chosen.push(rule);
    }
    if ctx.global.jsonl {
        for rule in chosen {
            ctx.json(rule)?;
        }
    } else if ctx.global.json {
        ctx.json(&serde_json::json!({ "schema": "pstkit-rules/1", "rules": chosen }))?;
    } else if args.all {
        let rows: Vec<Vec<String>> =
            chosen.iter().map(|r| vec![r.code.to_owned(), r.severity.to_string(), r.name.to_owned(), r.message.to_owned()]).collect();
        render::table(&mut ctx.out, 0, &[], &rows)?;
    } else {
        for (i, rule) in chosen.into_iter().enumerate() {
            if i > 0 {
                writeln!(ctx.out)?;
            }
            text(ctx, rule)?;
        }
    }
    Ok(Status::DONE)
}
