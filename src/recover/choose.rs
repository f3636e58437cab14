//! Choosing: the one place where claims become answers.
//!
//! Every matcher only makes [`Claim`]s: this answer for this object, because of these kinds of evidence. [`choose`] drops claims that a
//! veto speaks against, and then takes the strongest first. A tie is refused: nothing is given, the objects and answers in it take no
//! part in weaker matches, and [`Chosen::tied`] names the rivals. A wrong answer is worse than none.

use super::kinds::{Evidence, Question, Strength};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::{Mutex, PoisonError};

/// An answer that may be right for an object, and its evidence.
#[derive(Debug, Clone)]
pub(super) struct Claim<S, A> {
    /// The object that is asked about.
    pub(super) subject: S,
    /// The answer.
    pub(super) answer: A,
    /// The evidence for it, and against it ([`Strength::Veto`]).
    pub(super) because: Vec<&'static Evidence>,
    /// Compares claims of the same kinds of evidence: higher is stronger, such as a greater number that agrees or a smaller distance.
    pub(super) measure: i64,
}

/// An answer that was given.
#[derive(Debug, Clone)]
pub(super) struct Choice<S, A> {
    pub(super) subject: S,
    pub(super) answer: A,
    pub(super) because: Vec<&'static Evidence>,
}

/// An object for which several answers are as likely: none is given.
#[derive(Debug, Clone)]
pub(super) struct Tie<S, A> {
    pub(super) subject: S,
    pub(super) rivals: Vec<A>,
}

/// The result of some claims.
#[derive(Debug, Clone)]
pub(super) struct Chosen<S, A> {
    pub(super) made: Vec<Choice<S, A>>,
    pub(super) tied: Vec<Tie<S, A>>,
}

/// One decision, for tests and for people who ask why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Decision {
    /// The question.
    pub question: Question,
    /// Of which object.
    pub object: String,
    /// All candidates, each with the codes of the evidence for and against it.
    pub candidates: Vec<(String, Vec<&'static str>)>,
    /// The answer; `None` where none was given.
    pub answer: Option<String>,
    /// Codes of the evidence that decided; `tie` or `veto` where no answer was given.
    pub reason: Vec<&'static str>,
}

/// The record of decisions; it is off unless [`Options::decisions`](super::Options::decisions) is set.
#[derive(Debug, Default)]
pub struct Decisions(Option<Mutex<Vec<Decision>>>);

impl Decisions {
    /// A record that is on, or off.
    pub(super) fn new(on: bool) -> Self {
        Self(on.then(Mutex::default))
    }

    pub(super) fn is_on(&self) -> bool {
        self.0.is_some()
    }

    pub(super) fn note(&self, decision: Decision) {
        if let Some(all) = &self.0 {
            all.lock().unwrap_or_else(PoisonError::into_inner).push(decision);
        }
    }

    /// All decisions so far, in the order of questions and objects.
    pub fn all(&self) -> Vec<Decision> {
        let mut all = self.0.as_ref().map(|all| all.lock().unwrap_or_else(PoisonError::into_inner).clone()).unwrap_or_default();
        all.sort();
        all
    }
}

/// How strong a claim is: the strength of each of its kinds of evidence, the strongest first, and then its measure.
type Rank = (Vec<Strength>, i64);

fn rank(because: &[&'static Evidence], measure: i64) -> Rank {
    let mut strengths: Vec<Strength> = because.iter().map(|e| e.strength).collect();
    strengths.sort_by_key(|s| Reverse(*s));
    (strengths, measure)
}

/// Gives each object its answer: vetoes first, then the strongest claim; ties are refused. Where the question is
/// [exclusive](Question::is_exclusive), each answer is given once.
pub(super) fn choose<S, A>(question: Question, claims: Vec<Claim<S, A>>, log: &Decisions) -> Chosen<S, A>
where
    S: Copy + Ord + Debug,
    A: Copy + Ord + Debug,
{
    let records = if log.is_on() { records(question, &claims) } else { BTreeMap::new() };
    let mut left: Vec<(Rank, Claim<S, A>)> = claims
        .into_iter()
        .filter(|c| c.because.iter().all(|e| e.strength != Strength::Veto))
        .map(|c| (rank(&c.because, c.measure), c))
        .collect();
    left.sort_by(|a, b| (&b.0, a.1.subject, a.1.answer).cmp(&(&a.0, b.1.subject, b.1.answer)));
    left.dedup_by(|a, b| (a.1.subject, a.1.answer) == (b.1.subject, b.1.answer));
    let mut out = Chosen { made: Vec::new(), tied: Vec::new() };
    let (mut subjects, mut answers): (BTreeSet<S>, BTreeSet<A>) = (BTreeSet::new(), BTreeSet::new());
    for level in left.chunk_by(|a, b| a.0 == b.0) {
        let is_closed = |c: &Claim<S, A>| subjects.contains(&c.subject) || (question.is_exclusive() && answers.contains(&c.answer));
        let open: Vec<&Claim<S, A>> = level.iter().map(|l| &l.1).filter(|c| !is_closed(c)).collect();
        let (mut by_subject, mut by_answer): (BTreeMap<S, Vec<A>>, BTreeMap<A, usize>) = (BTreeMap::new(), BTreeMap::new());
        for c in &open {
            by_subject.entry(c.subject).or_default().push(c.answer);
            let n = by_answer.entry(c.answer).or_default();
            *n = n.saturating_add(1);
        }
        let is_wanted_twice = |a: &A| question.is_exclusive() && by_answer.get(a).is_some_and(|n| *n > 1);
        for c in &open {
            let rivals = by_subject.get(&c.subject).map_or(&[][..], Vec::as_slice);
            subjects.insert(c.subject);
            answers.insert(c.answer);
            if rivals.len() == 1 && !is_wanted_twice(&c.answer) {
                out.made.push(Choice { subject: c.subject, answer: c.answer, because: c.because.clone() });
            } else if out.tied.last().is_none_or(|t| t.subject != c.subject) {
                out.tied.push(Tie { subject: c.subject, rivals: rivals.to_vec() });
            }
        }
    }
    note_all(records, &out, log);
    out
}

/// Records of all claims, without an answer yet.
fn records<S: Copy + Ord + Debug, A: Copy + Ord + Debug>(question: Question, claims: &[Claim<S, A>]) -> BTreeMap<S, Decision> {
    let mut out: BTreeMap<S, Decision> = BTreeMap::new();
    for c in claims {
        let object = format!("{:?}", c.subject);
        let none = || Decision { question, object, candidates: Vec::new(), answer: None, reason: vec!["veto"] };
        let codes = c.because.iter().map(|e| e.code).collect();
        out.entry(c.subject).or_insert_with(none).candidates.push((format!("{:?}", c.answer), codes));
    }
    out
}

fn note_all<S: Copy + Ord + Debug, A: Copy + Ord + Debug>(mut records: BTreeMap<S, Decision>, chosen: &Chosen<S, A>, log: &Decisions) {
    for c in &chosen.made {
        if let Some(r) = records.get_mut(&c.subject) {
            r.answer = Some(format!("{:?}", c.answer));
            r.reason = c.because.iter().map(|e| e.code).collect();
        }
    }
    for t in &chosen.tied {
        if let Some(r) = records.get_mut(&t.subject) {
            r.reason = vec!["tie"];
        }
    }
    records.into_values().for_each(|r| log.note(r));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recover::kinds::{ATTACHMENT_FLAG, FLAG_CONTRADICTS, NEEDS_ALL, SIZE_EXACT, WRITTEN_WITH};

    fn claim(subject: u32, answer: u32, because: &[&'static Evidence], measure: i64) -> Claim<u32, u32> {
        Claim { subject, answer, because: because.to_vec(), measure }
    }

    fn made(question: Question, claims: Vec<Claim<u32, u32>>) -> Vec<(u32, u32)> {
        let mut out: Vec<_> = choose(question, claims, &Decisions::default()).made.iter().map(|c| (c.subject, c.answer)).collect();
        out.sort_unstable();
        out
    }

    #[test]
    fn a_strong_claim_comes_before_any_number_of_weak_ones() {
        let claims = vec![
            claim(1, 10, &[&WRITTEN_WITH, &ATTACHMENT_FLAG, &NEEDS_ALL], 100),
            claim(1, 11, &[&SIZE_EXACT], 0),
            claim(2, 10, &[&WRITTEN_WITH], 0),
        ];
        assert_eq!(made(Question::Subnodes, claims), [(1, 11), (2, 10)]);
    }

    #[test]
    fn a_veto_is_never_overruled() {
        assert_eq!(made(Question::Subnodes, vec![claim(1, 10, &[&SIZE_EXACT, &NEEDS_ALL, &FLAG_CONTRADICTS], 5)]), []);
    }

    #[test]
    fn of_two_that_are_as_likely_neither_is_taken_and_neither_goes_to_a_weaker_claim() {
        let claims = vec![
            claim(1, 10, &[&SIZE_EXACT], 0),
            claim(2, 10, &[&SIZE_EXACT], 0),
            claim(3, 10, &[&WRITTEN_WITH], 0),
            claim(1, 12, &[&WRITTEN_WITH], 0),
        ];
        let log = Decisions::new(true);
        let out = choose(Question::Subnodes, claims.clone(), &log);
        assert!(out.made.is_empty());
        assert_eq!(out.tied.iter().map(|t| (t.subject, t.rivals.clone())).collect::<Vec<_>>(), [(1, vec![10]), (2, vec![10])]);
        assert_eq!(log.all().iter().map(|d| d.reason.clone()).collect::<Vec<_>>(), [vec!["tie"], vec!["tie"], vec!["veto"]]);
        // many objects may have one parent
        assert_eq!(made(Question::Parent, claims), [(1, 10), (2, 10), (3, 10)]);
    }

    #[test]
    fn the_record_has_the_candidates_the_answer_and_the_reason() {
        let log = Decisions::new(true);
        choose(Question::Subnodes, vec![claim(1, 10, &[&SIZE_EXACT], 0), claim(1, 11, &[&WRITTEN_WITH], 0)], &log);
        let all = log.all();
        assert_eq!(all.len(), 1);
        assert_eq!(
            all.first().map(|d| (d.answer.as_deref(), d.reason.as_slice(), d.candidates.len())),
            Some((Some("10"), &["E301"][..], 2))
        );
    }
}
