//! What is on its way to one client: the rest of a frame, control frames, and the step that it is in the middle of.
//!
//! Always holds: frames go out whole and in order, a control frame between two of them; several go to the system at once; no more waits
//! than one step and [`CONTROL_MAX`] control frames, of which the oldest gives way. Does not know: what frames say.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::AsyncWrite;

use super::cursor::Step;

/// Control frames and heartbeats that wait while the client takes nothing.
const CONTROL_MAX: usize = 4;
/// As many frames go to the system at once.
const AT_ONCE_MAX: usize = 16;

/// What a client has not taken yet.
#[derive(Default)]
pub struct Outgoing {
    /// The rest of a frame that is out in part.
    rest: Bytes,
    control: VecDeque<Bytes>,
    step: Option<(Arc<Step>, usize)>,
    handed_over: u64,
    is_unflushed: bool,
}

impl Outgoing {
    /// When nothing waits: these frames. Everything up to `before` has been handed over.
    pub fn put(&mut self, step: Arc<Step>, before: u64) {
        self.handed_over = before;
        self.step = (!step.frames.is_empty()).then_some((step, 0));
    }

    /// Before the next frame, this.
    pub fn put_control(&mut self, message: Bytes) {
        if self.control.len() == CONTROL_MAX {
            self.control.pop_front();
        }
        self.control.push_back(message);
    }

    /// No more frames but the one that is out in part.
    pub fn end_steps(&mut self) {
        self.step = None;
    }

    /// Everything up to this offset has been handed over, or will be before what is put now; none between steps.
    pub fn handed_over(&self) -> Option<u64> {
        self.step.is_some().then_some(self.handed_over)
    }

    /// True if something waits.
    pub fn is_waiting(&self) -> bool {
        self.is_unflushed || !self.rest.is_empty() || !self.control.is_empty() || self.step.is_some()
    }

    /// Sends what there is. Ready once all of it is taken; `is_frame_taken` becomes true when a frame is taken to its end.
    ///
    /// # Errors
    /// As the stream says.
    pub fn poll_send<W: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut W,
        context: &mut Context<'_>,
        is_frame_taken: &mut bool,
    ) -> Poll<io::Result<()>> {
        loop {
            let mut parts = [IoSlice::new(&[]); AT_ONCE_MAX];
            let count =
                self.waiting().zip(&mut parts).map(|(bytes, part)| *part = IoSlice::new(bytes)).count();
            let stream = Pin::new(&mut *stream);
            let written = match &parts[..count] {
                [] if self.is_unflushed => {
                    ready!(stream.poll_flush(context))?;
                    self.is_unflushed = false;
                    return Poll::Ready(Ok(()));
                }
                [] => return Poll::Ready(Ok(())),
                [one] => ready!(stream.poll_write(context, one))?,
                parts => ready!(stream.poll_write_vectored(context, parts))?,
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.is_unflushed = true;
            *is_frame_taken |= self.advance(written);
        }
    }

    fn waiting(&self) -> impl Iterator<Item = &Bytes> {
        let rest = (!self.rest.is_empty()).then_some(&self.rest);
        let (frames, at) = self.step.as_ref().map_or((&[][..], 0), |(step, at)| (&step.frames[..], *at));
        rest.into_iter().chain(&self.control).chain(frames[at..].iter().map(|frame| frame.text.message()))
    }

    /// So many bytes are taken. True if a frame has been taken to its end.
    fn advance(&mut self, mut taken: usize) -> bool {
        let mut is_whole = false;
        loop {
            if self.rest.is_empty() && !self.begin_next(taken > 0) {
                return is_whole;
            }
            let now = taken.min(self.rest.len());
            self.rest.advance(now);
            taken -= now;
            is_whole |= self.rest.is_empty();
            if taken == 0 && !self.rest.is_empty() {
                return is_whole;
            }
        }
    }

    /// Takes the next frame as the one that is out in part, if there is one and some of it is taken.
    fn begin_next(&mut self, is_taken: bool) -> bool {
        if let Some((step, at)) = &self.step
            && *at == step.frames.len()
        {
            self.step = None;
        }
        if !is_taken {
            return false;
        }
        if let Some(control) = self.control.pop_front() {
            self.rest = control;
        } else if let Some((step, at)) = &mut self.step {
            self.rest = step.frames[*at].text.message().clone();
            self.handed_over = step.frames[*at].offset;
            *at += 1;
        } else {
            return false;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::cursor::{Cursor, Place};
    use super::super::hub::Hub;
    use super::super::message::{Kind, encode};
    use super::super::selector::{Filter, Selectors};
    use super::super::store::StoreLimits;
    use super::*;

    /// Takes so many bytes, and then none until there is room again.
    #[derive(Default)]
    struct Narrow {
        taken: Vec<u8>,
        room: usize,
    }

    impl AsyncWrite for Narrow {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            let count = bytes.len().min(self.room);
            self.taken.extend_from_slice(&bytes[..count]);
            self.room -= count;
            if count == 0 { Poll::Pending } else { Poll::Ready(Ok(count)) }
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            parts: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let all: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
            self.as_mut().poll_write(context, &all)
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// Three frames, at the offsets 1 to 3.
    fn step() -> Arc<Step> {
        let hub = Hub::new(StoreLimits::default());
        let everything = Filter::new(Selectors::everything(), Selectors::everything()).expect("all of it");
        let cursor = Cursor::new(&hub, Arc::new(everything), None);
        let after: Place = cursor.place();
        let one = cursor.step(&hub).frames.remove(0);
        let frames = (1..=3).map(|offset| super::super::cursor::Frame { offset, text: one.text.clone() });
        Arc::new(Step { frames: frames.collect(), after })
    }

    #[test]
    fn frames_go_out_whole_however_little_is_taken_at_a_time() {
        let step = step();
        let frame = step.frames[0].text.message().clone();
        let beat = encode(Kind::Pong, b"beat");
        for room in 1..frame.len() * 2 {
            let (mut outgoing, mut stream) = (Outgoing::default(), Narrow::default());
            outgoing.put(Arc::clone(&step), 0);
            let (mut beats, mut handed_over, mut whole) = (0, Vec::new(), 0);
            while outgoing.is_waiting() {
                stream.room = room;
                let (mut context, mut is_frame_taken) =
                    (Context::from_waker(std::task::Waker::noop()), false);
                let sent = outgoing.poll_send(&mut stream, &mut context, &mut is_frame_taken);
                assert_eq!(sent.is_ready(), !outgoing.is_waiting());
                whole += usize::from(is_frame_taken);
                if let Some(offset) = outgoing.handed_over() {
                    handed_over.push(offset);
                    if beats == 0 {
                        outgoing.put_control(beat.clone());
                        beats += 1;
                        let begun = stream.taken.len().div_ceil(frame.len()) as u64;
                        assert_eq!(offset, begun, "what is out at least in part comes before the heartbeat");
                    }
                }
            }
            assert!(handed_over.is_sorted() && whole > 0, "{handed_over:?}");
            let text = &stream.taken[..];
            let at = text.windows(beat.len()).position(|bytes| bytes == beat).unwrap_or(text.len());
            assert!(
                beats == 0 || at.is_multiple_of(frame.len()),
                "between two frames, not at {at} with {room}"
            );
            let rest = [&text[..at], text.get(at + beat.len()..).unwrap_or_default()].concat();
            assert_eq!(rest, frame.repeat(3), "with {room}");
        }
    }

    #[test]
    fn of_signs_of_life_that_nobody_takes_few_are_kept() {
        let (mut outgoing, mut stream) = (Outgoing::default(), Narrow::default());
        for number in 0..100_u8 {
            outgoing.put_control(encode(Kind::Pong, &[number]));
        }
        stream.room = 1_000;
        let mut context = Context::from_waker(std::task::Waker::noop());
        assert!(outgoing.poll_send(&mut stream, &mut context, &mut false).is_ready());
        let newest: Vec<u8> = stream.taken.chunks(3).map(|pong| pong[2]).collect();
        assert_eq!(newest, [96, 97, 98, 99]);
    }
}
