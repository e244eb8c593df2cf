//! The command line of `ovation dashboard`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use processors::config::Duration as Span;

#[derive(Debug, Args)]
pub struct DashboardArguments {
    #[command(subcommand)]
    pub command: Option<DashboardCommand>,
}

#[derive(Debug, Subcommand)]
pub enum DashboardCommand {
    /// Print a token that a gateway with this configuration takes, signed with one of `dashboard.keys`.
    ///
    /// It lets read what --channel and --read say, until it expires. Example: ovation dashboard token --channel twitch:1 --for 8h
    Token(TokenArguments),
}

#[derive(Debug, Args)]
pub struct TokenArguments {
    /// A channel whose boards, engagement, moderation and chat may be read; may be given several times. twitch:* is every channel there.
    #[arg(long = "channel", value_name = "CHANNEL", required_unless_present = "read")]
    pub channels: Vec<String>,
    /// What may be read besides: * for everything, or a list of selectors as in a subscription, such as [{"kind":"markets"}].
    #[arg(long, value_name = "SELECTORS")]
    pub read: Option<String>,
    /// How long it counts: 10m, 8h, 30d.
    #[arg(long = "for", value_name = "SPAN", default_value = "1h")]
    pub valid_for: Span,
    /// The key; not needed where there is only one.
    #[arg(long, value_name = "KID")]
    pub kid: Option<String>,
    /// The private key of an EdDSA key, as PKCS #8 in PEM. (The configuration has the public one. That of HS256 is the same for both.)
    #[arg(long, value_name = "FILE")]
    pub private_key: Option<PathBuf>,
}
