//! Makes sure that there is a page to embed.
//!
//! Always holds: a build without the page's own build succeeds and serves a note that says how to get the page; a
//! built page is never touched. Does not know: how the page is built (`web/`).

use std::path::Path;
use std::time::SystemTime;

const PLACEHOLDER: &str = "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">\
    <meta name=\"ovation-placeholder\" content=\"true\"><title>Ovation</title>\n\
    <p>The dashboard's page has not been built. Run <code>make web</code> and build again; \
    the live API works without it.</p></html>\n";

fn main() -> std::io::Result<()> {
    let page = Path::new("../web/dist/index.html");
    if !page.exists() {
        std::fs::create_dir_all("../web/dist")?;
        std::fs::write(page, PLACEHOLDER)?;
        // Older than all that the page is made of: else `make web` would take it for the page.
        std::fs::File::options().write(true).open(page)?.set_modified(SystemTime::UNIX_EPOCH)?;
    }
    println!("cargo:rerun-if-changed=../web/dist");
    Ok(())
}
