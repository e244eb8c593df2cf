//! A Binance trade, whichever way it was written down.
//!
//! Always holds: the same trade has the same event id from every capture: venue, symbol and trade id.
//! Does not know: lines.

use schemas::{Aggressor, Amount, Event, Timestamp, TradeEvent};

/// Where trades come from unless an option says otherwise.
pub(crate) const DEFAULT_VENUE: &str = "binance-spot";

pub(crate) struct Trade<'a> {
    pub symbol: &'a str,
    pub trade_id: i64,
    pub price: Amount,
    pub quantity: Amount,
    pub is_buyer_maker: bool,
    pub event_time: Timestamp,
    pub ingest_time: Timestamp,
}

impl Trade<'_> {
    pub(crate) fn into_event(self, venue: &str) -> Event<'static> {
        let channel_id = format!("{venue}:{}", self.symbol);
        Event::Trade(TradeEvent {
            event_id: format!("{channel_id}:{}", self.trade_id).into(),
            event_time: self.event_time,
            ingest_time: self.ingest_time,
            source: venue.to_owned().into(),
            channel_id: channel_id.into(),
            user_id: None,
            stream_id: None,
            trade_id: Some(self.trade_id),
            price: self.price,
            quantity: self.quantity,
            aggressor: if self.is_buyer_maker { Aggressor::Sell } else { Aggressor::Buy },
            venue: venue.to_owned().into(),
            symbol: self.symbol.to_owned().into(),
        })
    }
}
