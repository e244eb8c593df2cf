//! What a command prints on standard output. A closed pipe ends the program quietly, see `main`.

use std::io::{self, Write};

use anyhow::Result;

/// Prints one line.
pub(crate) fn line(text: impl AsRef<str>) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_ref().as_bytes())?;
    out.write_all(b"\n")?;
    Ok(())
}

/// Prints rows under headings, columns aligned to the left.
pub(crate) fn table<'a>(headings: impl AsRef<[&'a str]>, rows: &[impl AsRef<[String]>]) -> Result<()> {
    let headings = headings.as_ref();
    let mut widths: Vec<usize> = headings.iter().map(|heading| heading.len()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row.as_ref()) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let show = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> = cells.zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    line(show(&mut headings.iter().copied()))?;
    rows.iter().try_for_each(|row| line(show(&mut row.as_ref().iter().map(String::as_str))))
}
