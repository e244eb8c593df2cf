//! One client's way through the log, step by step.
//!
//! Always holds: a cursor is an offset and a filter, and a step of it depends on these and the store alone; so cursors that stand at
//! the same place with the same filter can take the same step. Offsets rise; after a hole that cannot be filled a cursor starts over with a
//! snapshot and says so. Does not know: when steps are taken.

use std::sync::Arc;

use super::frame::{self, Stand, Text};
use super::hub::Hub;
use super::selector::Filter;

/// How much of the log one step takes, so that nobody holds the lock for long.
const STEP_BYTES_MAX: usize = 256 << 10;
const STEP_ENTRIES_MAX: usize = 4_096;

/// What a client is being told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Mode {
    /// The client has what it needs up to the offset and must be told so.
    Resumed,
    /// A snapshot is on its way; it ends at the first part that reaches `target`.
    Snapshot {
        part: usize,
        target: u64,
    },
    Live,
}

/// A frame for one client.
#[derive(Clone, Debug)]
pub struct Frame {
    /// A client that has received this frame has everything up to this offset.
    pub offset: u64,
    /// The text, shared with every other client that receives it.
    pub text: Text,
}

/// Frames, and where a cursor stands after them.
#[derive(Debug)]
pub struct Step {
    /// In the order of their offsets.
    pub frames: Vec<Frame>,
    pub(super) after: Place,
}

/// Where a cursor stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    offset: u64,
    mode: Mode,
}

/// A client's place in the log.
#[derive(Debug)]
pub struct Cursor {
    filter: Arc<Filter>,
    place: Place,
}

impl Place {
    fn start(hub: &Hub) -> Self {
        Place { offset: 0, mode: Mode::Snapshot { part: 0, target: hub.store().head() } }
    }
}

impl Cursor {
    /// For what a client is to be shown, after the frame of the id `resume`, if it can be continued there.
    #[must_use]
    pub fn new(hub: &Hub, filter: Arc<Filter>, resume: Option<&str>) -> Self {
        let resumed = resume
            .and_then(|id| frame::offset_of(hub.epoch(), id))
            .filter(|offset| hub.store().can_continue(*offset, &filter));
        let place = match resumed {
            Some(offset) => Place { offset, mode: Mode::Resumed },
            None => Place::start(hub),
        };
        Cursor { filter, place }
    }

    /// Everything up to this offset is in the steps that were taken, or is not wanted.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.place.offset
    }

    /// Where it stands.
    #[must_use]
    pub fn place(&self) -> Place {
        self.place
    }

    /// What the client is shown.
    #[must_use]
    pub fn filter(&self) -> &Arc<Filter> {
        &self.filter
    }

    /// True if the client has been told how it begins: there is a step only when the log moves on.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.place.mode == Mode::Live
    }

    /// The store now holds what the log held at the start: whoever has read nothing yet gets all of it as its snapshot.
    pub fn begin(&mut self, hub: &Hub) {
        if self.place.offset == 0 {
            self.place = Place::start(hub);
        }
    }

    /// The next step, which may have no frames.
    #[must_use]
    pub fn step(&self, hub: &Hub) -> Step {
        let Place { offset, mode } = self.place;
        let own =
            |offset, make: &dyn Fn(&Stand<'_>) -> Text| Frame { offset, text: hub.with_stand(offset, make) };
        if mode == Mode::Resumed {
            let resumed = own(offset, &|stand| stand.resumed(self.filter.forbidden()));
            return Step { frames: vec![resumed], after: Place { offset, mode: Mode::Live } };
        }
        let batch = {
            let store = hub.store();
            let fits = mode != Mode::Live || store.can_continue(offset, &self.filter);
            fits.then(|| store.read(offset, &self.filter, STEP_BYTES_MAX, STEP_ENTRIES_MAX))
        };
        let Some(batch) = batch else { return Step { frames: Vec::new(), after: Place::start(hub) } };
        let offset = batch.offset;
        let Mode::Snapshot { part, target } = mode else {
            let frames = batch.frames.into_iter().map(|(offset, text)| Frame { offset, text });
            return Step { frames: frames.collect(), after: Place { offset, mode: Mode::Live } };
        };
        let is_last = offset >= target;
        if !is_last && batch.frames.is_empty() {
            return Step { frames: Vec::new(), after: Place { offset, mode } };
        }
        let forbidden = self.filter.forbidden();
        let frame = own(offset, &|stand| stand.snapshot(part, is_last, forbidden, &batch.frames));
        let next = part + usize::from(!batch.frames.is_empty());
        let mode = if is_last { Mode::Live } else { Mode::Snapshot { part: next, target } };
        Step { frames: vec![frame], after: Place { offset, mode } }
    }

    /// Goes to where it stands after the step.
    pub fn go(&mut self, step: &Step) {
        self.place = step.after;
    }
}
