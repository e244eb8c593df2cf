//! Events written with our own schemas, read field by field instead of by name.
//!
//! Nearly all events have been written with the schema that is compiled in, so the order of its fields is known. Always holds: what is
//! read here is what the codec reads from the same bytes; where these are in any way unusual the answer is none, and the codec
//! decides. Strings borrow from the bytes. Does not know: other schemas, or what is wrong with bytes.

use crate::codec::SEQUENCE_LEN_MAX;
use crate::decimal::Decimal;
use crate::event::{
    Aggressor, ChatEvent, ChatKind, Emote, Event, ReactionEvent, ReactionKind, TradeEvent, ViewerEvent,
    ViewerKind,
};
use crate::text::Text;
use crate::time::Timestamp;
use crate::topics::Topic;

/// Reads an event of a topic.
pub(crate) fn event(topic: Topic, datum: &[u8]) -> Option<Event<'_>> {
    let mut datum = Datum(datum);
    let event = match topic {
        Topic::Chat => Event::Chat(datum.get()?),
        Topic::Reactions => Event::Reaction(datum.get()?),
        Topic::Viewers => Event::Viewer(datum.get()?),
        Topic::Trades => Event::Trade(datum.get()?),
        _ => return None,
    };
    datum.0.is_empty().then_some(event)
}

/// What is left to be read.
struct Datum<'a>(&'a [u8]);

/// Something that stands in a datum, as Avro writes it.
trait Read<'a>: Sized {
    fn read(datum: &mut Datum<'a>) -> Option<Self>;
}

impl<'a> Datum<'a> {
    fn get<T: Read<'a>>(&mut self) -> Option<T> {
        T::read(self)
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// As many bytes as the number before them says.
    fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(self.get::<i64>()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }

    /// The symbol of an enum, by its place in the schema.
    fn symbol<T: Copy>(&mut self, symbols: &[T]) -> Option<T> {
        symbols.get(usize::try_from(self.get::<i64>()?).ok()?).copied()
    }
}

impl Read<'_> for i64 {
    fn read(datum: &mut Datum<'_>) -> Option<Self> {
        let mut folded = 0u64;
        for shift in (0..63).step_by(7) {
            let byte = datum.byte()?;
            folded |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some((folded >> 1) as i64 ^ -((folded & 1) as i64));
            }
        }
        folded |= u64::from(datum.byte().filter(|last| *last <= 1)?) << 63;
        Some((folded >> 1) as i64 ^ -((folded & 1) as i64))
    }
}

impl Read<'_> for i32 {
    fn read(datum: &mut Datum<'_>) -> Option<Self> {
        datum.get::<i64>()?.try_into().ok()
    }
}

impl Read<'_> for bool {
    fn read(datum: &mut Datum<'_>) -> Option<Self> {
        match datum.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

impl Read<'_> for Timestamp {
    fn read(datum: &mut Datum<'_>) -> Option<Self> {
        datum.get().map(Timestamp::from_micros)
    }
}

impl<'a> Read<'a> for Text<'a> {
    fn read(datum: &mut Datum<'a>) -> Option<Self> {
        std::str::from_utf8(datum.bytes()?).ok().map(Text::from)
    }
}

impl<const SCALE: u32> Read<'_> for Decimal<SCALE> {
    fn read(datum: &mut Datum<'_>) -> Option<Self> {
        Decimal::from_bytes(datum.bytes()?)
    }
}

impl<'a, T: Read<'a>> Read<'a> for Option<T> {
    fn read(datum: &mut Datum<'a>) -> Option<Self> {
        match datum.byte()? {
            0 => Some(None),
            2 => datum.get().map(Some),
            _ => None,
        }
    }
}

/// One block and its end, which is how a list is written unless it is large.
impl<'a, T: Read<'a>> Read<'a> for Vec<T> {
    fn read(datum: &mut Datum<'a>) -> Option<Self> {
        let count = usize::try_from(datum.get::<i64>()?).ok().filter(|count| *count <= SEQUENCE_LEN_MAX)?;
        if count == 0 {
            return Some(Vec::new());
        }
        let values = (0..count).map(|_| datum.get()).collect::<Option<Vec<T>>>()?;
        (datum.byte()? == 0).then_some(values)
    }
}

impl Read<'_> for ChatKind {
    fn read(datum: &mut Datum<'_>) -> Option<Self> {
        use ChatKind::*;
        datum.symbol(&[Message, MessageDeleted, UserBanned, UserTimedOut, ChatCleared, Unknown])
    }
}

impl Read<'_> for ReactionKind {
    fn read(datum: &mut Datum<'_>) -> Option<Self> {
        use ReactionKind::*;
        datum.symbol(&[
            Emoji,
            Like,
            Cheer,
            Gift,
            SuperChat,
            Subscription,
            Raid,
            PollVote,
            QuestionUpvote,
            Unknown,
        ])
    }
}

impl Read<'_> for ViewerKind {
    fn read(datum: &mut Datum<'_>) -> Option<Self> {
        use ViewerKind::*;
        datum.symbol(&[Join, Heartbeat, Leave, Quality, Unknown])
    }
}

impl Read<'_> for Aggressor {
    fn read(datum: &mut Datum<'_>) -> Option<Self> {
        use Aggressor::*;
        datum.symbol(&[Buy, Sell, Unknown])
    }
}

/// Reads the fields in the order given, which is that of the schema.
macro_rules! in_order {
    ($record:ident { $($field:ident),+ $(,)? }) => {
        impl<'a> Read<'a> for $record<'a> {
            fn read(datum: &mut Datum<'a>) -> Option<Self> {
                Some($record { $($field: datum.get()?),+ })
            }
        }
    };
}

/// The same for an event, whose first fields are those that all events have.
macro_rules! after_header {
    ($record:ident { $($field:ident),+ $(,)? }) => {
        in_order!($record {
            event_id, event_time, ingest_time, source, channel_id, user_id, stream_id, $($field),+
        });
    };
}

in_order!(Emote { id, name, count });
after_header!(ChatEvent {
    kind,
    user_name,
    text,
    emotes,
    roles,
    badges,
    reply_to,
    is_question,
    is_first_message,
    target_message_id,
    target_user_id,
    duration_ms,
});
after_header!(ReactionEvent { kind, count, user_name, emoji, amount_micros, currency, target_id, option });
after_header!(ViewerEvent {
    kind,
    session_id,
    watch_ms,
    startup_ms,
    rebuffer_count,
    rebuffer_ms,
    bitrate_kbps,
    live_latency_ms,
    device,
    country,
});
after_header!(TradeEvent { trade_id, price, quantity, aggressor, venue, symbol });
