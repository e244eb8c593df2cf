//! Measures the whole program on real servers: `cargo run --release -p harness -- --help`.
//!
//! Always holds: it is the library's command line. Does not know: what is measured.

fn main() -> anyhow::Result<()> {
    harness::run(std::env::args_os())
}
