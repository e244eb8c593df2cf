//! What each side finds, before anything is said of speed.
//!
//! Always holds: among plain sentences all find exactly what is expected, or it is an error; on the rest they may differ, and that is counted, each
//! crate with ours. What a file says is counted only. Does not know: which side is right, but for the lines by hand.

use std::io::Write;

use anyhow::{Result, ensure};
use schemas::Event;
use serde_json::{Value, json};

use super::filters::{Prepared, Side};
use super::messages::{BY_HAND, Messages, text_of};

/// What was found.
pub struct Comparison {
    plain_with_term: usize,
    plain_without: usize,
    /// Of each line, by [`Side::ALIKE`].
    by_hand: Vec<[bool; Side::ALIKE.len()]>,
    differences: Vec<Difference>,
}

/// How a crate's findings differ from ours.
struct Difference {
    side: Side,
    what: &'static str,
    count: usize,
    both: usize,
    only_ours: usize,
    only_theirs: usize,
}

impl Comparison {
    /// # Errors
    /// If a side does not find what is expected among plain sentences: the first that it says something else of.
    pub fn new(prepared: &Prepared, messages: &Messages) -> Result<Self> {
        for side in Side::ALIKE {
            let found = flags(prepared, side, messages.plain.iter().map(|(event, _)| event));
            for ((event, is_expected), is_found) in messages.plain.iter().zip(found) {
                let (name, text) = (side.name(), text_of(event));
                ensure!(*is_expected == is_found, "{name} says {is_found} of the plain sentence `{text}`");
            }
        }
        let by_side = Side::ALIKE.map(|side| flags(prepared, side, &messages.by_hand));
        let plain_with_term = messages.plain.iter().filter(|(_, is_expected)| *is_expected).count();
        Ok(Comparison {
            plain_with_term,
            plain_without: messages.plain.len() - plain_with_term,
            by_hand: (0..BY_HAND.len()).map(|line| by_side.each_ref().map(|flags| flags[line])).collect(),
            differences: differences(prepared, messages),
        })
    }

    /// # Errors
    /// If standard output is closed.
    pub fn print(&self, out: &mut impl Write) -> Result<()> {
        let names = Side::ALIKE.map(Side::name);
        writeln!(
            out,
            "plain sentences, {} with a listed term and {} without: {} find exactly those",
            self.plain_with_term,
            self.plain_without,
            names.join("; ")
        )?;
        writeln!(
            out,
            "{:<36} {:>9} {:>16} {:>18} {:>10}",
            "by hand", "says one", names[0], names[1], names[2]
        )?;
        let yes = |is: bool| if is { "yes" } else { "-" };
        for ((_, is_meant, what), found) in BY_HAND.iter().zip(&self.by_hand) {
            let [ours, first, second] = found.map(yes);
            writeln!(out, "{what:<36} {:>9} {ours:>16} {first:>18} {second:>10}", yes(*is_meant))?;
        }
        for Difference { side, what, count, both, only_ours, only_theirs } in &self.differences {
            writeln!(
                out,
                "{count} messages {what}: {both} flagged by both, {only_ours} only by ovation, {only_theirs} only by {}",
                side.name()
            )?;
        }
        Ok(())
    }

    pub fn json(&self) -> Value {
        let line = |((text, is_meant, what), found): (&(&str, bool, &str), &[bool; 3])| {
            let found =
                Side::ALIKE.iter().zip(found).map(|(side, found)| (side.name().to_owned(), (*found).into()));
            json!({"text": text, "what": what, "says_one": is_meant, "flagged": found.collect::<serde_json::Map<_, _>>()})
        };
        let difference = |of: &Difference| {
            json!({
                "beside": of.side.name(),
                "messages": of.what,
                "count": of.count,
                "both": of.both,
                "only_ours": of.only_ours,
                "only_theirs": of.only_theirs,
            })
        };
        json!({
            "plain_with_term": self.plain_with_term,
            "plain_without": self.plain_without,
            "by_hand": BY_HAND.iter().zip(&self.by_hand).map(line).collect::<Vec<_>>(),
            "differences": self.differences.iter().map(difference).collect::<Vec<_>>(),
        })
    }
}

/// Which of the messages a side flags.
fn flags<'m>(
    prepared: &'m Prepared,
    side: Side,
    messages: impl IntoIterator<Item = &'m Event<'static>>,
) -> Vec<bool> {
    let mut filter = prepared.filter(side);
    messages.into_iter().map(|message| filter.is_flagged(message)).collect()
}

fn differences(prepared: &Prepared, messages: &Messages) -> Vec<Difference> {
    let (simulated, recorded) = messages.all.split_at(messages.simulated_count);
    let mut all = Vec::new();
    for (what, messages) in [("simulated", simulated), ("of the file", recorded)] {
        let ours = flags(prepared, Side::Terms, messages);
        for side in [Side::BetterProfanity, Side::Rustrict] {
            let theirs = flags(prepared, side, messages);
            let both_are =
                |pair| ours.iter().zip(&theirs).filter(|(ours, theirs)| (**ours, **theirs) == pair).count();
            let (both, only_ours, only_theirs) =
                (both_are((true, true)), both_are((true, false)), both_are((false, true)));
            all.push(Difference { side, what, count: messages.len(), both, only_ours, only_theirs });
        }
    }
    all.retain(|difference| difference.count > 0);
    all
}
