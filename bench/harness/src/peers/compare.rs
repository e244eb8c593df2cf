//! Whether two sides found the same.
//!
//! A window that was still open when a side stopped has no result there, so what is compared are the windows up to the last one that both have ended,
//! of each kind and partition. Always holds: within those, a result that one side lacks is a difference like any other; too little
//! to compare is an error. Does not know: where results come from.

use std::collections::BTreeMap;

use anyhow::{Result, bail, ensure};

/// What is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Board,
    Engagement,
    Candle,
}

/// What a result is of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    pub kind: Kind,
    /// The partition of its input.
    pub shard: i32,
    /// The window's end, in microseconds since 1970.
    pub end: i64,
    /// The channel, or market and interval.
    pub name: String,
}

/// Each result's figures, in words.
pub type Results = BTreeMap<Subject, Vec<String>>;

/// Compares; how many results there were to compare.
///
/// # Errors
/// The first difference; or that of some kind there was nothing, or less than half of what a side has, to compare.
pub fn compare(kinds: &[Kind], ours: &Results, peer: &Results) -> Result<usize> {
    let (our_ends, peer_ends) = (last_ends(ours), last_ends(peer));
    let is_ended = |subject: &Subject| {
        let of = (subject.kind, subject.shard);
        let ends = our_ends.get(&of).zip(peer_ends.get(&of));
        ends.is_some_and(|(ours, peer)| subject.end <= *ours.min(peer))
    };
    for (subject, theirs) in peer.iter().filter(|(subject, _)| is_ended(subject)) {
        let Some(figures) = ours.get(subject) else { bail!("only the peer has {subject:?}: {theirs:?}") };
        if let Some(place) =
            (0..figures.len().max(theirs.len())).find(|place| figures.get(*place) != theirs.get(*place))
        {
            bail!("{subject:?}: ours {:?}, the peer's {:?}", figures.get(place), theirs.get(place));
        }
    }
    let mut compared = BTreeMap::new();
    for (subject, figures) in ours.iter().filter(|(subject, _)| is_ended(subject)) {
        ensure!(peer.contains_key(subject), "only ours has {subject:?}: {figures:?}");
        *compared.entry(subject.kind).or_insert(0) += 1;
    }
    for kind in kinds {
        let count = compared.get(kind).copied().unwrap_or(0);
        let of_kind = |results: &Results| results.keys().filter(|subject| subject.kind == *kind).count();
        let (ours, peer) = (of_kind(ours), of_kind(peer));
        ensure!(
            count > 0 && 2 * count >= ours.max(peer),
            "{kind:?}: {count} results compared of our {ours} and the peer's {peer}: too few to say anything"
        );
    }
    Ok(compared.values().sum())
}

/// Forgets boards on which nobody is.
pub fn drop_empty_boards(results: &mut Results) {
    results.retain(|subject, figures| {
        subject.kind != Kind::Board || figures.first().is_none_or(|first| first != "0 users, 0 messages")
    });
}

/// The end of the last window that has a result, of each kind and partition.
fn last_ends(results: &Results) -> BTreeMap<(Kind, i32), i64> {
    let mut ends = BTreeMap::new();
    for subject in results.keys() {
        let end = ends.entry((subject.kind, subject.shard)).or_insert(subject.end);
        *end = subject.end.max(*end);
    }
    ends
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(of: &[(i64, &str, &str)]) -> Results {
        let result = |(end, name, figure): &(i64, &str, &str)| {
            let subject = Subject { kind: Kind::Board, shard: 0, end: *end, name: (*name).to_owned() };
            (subject, vec![(*figure).to_owned()])
        };
        of.iter().map(result).collect()
    }

    fn says(ours: &Results, peer: &Results) -> String {
        compare(&[Kind::Board], ours, peer).expect_err("a difference").to_string()
    }

    #[test]
    fn what_one_side_has_not_ended_is_not_compared() {
        let ours = results(&[(10, "a", "1"), (10, "b", "2"), (20, "a", "3")]);
        let peer = results(&[(10, "a", "1"), (10, "b", "2")]);
        assert_eq!(compare(&[Kind::Board], &ours, &peer).ok(), Some(2));
        assert_eq!(compare(&[Kind::Board], &peer, &ours).ok(), Some(2));
    }

    #[test]
    fn another_figure_or_a_missing_result_is_a_difference() {
        let all = results(&[(10, "a", "1"), (10, "b", "2"), (20, "a", "3")]);
        let other = results(&[(10, "a", "1"), (10, "b", "3"), (20, "a", "3")]);
        let fewer = results(&[(10, "a", "1"), (20, "a", "3")]);
        assert!(says(&all, &other).contains("ours Some(\"2\"), the peer's Some(\"3\")"));
        assert!(says(&all, &fewer).starts_with("only ours has"));
        assert!(says(&fewer, &all).starts_with("only the peer has"));
        let mut longer = all.clone();
        longer.values_mut().for_each(|figures| figures.push("more".to_owned()));
        assert!(says(&all, &longer).contains("ours None"));
    }

    #[test]
    fn too_little_to_compare_is_an_error() {
        let ours = results(&[(10, "a", "1"), (20, "a", "2"), (30, "a", "3")]);
        let nothing = Results::new();
        assert!(says(&nothing, &nothing).contains("0 results compared"));
        assert!(says(&ours, &nothing).contains("0 results compared"));
        assert!(says(&ours, &results(&[(10, "a", "1")])).contains("1 results compared of our 3"));
        assert!(compare(&[Kind::Board, Kind::Candle], &ours, &ours).is_err());
    }
}
