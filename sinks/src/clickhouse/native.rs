//! Rows into columns: the Native format.
//!
//! A block is the number of columns, the number of rows, and for each column its name, its type and its values
//! (<https://clickhouse.com/docs/interfaces/formats/Native>; the values as the engine's `ISerialization::serializeBinaryBulk`
//! writes them). Rows are gathered in RowBinary, since chunks are cut and divided by rows, and turned when they are sent: that
//! costs us less than it saves the server, which keeps columns (`bench/NOTES.md` has the figures).
//!
//! Always holds: the same rows make the same blocks. Does not know: dictionaries; the server makes them of plain strings.

use std::mem::size_of;

use super::rowbinary::write_length;
use super::tables::{name_and_type, split_outside_brackets};

/// A block ends once it has so many bytes of rows, so that its columns stay in a processor's cache while they are filled. The server
/// puts the blocks of an insert together.
const BLOCK_BYTES: usize = 1 << 20;

/// The blocks that hold these rows, one after the other into `emit`. `columns`: names and types, in the order in which the rows have
/// them.
///
/// # Errors
/// What `emit` returns.
///
/// # Panics
/// If the rows are not of these columns: only the program chooses both.
pub fn blocks<'a, E>(
    columns: impl Iterator<Item = (&'a str, &'a str)>,
    rows: &[u8],
    mut emit: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut columns: Vec<(&str, &str, Column)> =
        columns.map(|(name, kind)| (name, kind, Column::of(kind))).collect();
    let (mut rest, mut block) = (rows, Vec::new());
    while !rest.is_empty() {
        let (bytes_left, mut row_count) = (rest.len().saturating_sub(BLOCK_BYTES), 0);
        while rest.len() > bytes_left {
            for (_, _, column) in &mut columns {
                column.take(&mut rest);
            }
            row_count += 1;
        }
        block.clear();
        write_length(columns.len(), &mut block);
        write_length(row_count, &mut block);
        for (name, kind, column) in &mut columns {
            for text in [name, kind] {
                write_length(text.len(), &mut block);
                block.extend_from_slice(text.as_bytes());
            }
            column.drain(&mut block);
        }
        emit(&block)?;
    }
    Ok(())
}

/// The values of a column, or of a part of one.
enum Column {
    /// Values of so many bytes, one after the other.
    Fixed(usize, Vec<u8>),
    /// Each with its length before it.
    Text(Vec<u8>),
    /// A byte for each value, 1 where it is null; and all values, with a default in the place of a null.
    Nullable(Vec<u8>, Box<Column>),
    /// How many items there are up to the end of each value, and all items.
    Array(u64, Vec<u8>, Box<Column>),
    /// The first fields of all values, then the second ones.
    Tuple(Vec<Column>),
}

impl Column {
    fn of(kind: &str) -> Column {
        let inner = |name: &str| kind.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')');
        if let Some(inner) = inner("Nullable") {
            return Column::Nullable(Vec::new(), Box::new(Column::of(inner)));
        }
        if let Some(inner) = inner("Array") {
            return Column::Array(0, Vec::new(), Box::new(Column::of(inner)));
        }
        if let Some(inner) = inner("Map") {
            let entry = Column::Tuple(split_outside_brackets(inner).map(Column::of).collect());
            return Column::Array(0, Vec::new(), Box::new(entry));
        }
        if let Some(inner) = inner("Tuple") {
            let fields = split_outside_brackets(inner).map(|field| Column::of(name_and_type(field).1));
            return Column::Tuple(fields.collect());
        }
        match kind.split('(').next() {
            Some("String") => Column::Text(Vec::new()),
            Some("Bool") => Column::Fixed(size_of::<u8>(), Vec::new()),
            Some("Int32") => Column::Fixed(size_of::<i32>(), Vec::new()),
            Some("Int64" | "Float64" | "DateTime64") => Column::Fixed(size_of::<i64>(), Vec::new()),
            Some("Decimal") => Column::Fixed(size_of::<i128>(), Vec::new()),
            _ => unreachable!("no column of ours has the type {kind}"),
        }
    }

    /// Takes the next value from the rows.
    fn take(&mut self, rows: &mut &[u8]) {
        match self {
            Column::Fixed(width, values) => values.extend_from_slice(take(rows, *width)),
            Column::Text(values) => {
                let (length, width) = length(rows);
                values.extend_from_slice(take(rows, width + length));
            }
            Column::Nullable(nulls, values) => {
                let is_null = take(rows, 1)[0];
                nulls.push(is_null);
                if is_null == 0 { values.take(rows) } else { values.take_default() }
            }
            Column::Array(item_count, ends, items) => {
                let (length, width) = length(rows);
                take(rows, width);
                (0..length).for_each(|_| items.take(rows));
                *item_count += length as u64;
                ends.extend_from_slice(&item_count.to_le_bytes());
            }
            Column::Tuple(fields) => fields.iter_mut().for_each(|field| field.take(rows)),
        }
    }

    /// Stands in for a null.
    fn take_default(&mut self) {
        match self {
            Column::Fixed(width, values) => values.resize(values.len() + *width, 0),
            Column::Text(values) => values.push(0),
            _ => unreachable!("the engine has no nullable arrays and tuples"),
        }
    }

    /// Appends the values to a block, and has none any more.
    fn drain(&mut self, block: &mut Vec<u8>) {
        match self {
            Column::Fixed(_, values) | Column::Text(values) => block.append(values),
            Column::Nullable(nulls, values) => {
                block.append(nulls);
                values.drain(block);
            }
            Column::Array(item_count, ends, items) => {
                *item_count = 0;
                block.append(ends);
                items.drain(block);
            }
            Column::Tuple(fields) => fields.iter_mut().for_each(|field| field.drain(block)),
        }
    }
}

fn take<'a>(rows: &mut &'a [u8], count: usize) -> &'a [u8] {
    rows.split_off(..count).expect("rows end with a row")
}

/// A length in LEB128 at the start of these bytes, and how many bytes it has.
fn length(bytes: &[u8]) -> (usize, usize) {
    let (mut length, mut width) = (0, 0);
    loop {
        let byte = bytes[width];
        length |= usize::from(byte & 0x7f) << (7 * width);
        width += 1;
        if byte & 0x80 == 0 {
            return (length, width);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clickhouse::rowbinary::RowBuffer;

    fn blocks_of(columns: &[(&str, &str)], rows: &RowBuffer) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        let emit = |block: &[u8]| -> Result<(), ()> {
            all.push(block.to_vec());
            Ok(())
        };
        blocks(columns.iter().copied(), rows.as_bytes(), emit).expect("nothing fails");
        all
    }

    #[test]
    fn values_stand_column_by_column() {
        let mut rows = RowBuffer::default();
        for (text, number, labels) in [("ab", Some(7), &["x", "y"][..]), ("", None, &[])] {
            rows.string(text);
            rows.nullable(number, RowBuffer::int32);
            rows.array(labels, |row, label| {
                row.string(label);
                row.boolean(true);
            });
        }
        let columns = [("t", "String"), ("n", "Nullable(Int32)"), ("l", "Map(String, Bool)")];
        let mut expected = b"\x03\x02".to_vec();
        expected.extend_from_slice(b"\x01t\x06String\x02ab\x00");
        expected.extend_from_slice(b"\x01n\x0fNullable(Int32)\x00\x01\x07\0\0\0\0\0\0\0");
        expected.extend_from_slice(b"\x01l\x11Map(String, Bool)");
        expected.extend_from_slice(b"\x02\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x01x\x01y\x01\x01");
        assert_eq!(blocks_of(&columns, &rows), [expected]);
    }

    #[test]
    fn long_texts_have_long_lengths() {
        let mut rows = RowBuffer::default();
        let text = "a".repeat(20_000);
        rows.string(&text);
        let expected = [b"\x01\x01\x01t\x06String\xa0\x9c\x01", text.as_bytes()].concat();
        assert_eq!(blocks_of(&[("t", "String")], &rows), [expected]);
    }

    #[test]
    fn many_rows_are_several_blocks_that_begin_anew() {
        let mut rows = RowBuffer::default();
        // of 1 + 31 bytes each
        (0..=BLOCK_BYTES / 32).for_each(|_| rows.array(&[""; 31], |row, text| row.string(text)));
        let found = blocks_of(&[("n", "Array(String)")], &rows);
        assert_eq!(found.len(), 2);
        let head = b"\x01n\x0dArray(String)";
        assert_eq!(found[0][..4 + head.len()], [&b"\x01\x80\x80\x02"[..], head].concat());
        assert_eq!(found[1], [&b"\x01\x01"[..], head, &31u64.to_le_bytes(), &[0; 31]].concat());
    }
}
