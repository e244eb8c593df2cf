//! Wrong configurations and what is said about them.

use processors::JobConfig;

const BOARD: &str = "lateness = '2s'\n[[boards]]\nname = 'b'\nsource = 'chat'\nitem = 'user'\nk = 10\nwindow = { kind = 'rolling', length = '5m', slide = '10s' }\n";

/// What is wrong with a configuration, a line for each problem.
fn problems(toml: &str) -> Vec<String> {
    match toml::from_str::<JobConfig>(toml) {
        Err(error) => vec![error.message().to_owned()],
        Ok(config) => {
            let errors = config.validate("job").err().unwrap_or_default();
            errors.into_iter().map(|error| error.to_string()).collect()
        }
    }
}

#[test]
fn a_sound_configuration_has_no_problems() {
    assert_eq!(problems(BOARD), Vec::<String>::new());
}

#[test]
fn boards_that_cannot_be_are_refused() {
    for (from, to, expected) in [
        ("k = 10", "k = 0", "boards[0].k: is 0: a board has from 1 to 10000 places"),
        ("k = 10", "k = 10001", "boards[0].k: is 10001: a board has from 1 to 10000 places"),
        ("name = 'b'", "name = ''", "boards[0].name: is empty: give it a name"),
        (
            "name = 'b'",
            "name = 'a/b'",
            "boards[0].name: `a/b` contains `/`, which separates a board from its group in keys: use `-` or `_`",
        ),
        (
            "slide = '10s'",
            "slide = '10m'",
            "boards[0].window.slide: \"10m\" is longer than the window, \"5m\": it must divide it",
        ),
        (
            "slide = '10s'",
            "slide = '7s'",
            "boards[0].window.slide: \"7s\" does not divide the length, \"5m\", without remainder",
        ),
        ("slide = '10s'", "slide = '0s'", "boards[0].window.slide: is zero: it must be at least \"1us\""),
        (
            "slide = '10s'",
            "slide = '1ms'",
            "boards[0].window.slide: \"1ms\" cuts \"5m\" into more than 10000 panes: make it longer",
        ),
        ("length = '5m'", "length = '0s'", "boards[0].window.length: is zero: it must be at least \"1us\""),
        (
            "k = 10",
            "k = 10\nemit_every = '3s'",
            "boards[0].emit_every: \"3s\" does not divide the slide, \"10s\", without remainder",
        ),
        ("k = 10", "k = 10\nemit_every = '0s'", "boards[0].emit_every: is zero: it must be at least \"1us\""),
        (
            "item = 'user'",
            "item = 'emoji'",
            "boards[0].item: source \"chat\" has no such item: it ranks user, emote or channel",
        ),
        (
            "source = 'chat'\nitem = 'user'",
            "source = 'reactions'\nitem = 'emote'",
            "boards[0].item: source \"reactions\" has no such item: it ranks user, emoji, reaction, poll_option, question, target or channel",
        ),
        (
            "k = 10",
            "k = 10\ngroup = 'symbol'",
            "boards[0].group: source \"chat\" has no such group: it has channel or global",
        ),
        (
            "k = 10",
            "k = 10\ngroup = ['global', 'channel']",
            "boards[0].group: must begin with channel, by which the events of \"chat\" are spread over shards: write",
        ),
        (
            "source = 'chat'",
            "source = 'reactions'\ngroup = ['global', 'currency']",
            "boards[0].group: is global and something else: global is everything, write it alone",
        ),
        (
            "k = 10",
            "k = 10\ngroup = []",
            "boards[0].group: is empty: leave it out, or write \"global\" for one board over everything",
        ),
        (
            "item = 'user'",
            "item = 'channel'\ngroup = 'channel'",
            "boards[0].item: is what the board is for, so that each would have one place: use group = \"global\"",
        ),
        (
            "item = 'user'",
            "item = 'emote'\ngroup = 'global'\nscore = 'distinct_users'\nretract = true",
            "boards[0].retract: cannot take back from largest values and distinct users over several channels: write false",
        ),
        (
            "source = 'chat'\nitem = 'user'",
            "source = 'reactions'\nitem = 'poll_option'\ngroup = 'poll'\nscore = 'votes'",
            "boards[0].score: counts one vote per user in each group, which has to be within one channel: group by",
        ),
        (
            "k = 10",
            "k = 10\nscore = 'most'",
            "unknown variant `most`, expected one of `count`, `distinct_users`, `votes`, `sum`, `largest`",
        ),
        ("k = 10", "k = 10\nkk = 10", "unknown field `kk`, expected one of"),
        ("slide = '10s'", "slide = '10s', hop = '1s'", "unknown field `hop`, expected `length` or `slide`"),
        (
            "slide = '10s'",
            "slide = '-10s'",
            "`-10s` is not a duration: write a whole number and a unit, such as",
        ),
        ("slide = '10s'", "slide = 10", "invalid type: integer `10`, expected a duration in quotes, such as"),
        ("lateness = '2s'\n", "", "missing field `lateness`"),
    ] {
        assert!(BOARD.contains(from), "{from}");
        let found = problems(&BOARD.replace(from, to));
        assert_eq!(found.len(), 1, "{to}: {found:?}");
        assert!(found[0].starts_with(expected), "{to}: {}", found[0]);
    }
    let session =
        problems(&BOARD.replace("k = 10", "k = 10\ngroup = 'global'").replace(
            "{ kind = 'rolling', length = '5m', slide = '10s' }",
            "{ kind = 'session', gap = '5m' }",
        ));
    assert_eq!(session.len(), 1, "{session:?}");
    assert!(
        session[0]
            .starts_with("boards[0].window.kind: is session, but no shard sees when all channels pause")
    );
    let twice = format!("{BOARD}{}", BOARD.replace("lateness = '2s'\n", ""));
    assert_eq!(
        problems(&twice),
        ["boards[1].name: `b` is the name of an earlier board too: every board needs its own"]
    );
}

#[test]
fn other_sections_that_cannot_be_are_refused() {
    for (toml, expected) in [
        ("", "computes nothing: give it boards, engagement, candles or moderation"),
        ("[engagement]\nwindow = '0s'", "engagement.window: is zero: it must be at least \"1us\""),
        (
            "[engagement]\nheartbeat_timeout = '0s'",
            "engagement.heartbeat_timeout: is zero: it must be at least \"1us\"",
        ),
        (
            "[engagement]\nemit_every = '7s'",
            "engagement.emit_every: \"7s\" does not divide the window, \"1m\", without remainder",
        ),
        (
            "[engagement]\nretention_ages = ['1m', '30s']",
            "engagement.retention_ages[1]: \"30s\" is not above the one before it, or above zero: write them in rising order",
        ),
        (
            "[engagement]\nretention_ages = ['1500ms']",
            "engagement.retention_ages[0]: \"1500ms\" is no whole number of times emit_every, \"1s\"",
        ),
        (
            "[engagement]\nretention_ages = ['2d']",
            "engagement.retention_ages[0]: \"2d\" is 172800 times emit_every, \"1s\": at most 100000, or it takes too much memory",
        ),
        (
            "[engagement]\ndistinct_max = 1000001",
            "engagement.distinct_max: is 1000001: it goes from 0 to 1000000",
        ),
        ("[engagement]\nsessions_max = 0", "engagement.sessions_max: is 0: it goes from 1 to 100000000"),
        (
            "[engagement]\n[candles]\nintervals = ['1m']",
            "reads trades, which are keyed by market, together with events keyed by channel: make two jobs of it",
        ),
        ("[candles]\nintervals = []", "candles.intervals: is empty: name at least one, such as \"1m\""),
        (
            "[candles]\nintervals = ['1m', '60s']",
            "candles.intervals[1]: \"1m\" is given twice: once is enough",
        ),
        (
            "[candles]\nintervals = ['500ms']",
            "candles.intervals[0]: \"500ms\" is not a whole number of seconds that fits in 31 bits",
        ),
        (
            "[candles]\nintervals = ['10s']\nemit_every = '3s'",
            "candles.emit_every: \"3s\" does not divide the interval, \"10s\", without remainder",
        ),
        (
            "[candles]\nintervals = ['1m']\nspike_candles = 101",
            "candles.spike_candles: is 101: it goes from 0 (no comparison) to 100",
        ),
        (
            "[candles]\nintervals = ['1m']\nspike_factor = 0",
            "candles.spike_factor: is 0: it goes from 1 to 1000",
        ),
        ("[moderation]", "moderation: has no rule: give it terms, repeated_text or links"),
        (
            "[moderation]\nterms = [{ term = 'x', category = 'c', severity = 5 }]",
            "moderation.terms[0].severity: is 5: it goes from 0 (note) to 4 (worst)",
        ),
        (
            "[moderation]\nterms = [{ term = '?!', category = 'c', severity = 1 }]",
            "moderation.terms[0].term: `?!` has no letter or digit: nothing would match it",
        ),
        (
            "[moderation]\nterms = [{ term = 'Bad', category = 'c', severity = 1 }, { term = 'b4d', category = 'c', severity = 1 }]",
            "moderation.terms[1].term: `b4d` matches the same as an earlier term: drop one",
        ),
        (
            "[moderation]\nterms = [{ term = 'x', category = '', severity = 1 }]",
            "moderation.terms[0].category: is empty: say what kind of trouble it is, such as \"spam\"",
        ),
        (
            "[moderation.repeated_text]\nwithin = '30s'\ncount = 1",
            "moderation.repeated_text.count: is 1: it goes from 2 to 1000",
        ),
        (
            "[moderation.repeated_text]\nwithin = '0s'\ncount = 3",
            "moderation.repeated_text.within: is zero: it must be at least \"1us\"",
        ),
        (
            "[moderation.links]\nallow = ['https://example.org']",
            "moderation.links.allow[0]: `https://example.org` is not a domain: write it in lower case without scheme, path or `*.`, as \"example.org\"",
        ),
    ] {
        let found = problems(&format!("lateness = '2s'\n{toml}\n"));
        assert_eq!(
            found.iter().map(|problem| problem.trim_start_matches(": ")).collect::<Vec<_>>(),
            [expected]
        );
    }
}

#[test]
fn every_problem_is_found_at_once() {
    let found = problems(&BOARD.replace("k = 10", "k = 0").replace("slide = '10s'", "slide = '7s'"));
    assert_eq!(found.len(), 2, "{found:?}");
    let config: JobConfig = toml::from_str(BOARD).expect("sound");
    let errors = config.validate("a/b").expect_err("a job's name has no slash");
    assert_eq!(errors[0].key, "name");
}
