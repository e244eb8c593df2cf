/**
 * Whether the page's numbers are those of the live API and of ClickHouse for the same window, to the last digit:
 * `node numbers.mjs URL CLICKHOUSE DATABASE`. Nothing changes meanwhile. Which window a number is of is read from the page.
 */
import assert from "node:assert/strict";
import { browser, complaints, newPage, texts, until } from "./launch.mjs";

const [url, clickhouse, database] = process.argv.slice(2);
const CHANNELS_MAX = 6;
/** How many windows of each kind were compared. */
const compared = { engagement: 0, boards: 0, entries: 0, questions: 0, candles: 0, messages: 0, flags: 0, filters: 0 };

const snapshot = await (await fetch(`${url}api/snapshot?${new URLSearchParams({ subscribe: JSON.stringify([{ kind: "leaderboards" }, { kind: "engagement" }, { kind: "markets" }, { kind: "moderation" }, { kind: "chat" }]) })}`)).json();
const of = (kind) => snapshot.items.filter((item) => item.kind === kind).map((item) => item.value);
const [allBoards, allWindows, allCandles, allFlags, chat] = ["leaderboards", "engagement", "markets", "moderation", "chat"].map(of);
/** What the gateway keeps of each channel's flags, and what the page lists of all. */
const FLAGS_MAX = 200;

async function rows(sql, parameters) {
  const given = Object.entries(parameters).map(([name, value]) => [`param_${name}`, value]);
  const answer = await fetch(`${clickhouse}/?${new URLSearchParams([["database", database], ...given])}`, { method: "POST", body: `${sql} FORMAT JSONCompactEachRow SETTINGS output_format_json_quote_64bit_integers = 0` });
  const text = await answer.text();
  assert.equal(answer.status, 200, `${sql}: ${text}`);
  return text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
}

const grouped = (number) => Number(number).toLocaleString("en-US");
/** Without superfluous zeros. */
const plain = (decimal) => (decimal.includes(".") ? decimal.replace(/0+$/, "").replace(/\.$/, "") : decimal);
const shown = (decimal, digits) => {
  const [whole, fraction = ""] = plain(decimal).split(".");
  const kept = fraction.slice(0, digits).replace(/0+$/, "");
  return grouped(BigInt(whole)) + (kept ? `.${kept}` : "");
};
const micros = (text) => new Date(text).getTime() * 1000;
const instantOf = (page, selector) => page.locator(selector).getAttribute("datetime").then(micros);

const ENGAGEMENT = ["concurrent_viewers", "peak_concurrent_viewers", "messages", "unique_chatters", "unique_viewers", "joins", "leaves", "watch_ms", "rebuffer_ms", "rebuffer_count"];

/** An open window covers the time up to as_of. */
function tilesOf(window) {
  const end = window.is_final ? window.window_end : Math.min(window.window_end, window.as_of);
  const seconds = (end - window.window_start) / 1e6;
  const rate = window.messages / seconds;
  const stalled = window.watch_ms + window.rebuffer_ms;
  return {
    concurrent_viewers: [grouped(window.concurrent_viewers), `peak ${grouped(window.peak_concurrent_viewers)}`],
    messages: [grouped(window.messages), `${rate >= 100 ? grouped(Math.round(rate)) : rate.toFixed(1)} per second`],
    unique_chatters: [grouped(window.unique_chatters), `${window.unique_chatters > 0 ? (window.messages / window.unique_chatters).toFixed(1) : "–"} messages each`],
    unique_viewers: [grouped(window.unique_viewers), `+${grouped(window.joins)} / −${grouped(window.leaves)}`],
    rebuffer: [stalled === 0 ? "–" : `${((window.rebuffer_ms / stalled) * 100).toFixed(2)} %`, `${grouped(window.rebuffer_count)} stalls`],
  };
}

async function theWindowIsTheSame(page, channel) {
  const newest = Math.max(...allWindows.filter((window) => window.channel_id === channel).map((window) => window.window_start));
  await until(page, ([channel, at]) => document.querySelector("#channel-name").textContent === channel && document.querySelector("#window-start").getAttribute("datetime") === at, [channel, new Date(newest / 1000).toISOString()]);
  const start = await instantOf(page, "#window-start");
  const tiles = Object.fromEntries(await page.locator("#tiles .tile").evaluateAll((all) => all.map((tile) => [tile.dataset.metric, [...tile.querySelectorAll(".value, .sub")].map((one) => one.textContent)])));
  const reactions = await page.locator("#reactions li:not(.money)").evaluateAll((all) => all.map((row) => row.querySelector(".n").textContent));

  const api = allWindows.find((window) => window.channel_id === channel && window.window_start === start);
  const stored = await rows(`SELECT toUnixTimestamp64Micro(window_start), toUnixTimestamp64Micro(window_end), toUnixTimestamp64Micro(as_of), is_final, ${ENGAGEMENT.join(", ")}, reactions
    FROM engagement_by_window WHERE channel_id = {channel:String} AND window_start = fromUnixTimestamp64Micro({start:Int64})`, { channel, start });
  assert.equal(stored.length, 1, `one window of ${channel} from ${start}`);
  const [window_start, window_end, as_of, is_final, ...figures] = stored[0];
  const sql = { window_start, window_end, as_of, is_final, ...Object.fromEntries(ENGAGEMENT.map((name, index) => [name, figures[index]])), reactions: figures.at(-1) };
  for (const name of Object.keys(sql)) assert.deepEqual(api[name], sql[name], `${channel} ${start}: ${name} of the API and of ClickHouse`);
  for (const [name, texts] of Object.entries(tilesOf(sql))) assert.deepEqual(tiles[name], texts, `${channel} ${start}: ${name} on the page and in ClickHouse`);
  const counts = Object.entries(sql.reactions).sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  assert.deepEqual(reactions, counts.map(([, n]) => grouped(n)));
  compared.engagement += 1;
}

/** The board that a panel shows. */
async function theBoardIsTheSame(panel) {
  const record = await panel.getAttribute("data-record");
  if (record === "") return;
  const [board, group, window] = JSON.parse(record);
  const time = await panel.locator("footer time").getAttribute("datetime");
  const page = await panel.locator("ol li").evaluateAll((all) => all.map((row) => [".rank", "bdi", ".score"].map((part) => row.querySelector(part).textContent).concat(row.querySelector(".score").title)));
  const sum = await panel.locator("footer p").last().textContent();

  const api = allBoards.find((one) => one.board === board && one.group === group && one.window === window);
  if (!["all_time", "session"].includes(window)) assert.equal(micros(time), api.window_end, `${record}: the window that is shown`);
  const end = api.window_end === null ? "window_end IS NULL" : "window_end = fromUnixTimestamp64Micro({end:Int64})";
  const stored = await rows(`SELECT rank, label, item, toString(score), toString(total_score), item_count FROM leaderboards
    WHERE board = {board:String} AND \`group\` = {group:String} AND ${end} AND offset = (
      SELECT max(offset) FROM leaderboards WHERE board = {board:String} AND \`group\` = {group:String} AND ${end})
    ORDER BY rank LIMIT 1 BY rank`, { board, group, end: api.window_end ?? 0 });
  const ranked = stored.filter(([rank]) => rank > 0);
  assert.deepEqual(api.entries.map((entry) => [entry.rank, entry.label, entry.item, plain(entry.score)]), ranked.map(([rank, label, item, score]) => [rank, label, item, plain(score)]), `${record} of the API and of ClickHouse`);
  /** Boards know questions by their ids; the page knows the texts of those that stand in the chat. */
  const called = ranked.map(([, label, item], index) => {
    const question = board === "top_questions" && chat.find((event) => event.event_id === item)?.text;
    if (!question || page[index]?.[1] !== question) return label || item;
    compared.questions += 1;
    return question;
  });
  assert.deepEqual(page.map(([rank, label, text, exact]) => [rank, label, text, plain(exact)]), ranked.map(([rank, , , score], index) => [String(rank), called[index], shown(score, 2), plain(score)]), `${record} on the page and in ClickHouse`);
  assert.equal(sum, `${shown(stored[0][4], 2)} in all, from ${grouped(stored[0][5])}`, record);
  compared.boards += 1;
  compared.entries += ranked.length;
}

/** Every board within, with each choice of its group and its window. */
async function theBoardsAreTheSame(page, within) {
  for (const panel of await page.locator(`${within} .board`).all()) {
    const variants = await panel.locator("option").evaluateAll((all) => all.map((option) => option.value));
    for (const variant of variants.length > 1 ? variants : [null]) {
      if (variant !== null) await panel.locator("select").selectOption(variant);
      const buttons = await panel.locator(".segments:not([hidden]) button").all();
      for (const button of buttons.length > 0 ? buttons : [null]) {
        await button?.click();
        await theChoiceIsDrawn(page);
        await theBoardIsTheSame(panel);
      }
    }
  }
}

/** The newest messages that stand, each with who wrote it. ClickHouse has the others too, and what took them back. */
async function theChatIsTheSame(page, channel) {
  const told = (event) => [event.event_id, event.event_time, event.user_name, event.text];
  const api = chat.filter((event) => event.channel_id === channel && event.kind === "message" && !event.is_question);
  const at = "least(event_time, ingest_time)";
  const done = (kinds) => `FROM chat WHERE channel_id = {channel:String} AND kind IN (${kinds})`;
  const stored = await rows(`WITH (SELECT max(${at}) ${done("'chat_cleared'")}) AS cleared
    SELECT event_id, toUnixTimestamp64Micro(event_time), user_name, text FROM chat AS said
    LEFT JOIN (SELECT target_user_id AS silenced, max(${at}) AS until ${done("'user_banned', 'user_timed_out'")} GROUP BY silenced) AS bans ON silenced = said.user_id
    WHERE channel_id = {channel:String} AND kind = 'message' AND NOT is_question AND ${at} > greatest(cleared, until)
      AND event_id NOT IN (SELECT assumeNotNull(target_message_id) ${done("'message_deleted'")} AND target_message_id IS NOT NULL)
    ORDER BY ${at} DESC, event_id DESC LIMIT ${api.length}`, { channel });
  const sorted = (list) => list.toSorted((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  assert.deepEqual(sorted(api.map(told)), sorted(stored), `chat of ${channel} of the API and in ClickHouse`);
  await until(page, () => document.querySelector("#chat").childElementCount > 0);
  const listed = await page.locator("#chat li").evaluateAll((all) => all.map((row) => [row.dataset.key, row.querySelector(".foreign").textContent]));
  for (const [id, text] of listed) assert.equal(text, chat.find((event) => event.event_id === id && event.channel_id === channel)?.text, `${id} on the page and of the API`);
  compared.messages += listed.length;
}

const FLAG = ["flag_id", "channel_id", "message_id", "user_id", "user_name", "text", "rule", "category", "severity", "score", "evidence", "suggested_action"];
const TIMES = ["event_time", "as_of", "watermark", "computed_at"];
const anything = { rule: "", severity: 0, channel: "", text: "" };

/** The flags of ClickHouse that the page can know and that match, newest first. */
async function storedFlags(filter) {
  const holds = (column) => `positionCaseInsensitiveUTF8(ifNull(${column}, ''), {text:String}) > 0`;
  const stored = await rows(`SELECT ${FLAG.join(", ")}, ${TIMES.map((name) => `toUnixTimestamp64Micro(flags.${name})`).join(", ")} FROM flags
    WHERE flag_id IN (SELECT flag_id FROM flags ORDER BY event_time DESC, flag_id DESC LIMIT ${FLAGS_MAX} BY channel_id)
      AND ({rule:String} = '' OR rule = {rule:String}) AND severity >= {severity:Int32} AND positionCaseInsensitiveUTF8(channel_id, {channel:String}) > 0
      AND ({text:String} = '' OR ${["text", "user_name", "user_id", "evidence"].map(holds).join(" OR ")})
    ORDER BY flags.event_time DESC, flag_id`, filter);
  return stored.map((row) => Object.fromEntries([...FLAG, ...TIMES].map((name, index) => [name, row[index]])));
}

/** terms_and_links → Terms and links */
const worded = (name) => name[0].toUpperCase() + name.slice(1).replaceAll(/[_-]+/g, " ");
const rowOf = (flag) => ({
  id: flag.flag_id, time: new Date(flag.event_time / 1000).toISOString(), level: String(flag.severity), rule: worded(flag.rule), category: flag.category, channel: flag.channel_id, who: flag.user_name ?? flag.user_id ?? "anonymous",
  text: flag.text, evidence: `${Math.round(flag.score * 100)} % sure: ${flag.evidence}`, action: flag.suggested_action === "none" ? "No action" : worded(flag.suggested_action),
});
const listedFlags = (page, list) => page.locator(`${list} > li`).evaluateAll((all) => all.map((row) => {
  const text = (part) => row.querySelector(part)?.textContent ?? null;
  const where = text(".where");
  return {
    id: row.dataset.key, time: row.querySelector("time").getAttribute("datetime"), level: row.querySelector(".severity").dataset.level, rule: text(".rule b"), category: text(".category"), channel: where, who: text(".who"),
    text: text(".foreign"), evidence: text(".evidence").slice(where?.length ?? 0), action: text(".action"),
  };
}));

/** What the queue lists for a filter, the counts beside it, and the rows in full. */
async function theQueueIsTheSame(page, filter, choose) {
  const stored = await storedFlags(filter);
  const what = `flags for ${JSON.stringify(filter)}`;
  await choose();
  await until(page, ([count, text]) => document.querySelector("#flags-note").textContent.startsWith(text) && document.querySelector("#flags").childElementCount === count, [Math.min(FLAGS_MAX, stored.length), `${grouped(stored.length)} flagged`]);
  assert.deepEqual(await listedFlags(page, "#flags"), stored.slice(0, FLAGS_MAX).map(rowOf), `${what} on the page and in ClickHouse`);
  const others = await storedFlags({ ...filter, rule: "" });
  const counts = Object.fromEntries(await page.locator("#flag-rules button").evaluateAll((all) => all.map((button) => [button.dataset.rule, button.querySelector(".n").textContent])));
  const rules = new Set([...others.map((flag) => flag.rule), filter.rule].filter((rule) => rule !== ""));
  const expected = [...rules].map((rule) => [rule, grouped(others.filter((flag) => flag.rule === rule).length)]);
  assert.deepEqual(counts, Object.fromEntries([["", grouped(others.length)], ...expected]), `${what}: counts by rule`);
  compared.filters += 1;
  return stored;
}

async function theModerationIsTheSame(page) {
  const all = await storedFlags(anything);
  const told = (flag) => Object.fromEntries([...FLAG, ...TIMES].map((name) => [name, flag[name]]));
  const byId = (list) => list.map(told).toSorted((a, b) => (a.flag_id < b.flag_id ? -1 : 1));
  assert.deepEqual(byId(allFlags), byId(all), "flags of the API and in ClickHouse");
  compared.flags = all.length;

  await theQueueIsTheSame(page, anything, () => page.evaluate(() => { location.hash = "#flags"; }));
  for (const rule of new Set(all.map((flag) => flag.rule))) await theQueueIsTheSame(page, { ...anything, rule }, () => page.locator(`#flag-rules [data-rule="${rule}"]`).click());
  await page.locator('#flag-rules [data-rule=""]').click();
  for (const severity of [1, 2, 3, 4]) await theQueueIsTheSame(page, { ...anything, severity }, () => page.locator("#flag-severity").selectOption(String(severity)));
  await page.locator("#flag-severity").selectOption("0");
  const { channel_id: channel, user_name: name, user_id: user, text, evidence, rule } = all.find((flag) => flag.user_name !== null && flag.text.length > 8) ?? all[0];
  for (const part of [channel, channel.slice(2, -1).toUpperCase(), "no such channel"]) await theQueueIsTheSame(page, { ...anything, channel: part }, () => page.locator("#flag-channel").fill(part));
  await page.locator("#flag-channel").fill("");
  for (const part of [name, user, text.slice(1, 8).trim().toUpperCase(), evidence.slice(0, 5)]) await theQueueIsTheSame(page, { ...anything, text: part }, () => page.locator("#flag-text").fill(part));
  const several = { rule, severity: 1, channel, text: text.slice(0, 4).trim() };
  await theQueueIsTheSame(page, several, () => page.evaluate((hash) => { location.hash = hash; }, `#flags&${new URLSearchParams({ rule, severity: "1", of: channel, text: several.text })}`));
}

/** The newest few, in the channel's view. */
async function theChannelsFlagsAreTheSame(page, channel) {
  const stored = (await storedFlags(anything)).filter((flag) => flag.channel_id === channel);
  const newest = stored.slice(0, 5).map((flag) => ({ ...rowOf(flag), channel: null }));
  await until(page, (count) => document.querySelector("#channel-flags").childElementCount === count, newest.length);
  assert.deepEqual(await listedFlags(page, "#channel-flags"), newest, `flags of ${channel}`);
  assert.equal(await page.locator("#channel-flags-more").textContent(), stored.length > 5 ? `All ${grouped(stored.length)} in the queue` : "Open the queue");
}

/** The page draws at most once a frame of the screen. */
const theChoiceIsDrawn = (page) => page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))));

async function theCandleIsTheSame(page, market, interval) {
  const all = allCandles.filter((candle) => `${candle.venue}:${candle.symbol}` === market && candle.interval_s === interval);
  const api = all.toSorted((a, b) => a.window_start - b.window_start).at(-1);
  await until(page, ([market, interval, at]) => document.querySelector("#market-name").textContent === market && document.querySelector("#intervals [aria-current]")?.dataset.seconds === interval && document.querySelector("#candle-start").getAttribute("datetime") === at, [market, String(interval), new Date(api.window_start / 1000).toISOString()]);
  const start = await instantOf(page, "#candle-start");
  const quote = Object.fromEntries(await page.locator("#quote dd").evaluateAll((all) => all.map((fact) => [fact.dataset.quote, [fact.textContent, fact.title]])));
  const last = await page.locator("#last-price").textContent();

  const PRICES = ["open", "high", "low", "close", "base_volume", "quote_volume", "taker_buy_volume", "taker_sell_volume"];
  const stored = await rows(`SELECT trade_count, ${PRICES.map((name) => `toString(${name})`).join(", ")} FROM current_candles
    WHERE venue = {venue:String} AND symbol = {symbol:String} AND interval_s = {interval:Int32} AND window_start = fromUnixTimestamp64Micro({start:Int64})`, { venue: api.venue, symbol: api.symbol, interval, start });
  assert.equal(stored.length, 1, `one candle of ${market} from ${start}`);
  const [trades, ...prices] = stored[0];
  const sql = Object.fromEntries(PRICES.map((name, index) => [name, plain(prices[index])]));
  const what = `${market} ${interval} s from ${start}`;
  assert.equal(api.trade_count, trades, what);
  for (const name of PRICES) assert.equal(plain(api[name]), sql[name], `${what}: ${name} of the API and of ClickHouse`);
  assert.equal(last, shown(sql.close, 8), what);
  assert.equal(quote.Trades[0], grouped(trades), what);
  for (const [fact, name, digits] of [["Open", "open", 8], ["High", "high", 8], ["Low", "low", 8], ["Volume", "base_volume", 4], ["Taker buys", "taker_buy_volume", 4], ["Taker sells", "taker_sell_volume", 4]]) {
    assert.equal(quote[fact][0], shown(sql[name], digits), `${what}: ${fact} on the page and in ClickHouse`);
    if (digits === 4) assert.equal(plain(quote[fact][1]), sql[name], `${what}: ${fact} in full`);
  }
  compared.candles += 1;
}

try {
  const page = await newPage({ viewport: { width: 1440, height: 900 }, reducedMotion: "reduce" });
  await page.goto(url);
  await page.locator("#channel-rows tr").first().waitFor();
  await page.locator('#status[data-state="behind"]').waitFor(); // the events are years old
  await theBoardsAreTheSame(page, "#global-boards");
  const channels = (await texts(page, "#channel-rows bdi")).slice(0, CHANNELS_MAX);
  for (const channel of channels) {
    await page.evaluate((hash) => { location.hash = hash; }, `#${new URLSearchParams({ channel })}`);
    await theWindowIsTheSame(page, channel);
    await theChatIsTheSame(page, channel);
    await theChannelsFlagsAreTheSame(page, channel);
    await theBoardsAreTheSame(page, "#boards");
  }
  const series = [...new Set(allCandles.map((candle) => JSON.stringify([`${candle.venue}:${candle.symbol}`, candle.interval_s])))];
  for (const [market, interval] of series.map((one) => JSON.parse(one))) {
    await page.evaluate((hash) => { location.hash = hash; }, `#${new URLSearchParams({ market, interval })}`);
    await theCandleIsTheSame(page, market, interval);
    await theBoardsAreTheSame(page, "#market-boards");
  }
  await theModerationIsTheSame(page);
  process.stdout.write(`compared on the page, in the API and in ClickHouse: ${JSON.stringify(compared)}\n`);
  assert(compared.engagement === CHANNELS_MAX && compared.boards > 20 && compared.entries > 100 && compared.questions > 0 && compared.candles >= 10 && compared.messages > 100 && compared.flags > 50 && compared.filters > 10, "too little was compared");
  assert.deepEqual(complaints, [], "the browser complained");
} finally {
  await browser.close();
}
process.exit(0);
