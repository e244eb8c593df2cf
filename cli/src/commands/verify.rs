//! `ovation verify`: the log against the rows, the raw events against their rollups, published results against SQL over the raw
//! events.
//!
//! Always holds: a difference ends with exit code 1; what was not compared is said, and so is how much was. Does not know: how a
//! result is computed again; the queries in `sinks/verify` and `boards` do.

mod boards;

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use kafka::broker::BrokerLog;
use kafka::{Log, TopicPartition};
use processors::Job;
use processors::config::JobConfig;
use schemas::Topic;
use serde_json::{Value, json};
use sinks::clickhouse::verify::offsets::{Compared, OffsetCheck, PartitionReport};
use sinks::clickhouse::verify::rollups::{RollupReport, rollups};
use sinks::clickhouse::verify::{self, Parameters};

use crate::arguments::{OutputFormat, VerifyArguments};
use crate::config::{Checked, retention};
use crate::{output, wiring};

use super::clickhouse::{named, options};
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

/// One of the three comparisons: its rows for people, its reports for machines, and how many differences it found.
struct Section {
    name: &'static str,
    columns: &'static [&'static str],
    reports: Vec<Value>,
    differences: u64,
}

pub(super) fn run(checked: &Checked, arguments: &VerifyArguments) -> Result<()> {
    let all = !(arguments.offsets || arguments.rollups || arguments.results);
    let mut sections = Vec::new();
    if all || arguments.offsets || arguments.rollups {
        let log = wiring::log(checked)?;
        let compared = positions(checked, &log)?;
        if all || arguments.offsets {
            sections.push(of_offsets(checked, &log, &compared)?);
        }
        if all || arguments.rollups {
            sections.push(of_rollups(checked, &compared)?);
        }
    }
    if all || arguments.results {
        sections.push(of_results(checked, &arguments.jobs)?);
    }
    sections.iter().try_for_each(|section| show(section, arguments.output))?;
    if arguments.output == OutputFormat::Json {
        let named: BTreeMap<&str, &Vec<Value>> =
            sections.iter().map(|section| (section.name, &section.reports)).collect();
        output::line(json!(named).to_string())?;
    }
    let differences: u64 = sections.iter().map(|section| section.differences).sum();
    if differences > 0 {
        bail!("{differences} differences found");
    }
    Ok(())
}

/// Prints a table for people, and the differences below it.
fn show(section: &Section, format: OutputFormat) -> Result<()> {
    if format == OutputFormat::Json {
        return Ok(());
    }
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let rows: Vec<Vec<String>> = section
        .reports
        .iter()
        .map(|report| section.columns.iter().map(|name| text(&report[*name])).collect())
        .collect();
    output::line(format!("{}:", section.name))?;
    output::table(section.columns, &rows)?;
    let differences = section.reports.iter().filter_map(|report| report["differences"].as_array()).flatten();
    differences.into_iter().try_for_each(|difference| output::line(difference.to_string()))?;
    output::line("")
}

/// Where the sink's group is, in every partition of every topic that it writes.
fn positions(checked: &Checked, log: &BrokerLog) -> Result<Vec<Compared>> {
    let prefix = &checked.config.topic_prefix;
    let mut found = Vec::new();
    for topic in Topic::STORED {
        let name = format!("{prefix}{topic}");
        let Some(count) = log.partition_count(&name)? else {
            bail!("there is no topic {name}; `ovation topics apply` creates it");
        };
        let partitions: Vec<TopicPartition> =
            (0..count).map(|number| TopicPartition::new(name.as_str(), number)).collect();
        let committed = log.group_positions(&sinks::clickhouse::group(prefix), &partitions)?;
        found.extend(partitions.into_iter().zip(committed).map(|(partition, committed)| Compared {
            topic,
            partition,
            committed: committed.map(|committed| committed.offset),
        }));
    }
    Ok(found)
}

fn of_offsets(checked: &Checked, log: &BrokerLog, compared: &[Compared]) -> Result<Section> {
    let (client, retention) = (options(checked).client(), retention(&checked.config));
    let group = sinks::clickhouse::group(&checked.config.topic_prefix);
    let ids = wiring::schema_ids(checked)?;
    let check = OffsetCheck { log, client: &client, group: &group, ids, retention: &retention };
    let runtime = super::runtime()?;
    let mut section = Section {
        name: "offsets",
        columns: &[
            "topic",
            "partition",
            "from",
            "to",
            "rows",
            "dead_letters",
            "left_out",
            "missing",
            "doubled",
            "unexplained",
        ],
        reports: Vec::new(),
        differences: 0,
    };
    for one in compared {
        let report = runtime.block_on(check.compare(one, compared)).with_context(|| named(checked))?;
        section.differences += report.differences();
        section.reports.push(partition_as_json(&report));
    }
    Ok(section)
}

fn partition_as_json(report: &PartitionReport) -> Value {
    let examples: Vec<Value> = report
        .examples
        .iter()
        .map(|offset| json!({"topic": *report.partition.topic, "partition": report.partition.partition, "offset": offset}))
        .collect();
    json!({
        "topic": *report.partition.topic,
        "partition": report.partition.partition,
        "from": report.from,
        "to": report.to,
        "rows": report.rows,
        "dead_letters": report.dead_letters,
        "left_out": report.left_out,
        "missing": report.missing,
        "doubled": report.doubled,
        "unexplained": report.unexplained,
        "differences": examples,
    })
}

fn of_rollups(checked: &Checked, compared: &[Compared]) -> Result<Section> {
    let client = options(checked).client();
    let positions: BTreeMap<String, i64> = compared
        .iter()
        .map(|one| {
            let name = format!("{}/{}", one.partition.topic, one.partition.partition);
            (name, one.committed.unwrap_or(0))
        })
        .collect();
    let retention = retention(&checked.config);
    let asked = rollups(&client, &positions, &retention);
    let found = super::runtime()?.block_on(asked).with_context(|| named(checked))?;
    let as_json = |report: &RollupReport| {
        json!({
            "rollup": report.rollup,
            "compared": report.compared,
            "left_out": report.left_out,
            "differing": report.differences.len(),
            "differences": report.differences[..report.differences.len().min(SHOWN_MAX)],
        })
    };
    Ok(Section {
        name: "rollups",
        columns: &["rollup", "compared", "left_out", "differing"],
        differences: found.iter().map(|report| report.differences.len() as u64).sum(),
        reports: found.iter().map(as_json).collect(),
    })
}

fn of_results(checked: &Checked, jobs: &[String]) -> Result<Section> {
    let (client, runtime) = (options(checked).client(), super::runtime()?);
    let ask = |sql: &str, parameters: &Parameters| {
        runtime.block_on(verify::rows(&client, sql, parameters)).with_context(|| named(checked))
    };
    let (mut reports, mut differing) = (Vec::new(), 0);
    for question in questions(checked, jobs)? {
        let counted = ask(question.count, &question.parameters)?;
        let mut report = json!({
            "job": question.job,
            "results": question.what,
            "final": counted.first().map_or(Value::Null, |row| row["count"].clone()),
        });
        match question.differences {
            Ok(sql) => {
                let differences = ask(&sql, &question.parameters)?;
                differing += differences.len() as u64;
                report["differing"] = differences.len().into();
                report["differences"] = differences[..differences.len().min(SHOWN_MAX)].into();
            }
            Err(reason) => report["differing"] = format!("not compared: {reason}").into(),
        }
        reports.push(report);
    }
    Ok(Section {
        name: "results",
        columns: &["job", "results", "final", "differing"],
        reports,
        differences: differing,
    })
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
