//! Binance trades as CSV with a header: `recv_ns,event_ms,trade_ms,symbol,trade_id,price,qty,buyer_is_maker,...`.
//!
//! Always holds: columns are found by name, in any order, and others are ignored; the events equal those of
//! [`super::binance_ws`] for the same trades. Does not know: commas within quotes; no column has any.

use schemas::{Amount, Event, Timestamp};

use super::binance::Trade;
use super::{ParseError, field_error, instant_by_magnitude};

const COLUMNS: [&str; 7] = ["recv_ns", "trade_ms", "symbol", "trade_id", "price", "qty", "buyer_is_maker"];

/// Where each of the needed columns is.
#[derive(Debug)]
pub struct Columns {
    places: [usize; COLUMNS.len()],
    count: usize,
}

fn cells(line: &str) -> impl Iterator<Item = &str> {
    line.trim_end_matches(['\r', '\n']).split(',').map(|cell| {
        let cell = cell.trim();
        cell.strip_prefix('"').and_then(|quoted| quoted.strip_suffix('"')).unwrap_or(cell)
    })
}

impl Columns {
    /// Reads the header.
    ///
    /// # Errors
    /// [`ParseError::Missing`] names the first column that is not there.
    pub fn parse(header: &str) -> Result<Self, ParseError> {
        let names: Vec<&str> = cells(header.trim_start_matches('\u{feff}')).collect();
        let mut places = [0; COLUMNS.len()];
        for (place, column) in places.iter_mut().zip(COLUMNS) {
            *place = names.iter().position(|name| *name == column).ok_or(ParseError::Missing(column))?;
        }
        Ok(Columns { places, count: names.len() })
    }

    /// Appends the trade in a line to `events`; an empty line has none.
    ///
    /// # Errors
    /// If the line has another number of columns than the header, or a cell cannot be read.
    pub fn read(&self, line: &str, venue: &str, events: &mut Vec<Event<'static>>) -> Result<(), ParseError> {
        if line.trim().is_empty() {
            return Ok(());
        }
        let mut found = [""; COLUMNS.len()];
        let mut count = 0;
        for (index, cell) in cells(line).enumerate() {
            count = index + 1;
            for (value, place) in found.iter_mut().zip(self.places) {
                if place == index {
                    *value = cell;
                }
            }
        }
        if count != self.count {
            return Err(ParseError::Shape(format!("{count} columns, but the header has {}", self.count)));
        }
        let [recv_ns, trade_ms, symbol, trade_id, price, qty, buyer_is_maker] = found;
        let is_buyer_maker = match buyer_is_maker {
            "True" | "true" | "1" => true,
            "False" | "false" | "0" => false,
            other => return Err(field_error("buyer_is_maker", other, "neither true nor false")),
        };
        let trade = Trade {
            symbol,
            trade_id: whole("trade_id", trade_id)?,
            price: amount("price", price)?,
            quantity: amount("qty", qty)?,
            is_buyer_maker,
            event_time: instant_by_magnitude(whole("trade_ms", trade_ms)?),
            ingest_time: Timestamp::from_micros(whole("recv_ns", recv_ns)?.div_euclid(1_000)),
        };
        events.push(trade.into_event(venue));
        Ok(())
    }
}

fn whole(field: &'static str, value: &str) -> Result<i64, ParseError> {
    value.parse().map_err(|_| field_error(field, value, "not a whole number"))
}

fn amount(field: &'static str, value: &str) -> Result<Amount, ParseError> {
    value.parse().map_err(|_| field_error(field, value, "not a decimal number of up to 28 and 10 digits"))
}
