//! What is said: hand-written tables. Nothing here was recorded.

/// Emotes: name and id.
pub(super) const EMOTES: [(&str, &str); 16] = [
    ("OvaHype", "simulator:1"),
    ("OvaClap", "simulator:2"),
    ("OvaLaugh", "simulator:3"),
    ("OvaCry", "simulator:4"),
    ("OvaHeart", "simulator:5"),
    ("OvaWow", "simulator:6"),
    ("OvaThink", "simulator:7"),
    ("OvaSleep", "simulator:8"),
    ("OvaDance", "simulator:9"),
    ("OvaRage", "simulator:10"),
    ("OvaWave", "simulator:11"),
    ("OvaCool", "simulator:12"),
    ("OvaFire", "simulator:13"),
    ("OvaLuck", "simulator:14"),
    ("OvaSad", "simulator:15"),
    ("OvaGG", "simulator:16"),
];

pub(super) const OPENERS: [&str; 14] = [
    "",
    "",
    "",
    "",
    "wow, ",
    "ok ",
    "honestly ",
    "haha ",
    "no way, ",
    "chat, ",
    "hmm ",
    "yes! ",
    "wait, ",
    "oh ",
];

pub(super) const PHRASES: [&str; 36] = [
    "that was so close",
    "good game everyone",
    "hello from Lisbon",
    "first time here, love it",
    "this song again",
    "what a save",
    "that jump was perfect",
    "I did not expect that",
    "the new camera looks great",
    "he is going to do it",
    "she knew it all along",
    "rewind please",
    "clip that",
    "my coffee is getting cold",
    "greetings from the night shift",
    "one more round",
    "they are losing the lead",
    "the market is open",
    "that slide was useful",
    "can you zoom in a bit",
    "sound is fine here",
    "the stream is smooth today",
    "best episode so far",
    "I called it ten minutes ago",
    "nobody saw that coming",
    "the boss has half its health left",
    "save before you enter",
    "left door, not the right one",
    "that is how it is done",
    "good morning everybody",
    "back from dinner, what did I miss",
    "I am learning so much",
    "what a comeback",
    "go go go",
    "almost there",
    "see you tomorrow",
];

pub(super) const QUESTIONS: [&str; 12] = [
    "Will the slides be shared afterwards?",
    "How long did the preparation take?",
    "Which tools do you use for this?",
    "What would you do differently today?",
    "When is the next session?",
    "Does this also work on a phone?",
    "How many people are in the team?",
    "What was the hardest part?",
    "Is there a recording of the first part?",
    "How do you measure success?",
    "Can you show that step once more?",
    "What is planned for next year?",
];

pub(super) const ANSWERS: [&str; 8] = [
    "agreed",
    "I think so too",
    "not sure about that",
    "same here",
    "exactly",
    "thank you",
    "really?",
    "ha, true",
];

pub(super) const RAID_PHRASES: [&str; 6] = [
    "hello, we come from next door",
    "the raid is here",
    "wave to the raiders",
    "welcome raiders",
    "what a nice channel",
    "we brought snacks",
];

/// Spam: links, floods, and mild insults in disguise.
pub(super) const SPAM: [&str; 14] = [
    "cheap followers at followers-shop.example",
    "watch my stream at https://better-stream.example/live",
    "free skins here: skins.example/free?ref=77",
    "get viewers now, viewers-now [dot] example",
    "BUY BUY BUY the coin is going up BUY BUY BUY",
    "free gift card, write me now, free gift card",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "you are all l0sers",
    "what an 1d10t",
    "i d i o t streamer",
    "tr4sh player, go home",
    "\u{ff49}\u{ff44}\u{ff49}\u{ff4f}\u{ff54}",
    "lo\u{200b}ser lo\u{200b}ser lo\u{200b}ser",
    "stuuuupid channel",
];

pub(super) const EMOJI: [&str; 10] = [
    "\u{2764}\u{fe0f}",
    "\u{1f602}",
    "\u{1f44f}",
    "\u{1f525}",
    "\u{1f389}",
    "\u{1f60d}",
    "\u{1f62e}",
    "\u{1f44d}",
    "\u{1f680}",
    "\u{1f64c}",
];

pub(super) const FIRST_NAMES: [&str; 20] = [
    "Quiet", "Brave", "Lucky", "Sunny", "Misty", "Rapid", "Tiny", "Mighty", "Clever", "Golden", "Silver",
    "Cosmic", "Wooden", "Electric", "Sleepy", "Curious", "Polar", "Velvet", "Turbo", "Gentle",
];

pub(super) const LAST_NAMES: [&str; 20] = [
    "Otter", "Falcon", "Badger", "Comet", "Lantern", "Walrus", "Pixel", "Harbor", "Maple", "Robot", "Panda",
    "Cactus", "Raven", "Biscuit", "Tiger", "Window", "Turtle", "Rocket", "Noodle", "Fox",
];

/// Countries with weights.
pub(super) const COUNTRIES: [&str; 12] =
    ["US", "US", "US", "DE", "BR", "GB", "FR", "JP", "KR", "ES", "PL", "IN"];

pub(super) const DEVICES: [&str; 6] = ["mobile", "mobile", "desktop", "desktop", "tv", "console"];

/// Currency and usual amounts in whole units.
pub(super) const MONEY: [(&str, &[u32]); 6] = [
    ("USD", &[2, 5, 5, 10, 20, 50, 100]),
    ("EUR", &[2, 5, 5, 10, 20, 50]),
    ("GBP", &[2, 5, 10, 20]),
    ("JPY", &[200, 500, 1000, 5000]),
    ("BRL", &[5, 10, 20, 50]),
    ("INR", &[40, 100, 200, 500]),
];

/// Polls: their options.
pub(super) const POLLS: [&[&str]; 5] = [
    &["yes", "no"],
    &["left door", "right door", "wait"],
    &["red", "green", "blue", "yellow"],
    &["morning", "evening"],
    &["again", "next level", "end here"],
];

/// Markets: symbol, first price in ticks, tick size and lot size in units of 10^-10.
pub(super) const MARKETS: [(&str, i64, i64, i64); 8] = [
    ("SOL-OVA", 6_183_763, 100_000_000, 100_000),
    ("LUNA-OVA", 268_380, 100_000_000, 1_000_000),
    ("MARS-OVA", 15_420, 100_000_000, 10_000_000),
    ("VENUS-OVA", 583_900, 1_000_000, 1_000_000_000),
    ("RHEA-OVA", 41_250, 1_000_000, 10_000_000_000),
    ("TITAN-OVA", 99_980, 1_000_000, 10_000_000_000),
    ("CERES-OVA", 123_450, 10_000, 1_000_000_000_000),
    ("PLUTO-OVA", 7_120, 100_000_000, 10_000_000),
];
