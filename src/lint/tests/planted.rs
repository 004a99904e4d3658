//! The table of planted faults, run.

use std::collections::BTreeSet;

use super::super::rules;
use super::faults::faults;
use super::world::{Base, Edit, World};

/// A fault, and the one rule that must find it.
pub struct Fault {
    pub rule: &'static str,
    pub base: Base,
    pub edits: Vec<Edit>,
    /// Rules that cannot but be broken with it.
    pub also: &'static [&'static str],
}

pub fn fault<const N: usize>(rule: &'static str, base: Base, edits: [Edit; N]) -> Fault {
    Fault { rule, base, edits: edits.into(), also: &[] }
}

impl Fault {
    pub fn also(self, also: &'static [&'static str]) -> Self {
        Self { also, ..self }
    }
}

#[test]
fn clean_streams_trigger_nothing() {
    for base in [Base::Vod, Base::Ts, Base::Aac, Base::Live] {
        let report = World::new(base, Vec::new()).report();
        assert!(report.findings.is_empty(), "{base:?}:\n{}", report.text());
        assert!(report.playlists.iter().all(|facts| facts.segments_checked > 0), "{base:?}: {:?}", report.playlists);
    }
}

#[test]
fn every_planted_fault_is_found_and_nothing_else() {
    let mut wrong = Vec::new();
    for (index, fault) in faults().into_iter().enumerate() {
        let edits = fault.edits.len();
        let mut world = World::new(fault.base, fault.edits);
        let report = world.report();
        let found: BTreeSet<&str> = report.findings.iter().map(|finding| finding.rule.id).collect();
        let meant: BTreeSet<&str> = fault.also.iter().copied().chain([fault.rule]).collect();
        if found != meant || world.used.borrow().len() != edits {
            let used = world.used.borrow();
            wrong.push(format!(
                "fault {index} {} ({used:?} of {edits} edits): {found:?}\n{}",
                fault.rule,
                report.text()
            ));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_rule_has_a_planted_fault_and_a_name_of_its_own() {
    let planted: BTreeSet<&str> = faults().iter().map(|fault| fault.rule).collect();
    let all: BTreeSet<&str> = rules().map(|rule| rule.id).collect();
    let missing: Vec<_> = all.difference(&planted).collect();
    assert!(missing.is_empty(), "without a planted fault: {missing:?}");
    let unknown: Vec<_> = planted.difference(&all).collect();
    assert!(unknown.is_empty(), "no such rule: {unknown:?}");
    assert_eq!(all.len(), rules().count());
    let kebab = |id: &str| id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    assert!(all.iter().all(|id| kebab(id)));
}
