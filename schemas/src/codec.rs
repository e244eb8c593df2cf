//! Rust values to Kafka bytes and back: the Confluent wire format (byte 0, schema id in 4 bytes big endian, Avro datum).
//!
//! Always holds: decoding arbitrary bytes returns a value or an error and never panics; strings of a decoded event
//! borrow from the payload; a schema is parsed once, never per record; equal values have equal bytes.
//! Reading another writer's schema is by field name: fields that we lack are skipped, fields that the writer
//! lacks take their default.
//!
//! Does not know: where schema ids come from. [`Decoder::decode`] names an id that it has not met, and whoever
//! can ask a registry adds it with [`Decoder::add_writer_schema`].

use std::collections::HashMap;
use std::io::Read;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use serde_avro_fast::de::read::SliceRead;
use serde_avro_fast::de::{DeserializerConfig, DeserializerState};
use serde_avro_fast::ser::{SerializerConfig, SerializerState};

use crate::event::{ChatEvent, Event, InvalidValue, ReactionEvent, TradeEvent, ViewerEvent};
use crate::partial::BoardPartial;
use crate::quick;
use crate::result::{CandleResult, DeadLetter, EngagementResult, LeaderboardResult, ModerationFlag};
use crate::topics::Topic;

/// Bytes before the datum.
pub const WIRE_HEADER_LEN: usize = 5;

/// No list or map in a value may claim more entries than this.
pub(crate) const SEQUENCE_LEN_MAX: usize = 1 << 20;
/// No value may nest deeper than this.
const DEPTH_MAX: usize = 16;

/// A type that travels in one topic.
pub trait Message: Serialize {
    /// The topic.
    const TOPIC: Topic;
}

macro_rules! travels_in {
    ($($type:ty => $topic:ident),+ $(,)?) => { $(impl Message for $type { const TOPIC: Topic = Topic::$topic; })+ };
}

travels_in! {
    ChatEvent<'_> => Chat, ReactionEvent<'_> => Reactions, ViewerEvent<'_> => Viewers, TradeEvent<'_> => Trades,
    LeaderboardResult => Leaderboards, EngagementResult => Engagement, CandleResult => Markets,
    ModerationFlag => Moderation, DeadLetter => DeadLetter, BoardPartial => Partials,
}

/// The schema registry's id for the value schema of each topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchemaIds([u32; Topic::ALL.len()]);

impl SchemaIds {
    /// Asks `id_of` for each topic's id.
    ///
    /// # Errors
    /// The first error of `id_of`.
    pub fn try_from_fn<E>(mut id_of: impl FnMut(Topic) -> Result<u32, E>) -> Result<Self, E> {
        let mut ids = [0; Topic::ALL.len()];
        for topic in Topic::ALL {
            ids[topic as usize] = id_of(topic)?;
        }
        Ok(SchemaIds(ids))
    }

    /// Ids for use without a registry, within one process: 1 for the first topic of the table and so on.
    #[must_use]
    pub fn local() -> Self {
        SchemaIds(std::array::from_fn(|index| index as u32 + 1))
    }

    /// The id of a topic's value schema.
    #[must_use]
    pub fn get(&self, topic: Topic) -> u32 {
        self.0[topic as usize]
    }
}

/// A schema that the fast codec cannot use.
#[derive(Debug, thiserror::Error)]
#[error("schema cannot be used: {0}")]
pub struct SchemaError(String);

/// Parses a schema for the fast codec. Decimals are read and written by [`crate::Decimal`] itself (the codec's
/// own decimals stop at 96 bits), so to the codec they are plain bytes.
fn parse_schema(json: &str) -> Result<serde_avro_fast::Schema, SchemaError> {
    fn decimals_to_bytes(node: &mut serde_json::Value) {
        match node {
            serde_json::Value::Object(object) => {
                if object.get("logicalType").is_some_and(|logical| logical == "decimal") {
                    object.remove("logicalType");
                }
                object.values_mut().for_each(decimals_to_bytes);
            }
            serde_json::Value::Array(items) => items.iter_mut().for_each(decimals_to_bytes),
            _ => {}
        }
    }
    let mut node: serde_json::Value =
        serde_json::from_str(json).map_err(|error| SchemaError(error.to_string()))?;
    decimals_to_bytes(&mut node);
    node.to_string()
        .parse()
        .map_err(|error: serde_avro_fast::schema::SchemaError| SchemaError(error.to_string()))
}

static SCHEMAS: LazyLock<[serde_avro_fast::Schema; Topic::ALL.len()]> = LazyLock::new(|| {
    Topic::ALL.map(|topic| match parse_schema(topic.spec().schema) {
        Ok(schema) => schema,
        Err(error) => unreachable!("the schema of {topic} is part of the program: {error}"),
    })
});

/// A value that cannot be written with its own schema: a field has no place in it. A bug, not an input error.
#[derive(Debug, thiserror::Error)]
#[error("value does not fit the schema of {topic}: {detail}")]
pub struct EncodeError {
    topic: Topic,
    detail: String,
}

/// Writes values in the wire format. One for each thread: it keeps scratch memory.
pub struct Encoder {
    ids: SchemaIds,
    configs: [SerializerConfig<'static>; Topic::ALL.len()],
}

impl Encoder {
    /// An encoder that writes these schema ids.
    #[must_use]
    pub fn new(ids: SchemaIds) -> Self {
        Encoder { ids, configs: Topic::ALL.map(|topic| SerializerConfig::new(&SCHEMAS[topic as usize])) }
    }

    /// Appends the value to `buffer`.
    ///
    /// # Errors
    /// If the value does not fit its schema; `buffer` is then as it was.
    pub fn encode<M: Message>(&mut self, message: &M, buffer: &mut Vec<u8>) -> Result<(), EncodeError> {
        let start = buffer.len();
        buffer.push(0);
        buffer.extend_from_slice(&self.ids.get(M::TOPIC).to_be_bytes());
        let config = &mut self.configs[M::TOPIC as usize];
        let mut state = SerializerState::from_writer(&mut *buffer, config);
        if let Err(error) = message.serialize(state.serializer()) {
            drop(state);
            buffer.truncate(start);
            return Err(EncodeError { topic: M::TOPIC, detail: error.to_string() });
        }
        Ok(())
    }

    /// Appends the event to `buffer`.
    ///
    /// # Errors
    /// As [`Encoder::encode`].
    pub fn encode_event(&mut self, event: &Event<'_>, buffer: &mut Vec<u8>) -> Result<(), EncodeError> {
        match event {
            Event::Chat(event) => self.encode(event, buffer),
            Event::Reaction(event) => self.encode(event, buffer),
            Event::Viewer(event) => self.encode(event, buffer),
            Event::Trade(event) => self.encode(event, buffer),
            Event::Partial(partial) => self.encode(&**partial, buffer),
        }
    }
}

impl Event<'_> {
    /// The topic that the event travels in.
    #[must_use]
    pub fn topic(&self) -> Topic {
        match self {
            Event::Chat(_) => Topic::Chat,
            Event::Reaction(_) => Topic::Reactions,
            Event::Viewer(_) => Topic::Viewers,
            Event::Trade(_) => Topic::Trades,
            Event::Partial(_) => Topic::Partials,
        }
    }
}

/// Why bytes are not a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Too short, or the first byte is not 0.
    #[error("not in the wire format: {0}")]
    NotWireFormat(&'static str),
    /// The schema id has not been met. A registry may know it.
    #[error("schema id {0} is unknown")]
    UnknownSchema(u32),
    /// The datum does not match the writer's schema, or that schema lacks what we need.
    #[error("datum is undecodable: {0}")]
    Undecodable(String),
    /// Decoded, but a value makes no sense.
    #[error("invalid value: {0}")]
    InvalidValue(#[from] InvalidValue),
}

impl DecodeError {
    /// The fixed word that a dead letter carries as its reason.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            DecodeError::NotWireFormat(_) => "not_wire_format",
            DecodeError::UnknownSchema(_) => "unknown_schema",
            DecodeError::Undecodable(_) => "undecodable",
            DecodeError::InvalidValue(_) => "invalid_value",
        }
    }
}

/// Splits a payload in the wire format into schema id and datum.
///
/// # Errors
/// [`DecodeError::NotWireFormat`].
pub fn split_wire_format(payload: &[u8]) -> Result<(u32, &[u8]), DecodeError> {
    match payload {
        [0, a, b, c, d, datum @ ..] => Ok((u32::from_be_bytes([*a, *b, *c, *d]), datum)),
        [] => Err(DecodeError::NotWireFormat("the value is empty")),
        [0, ..] => Err(DecodeError::NotWireFormat("the value is shorter than its header")),
        _ => Err(DecodeError::NotWireFormat("the first byte is not 0")),
    }
}

/// Reads values in the wire format.
pub struct Decoder {
    own: SchemaIds,
    others: HashMap<u32, serde_avro_fast::Schema>,
}

impl Decoder {
    /// A decoder that knows our own schemas under these ids.
    #[must_use]
    pub fn new(ids: SchemaIds) -> Self {
        Decoder { own: ids, others: HashMap::new() }
    }

    /// Makes another writer's schema known: an older or newer version, or a foreign producer's.
    ///
    /// # Errors
    /// If the text is not an Avro schema.
    pub fn add_writer_schema(&mut self, id: u32, json: &str) -> Result<(), SchemaError> {
        self.others.insert(id, parse_schema(json)?);
        Ok(())
    }

    /// Whether values of `topic` with this schema id can be read.
    #[must_use]
    pub fn knows(&self, topic: Topic, id: u32) -> bool {
        id == self.own.get(topic) || self.others.contains_key(&id)
    }

    /// Reads a value of a known type. Strings borrow from `payload`.
    ///
    /// # Errors
    /// See [`DecodeError`]; [`DecodeError::InvalidValue`] only from [`Decoder::decode_event`].
    pub fn decode<'a, M: Message + Deserialize<'a>>(&self, payload: &'a [u8]) -> Result<M, DecodeError> {
        let (id, datum) = split_wire_format(payload)?;
        let schema = if id == self.own.get(M::TOPIC) {
            &SCHEMAS[M::TOPIC as usize]
        } else {
            self.others.get(&id).ok_or(DecodeError::UnknownSchema(id))?
        };
        let mut config = DeserializerConfig::new(schema);
        config.max_seq_size = SEQUENCE_LEN_MAX;
        config.allowed_depth = DEPTH_MAX;
        let mut state = DeserializerState::with_config(SliceRead::new(datum), config);
        let message = M::deserialize(state.deserializer())
            .map_err(|error| DecodeError::Undecodable(error.to_string()))?;
        match state.into_reader().read(&mut [0]) {
            Ok(0) => Ok(message),
            _ => Err(DecodeError::Undecodable("bytes are left over".to_owned())),
        }
    }

    /// Reads an event of `topic` and checks that its values make sense.
    ///
    /// # Errors
    /// See [`DecodeError`].
    ///
    /// # Panics
    /// If `topic` is neither one of [`Topic::EVENTS`] nor [`Topic::Partials`]: only the program chooses it.
    pub fn decode_event<'a>(&self, topic: Topic, payload: &'a [u8]) -> Result<Event<'a>, DecodeError> {
        let (id, datum) = split_wire_format(payload)?;
        let quick = if id == self.own.get(topic) { quick::event(topic, datum) } else { None };
        let event = match quick {
            Some(event) => event,
            None => self.decode_event_by_name(topic, payload)?,
        };
        event.check()?;
        Ok(event)
    }

    /// Reads an event as [`Decoder::decode`] does, which any schema allows.
    fn decode_event_by_name<'a>(&self, topic: Topic, payload: &'a [u8]) -> Result<Event<'a>, DecodeError> {
        Ok(match topic {
            Topic::Chat => Event::Chat(self.decode(payload)?),
            Topic::Reactions => Event::Reaction(self.decode(payload)?),
            Topic::Viewers => Event::Viewer(self.decode(payload)?),
            Topic::Trades => Event::Trade(self.decode(payload)?),
            Topic::Partials => Event::Partial(Box::new(self.decode(payload)?)),
            _ => unreachable!("{topic} does not carry events"),
        })
    }
}
