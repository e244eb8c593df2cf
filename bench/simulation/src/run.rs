//! One seed: draw, run, compute what must come out, compare.
//!
//! Always holds: a run that compared nothing fails. Does not know: other seeds.

use std::fmt;

use crate::compare;
use crate::counts::Counts;
use crate::input;
use crate::plan::Plan;
use crate::world::World;

/// A run in which readers saw what they should.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was drawn.
    pub seed: u64,
    /// What happened, and how many records of each kind were compared.
    pub counts: Counts,
}

/// A run that went wrong.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What was drawn.
    pub seed: u64,
    /// The first difference, with what stands around it.
    pub problem: String,
    /// The run in words.
    pub plan: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "seed {}: {}\n  {}", self.seed, self.problem, self.plan)
    }
}

/// Runs one seed.
///
/// # Errors
/// The first difference from the model, a worker that gave up, or nothing to compare.
pub fn run_seed(seed: u64) -> Result<Report, Failure> {
    let plan = Plan::of(seed);
    let outcome = attempt(&plan);
    outcome.map(|counts| Report { seed, counts }).map_err(|problem| Failure {
        seed,
        problem,
        plan: format!(
            "{} partitions, {} workers for each of {:?}, idle after {:?}, commits every {:?}, static {}, at most {} records a \
             poll, {:?}, {:?}, {:?}, the log set back: {}",
            plan.partitions,
            plan.workers,
            plan.jobs.iter().map(|job| job.job.name.as_str()).collect::<Vec<_>>(),
            plan.idle_after,
            plan.commit_every,
            plan.is_static,
            plan.poll_records_max,
            plan.rates,
            plan.snapshots,
            plan.store_rates,
            plan.is_set_back,
        ),
    })
}

fn attempt(plan: &Plan) -> Result<Counts, String> {
    let input = input::make(plan);
    let mut world = World::new(plan);
    let mut counts = world.run(&input.records)?;
    counts.merge(&input.counts);
    compare::compare(plan, &world, &input.meanings, &mut counts)?;
    if counts.compared() == 0 {
        return Err("nothing was compared".to_owned());
    }
    Ok(counts)
}
