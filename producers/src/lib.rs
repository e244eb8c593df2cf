//! Where events come from: the simulator and the replay of recorded files.
//!
//! Always holds: formats and simulator are pure and deterministic; the clock is read in [`mod@replay`] alone; nothing here
//! prints. A line of input that cannot be used is counted and reported, never dropped in silence.
//!
//! Does not know: what becomes of the events.
//!
//! Reading order: [`recording`] and [`formats`], then [`simulator`], then [`publish`] and [`mod@replay`].

pub mod formats;
pub mod input;
pub mod pseudonyms;
pub mod publish;
pub mod recording;
pub mod replay;
pub mod simulator;

pub use formats::{Format, ParseError};
pub use input::{Input, InputError};
pub use pseudonyms::Pseudonyms;
pub use publish::{PublishCounts, PublishError, Publisher, PublisherOptions};
pub use recording::{Merged, ReadCounts, ReadError, ReadOptions, Recording, merge_by_event_time};
pub use replay::{ReplayError, ReplayOptions, ReplayReport, Speed, replay};
pub use simulator::{InvalidOptions, InvalidShares, Shares, Simulator, SimulatorOptions};
