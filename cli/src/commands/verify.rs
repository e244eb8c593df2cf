//! `ovation verify --results`: published results against SQL over the raw events.
//!
//! Always holds: a difference ends with exit code 1; what was not compared is said, and so is how much was. Does not know: how a
//! result is computed again; the queries in `sinks/verify` and `boards` do.

mod boards;

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use processors::Job;
use processors::config::JobConfig;
use serde_json::{Value, json};
use sinks::clickhouse::verify::{self, Parameters};

use crate::arguments::{OutputFormat, VerifyArguments};
use crate::config::Checked;
use crate::output;

use super::clickhouse::options;
use boards::NotCompared;

/// So many differences are printed for each question; all are counted.
const SHOWN_MAX: usize = 10;

/// One question: what is compared, how many results there are, and which of them differ.
struct Question {
    job: String,
    what: String,
    count: &'static str,
    differences: Result<String, NotCompared>,
    parameters: Parameters,
}

pub(super) fn run(checked: &Checked, arguments: &VerifyArguments) -> Result<()> {
    let options = options(checked);
    let (client, runtime) = (options.client(), super::runtime()?);
    let ask = |sql: &str, parameters: &Parameters| {
        let asked = runtime.block_on(verify::rows(&client, sql, parameters));
        asked.with_context(|| format!("clickhouse at {} (clickhouse.url)", checked.clickhouse_url()))
    };
    let (mut reports, mut differing) = (Vec::new(), 0);
    for question in questions(checked, &arguments.jobs)? {
        let counted = ask(question.count, &question.parameters)?;
        let mut report = json!({
            "job": question.job,
            "results": question.what,
            "final": counted.first().map_or(Value::Null, |row| row["count"].clone()),
        });
        match question.differences {
            Ok(sql) => {
                let differences = ask(&sql, &question.parameters)?;
                differing += differences.len();
                report["differing"] = differences.len().into();
                report["differences"] = differences[..differences.len().min(SHOWN_MAX)].into();
            }
            Err(reason) => report["differing"] = format!("not compared: {reason}").into(),
        }
        reports.push(report);
    }
    show(&reports, arguments.output)?;
    if differing > 0 {
        bail!("{differing} results differ from what the raw events say");
    }
    Ok(())
}

fn show(reports: &[Value], format: OutputFormat) -> Result<()> {
    if format == OutputFormat::Json {
        return output::line(Value::from(reports.to_vec()).to_string());
    }
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let columns = ["job", "results", "final", "differing"];
    let rows: Vec<[String; 4]> =
        reports.iter().map(|report| columns.map(|name| text(&report[name]))).collect();
    output::table(columns, &rows)?;
    let differences = reports.iter().filter_map(|report| report["differences"].as_array()).flatten();
    differences.into_iter().try_for_each(|difference| output::line(difference.to_string()))
}

fn questions(checked: &Checked, jobs: &[String]) -> Result<Vec<Question>> {
    let configured = &checked.config.jobs;
    if let Some(unknown) = jobs.iter().find(|job| !configured.contains_key(*job)) {
        bail!("there is no job `{unknown}`");
    }
    let wanted = configured.iter().filter(|(name, _)| jobs.is_empty() || jobs.contains(name));
    // A board across shards is the second stage's, and its records say so.
    let second = |job: &str, board: &str| {
        let makes = |known: &&Arc<Job>| {
            known.first.as_deref() == Some(job) && known.board_names().any(|name| name == board)
        };
        checked.jobs.iter().find(makes).map(|second| second.name.clone())
    };
    let maker = |job: &str, board: &str| second(job, board).unwrap_or_else(|| job.to_owned());
    Ok(wanted.flat_map(|(name, config)| of_job(name, config, &maker)).collect())
}

/// `maker` is the job that writes the records of a board that is configured in another.
fn of_job(name: &str, config: &JobConfig, maker: &dyn Fn(&str, &str) -> String) -> Vec<Question> {
    let common = || -> Parameters {
        vec![
            ("job", name.into()),
            ("lateness_us", config.lateness.micros().into()),
            ("future_skew_us", config.future_skew.micros().into()),
        ]
    };
    let mut questions = Vec::new();
    if let Some(engagement) = &config.engagement {
        let mut parameters = common();
        parameters.extend([
            ("window_us", Value::from(engagement.window.micros())),
            ("emit_every_us", engagement.emit_every.micros().into()),
            ("heartbeat_timeout_us", engagement.heartbeat_timeout.micros().into()),
        ]);
        questions.push(Question {
            job: name.to_owned(),
            what: "engagement".to_owned(),
            count: "SELECT toUInt32(count()) AS count FROM engagement_by_window WHERE is_final AND job = {job:String}",
            differences: Ok(verify::ENGAGEMENT.to_owned()),
            parameters,
        });
    }
    if let Some(candles) = &config.candles {
        let mut parameters = common();
        parameters.extend([
            ("spike_candles", Value::from(candles.spike_candles)),
            ("spike_factor", candles.spike_factor.into()),
        ]);
        questions.push(Question {
            job: name.to_owned(),
            what: "candles".to_owned(),
            count: "SELECT toUInt32(uniqExact(venue, symbol, interval_s, window_start)) AS count FROM candles WHERE is_final AND job = {job:String}",
            differences: Ok(verify::CANDLES.to_owned()),
            parameters,
        });
    }
    questions.extend(config.boards.iter().map(|board| {
        let job = maker(name, &board.name);
        Question {
            what: format!("board {}", board.name),
            count: "SELECT toUInt32(uniqExact(`group`, window_start)) AS count FROM final_leaderboards WHERE board = {board:String} AND job = {job:String}",
            differences: boards::query(&job, config, board),
            parameters: vec![("job", job.as_str().into()), ("board", board.name.as_str().into())],
            job,
        }
    }));
    questions
}
