/**
 * Looks at the page in a real browser: `node browser.mjs URL CHANNEL MARKET HOSTILE_CHANNEL`. Whoever starts it runs the
 * gateway and obeys the lines `ORDER publish|stop|start` on our output with a line on our input. Every wait is for a
 * condition.
 */
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { createInterface } from "node:readline";
import { asked, browser, complaints, faultsOf, newPage, SHIFT_MAX, texts, until } from "./launch.mjs";

const [url, channel, market, hostile] = process.argv.slice(2);
const screenshots = process.env.OVATION_SCREENSHOTS;
if (screenshots) mkdirSync(screenshots, { recursive: true });

const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
async function order(what) {
  process.stdout.write(`ORDER ${what}\n`);
  const { done } = await answers.next();
  assert(!done, "whoever started the test is gone");
}

/** The results that are shown here do not get younger while the test takes its time. */
const CONNECTED = '#status:is([data-state="live"], [data-state="behind"])';

const inaccessible = [];

const VIEWS = [
  { name: "overview", hash: "#", ready: "#channel-rows tr" },
  { name: "channel", hash: `#${new URLSearchParams({ channel })}`, ready: "#boards .board li" },
  { name: "markets", hash: `#${new URLSearchParams({ market, interval: "60" })}`, ready: "#quote dd" },
  { name: "moderation", hash: "#flags", ready: "#flags li" },
  { name: "pipeline", hash: "#pipeline", ready: "#jobs tr" },
];

async function open(options, hash = "#", prepare = async () => {}) {
  const page = await newPage(options);
  await prepare(page);
  await page.goto(url + hash);
  await page.locator(CONNECTED).waitFor();
  await page.locator(VIEWS.find((view) => view.hash === hash)?.ready ?? "h1:visible").first().waitFor();
  await page.evaluate(() => document.fonts.ready);
  return page;
}

async function go(page, hash) {
  await page.evaluate((hash) => { location.hash = hash; }, hash);
  const view = VIEWS.find((one) => one.hash === hash);
  if (view) await page.locator(view.ready).first().waitFor();
}

async function items(query) {
  const answer = await fetch(`${url}api/snapshot?${new URLSearchParams(query)}`);
  assert.equal(answer.status, 200);
  return (await answer.json()).items;
}
const newest = (list) => list.toSorted((a, b) => a.value.window_start - b.value.window_start).at(-1).value;
const grouped = (number) => number.toLocaleString("en-US");
const numberIn = (text) => Number(text.replaceAll(",", "").replace("−", "-").replace(/ .*/, ""));
const tile = (page, name) => page.locator(`[data-metric="${name}"] .value`);
const decimals = (text) => {
  const [whole, fraction = ""] = String(text).split(".");
  const kept = fraction.slice(0, 2).replace(/0+$/, "");
  return grouped(BigInt(whole)) + (kept ? `.${kept}` : "");
};

function ratesOf(window) {
  const end = window.is_final ? window.window_end : Math.min(window.window_end, window.as_of);
  const seconds = (end - window.window_start) / 1e6;
  const rate = seconds < 1 ? null : window.messages / seconds;
  const all = window.watch_ms + window.rebuffer_ms;
  return [
    rate === null ? "–" : rate >= 100 ? grouped(Math.round(rate)) : rate.toFixed(1),
    all === 0 ? "–" : `${((window.rebuffer_ms / all) * 100).toFixed(2)} %`,
  ];
}

/** `names`: what items are called, where the board knows them by their ids only. */
async function boardIs(page, within, board, names = {}) {
  const here = `${within} [data-board="${board.board.replace(/_all_time$/, "")}"]`;
  const scores = board.entries.map((e) => decimals(e.score));
  const isThere = ([here, scores]) => [...document.querySelectorAll(`${here} .score`)].map((score) => score.textContent).join() === scores.join();
  await page.waitForFunction(isThere, [here, scores], { timeout: 5_000 }).catch(() => null);
  assert.deepEqual(await texts(page, `${here} .score`), scores, board.board);
  assert.deepEqual(await texts(page, `${here} bdi`), board.entries.map((e) => names[e.item] ?? e.label), board.board);
  assert.deepEqual(await texts(page, `${here} .rank`), board.entries.map((e) => String(e.rank)), board.board);
  const moved = board.entries.map(({ rank, previous_rank: before }) => (before === null ? "new" : before === rank ? "" : before > rank ? `▲${before - rank}` : `▼${rank - before}`));
  assert.deepEqual(await texts(page, `${here} .move [aria-hidden]`), moved, board.board);
}

async function theOverviewIsTheSnapshots(page) {
  const windows = (await items({ kind: "engagement", history: "false" })).map((item) => item.value);
  const sorted = windows.toSorted((a, b) => b.concurrent_viewers - a.concurrent_viewers || (a.channel_id < b.channel_id ? -1 : 1));
  assert.deepEqual(await texts(page, "#channel-rows bdi"), sorted.map((window) => window.channel_id));
  const cells = (name) => texts(page, `#channel-rows [data-cell="${name}"], #channel-rows td:nth-child(${{ viewers: 3, rate: 4, chatters: 5, rebuffering: 6 }[name]})`);
  assert.deepEqual(await cells("viewers"), sorted.map((window) => grouped(window.concurrent_viewers)));
  assert.deepEqual(await cells("rate"), sorted.map((window) => ratesOf(window)[0]));
  assert.deepEqual(await cells("chatters"), sorted.map((window) => grouped(window.unique_chatters)));
  assert.deepEqual(await cells("rebuffering"), sorted.map((window) => ratesOf(window)[1]));
  assert.equal(await tile(page, "all_viewers").textContent(), grouped(windows.reduce((sum, window) => sum + window.concurrent_viewers, 0)));
  assert.equal(await tile(page, "all_channels").textContent(), String(windows.length));
  for (const { value } of await items({ kind: "leaderboards", group: "global" })) await boardIs(page, "#global-boards", value);
  assert.equal(await page.locator("main img, main script, main [onerror]").count(), 0, "a channel's name is text");
  assert((await texts(page, "#channel-rows bdi")).includes(hostile));
}

async function theOverviewIsSortedAndSearched(page) {
  const column = async (index) => (await texts(page, `#channel-rows td:nth-child(${index})`)).map(numberIn);
  for (const [by, index] of [["rate", 4], ["chatters", 5], ["rebuffering", 6]]) {
    const button = page.locator(`button[data-by="${by}"]`);
    await button.click();
    await page.locator(`[aria-sort="descending"] button[data-by="${by}"]`).waitFor();
    const values = await column(index);
    assert.deepEqual(values, values.toSorted((a, b) => b - a), by);
    await button.click();
    await page.locator(`[aria-sort="ascending"] button[data-by="${by}"]`).waitFor();
    assert.deepEqual(await column(index), values.toSorted((a, b) => a - b), by);
  }
  await page.locator('button[data-by="channel"]').click();
  await page.locator('[aria-sort="ascending"] button[data-by="channel"]').waitFor();
  const names = await texts(page, "#channel-rows bdi");
  assert.deepEqual(names, names.toSorted());
  await page.locator("#channel-search").fill("WEBINAR");
  await until(page, () => document.querySelectorAll("#channel-rows tr").length === 3);
  await page.locator("#channel-search").fill("no such");
  await until(page, () => document.querySelector("#channel-note").textContent === "No channel of that name");
  await page.locator("#channel-search").fill("");
  await page.locator('button[data-by="viewers"]').click();
  await page.locator('[aria-sort="descending"] button[data-by="viewers"]').waitFor();
}

/** There and back: by a link, by the browser's button, with the place on the page and the title. */
async function backWorks(page) {
  await page.setViewportSize({ width: 1440, height: 500 });
  await page.evaluate(() => scrollTo(0, 240));
  const link = page.locator("#channel-rows a").nth(8);
  const other = await link.textContent();
  await link.evaluate((link) => link.click()); // the test's own click would scroll
  await until(page, (name) => document.querySelector("#channel-name").textContent === name, other);
  await until(page, () => scrollY === 0 && document.activeElement.id === "channel-name");
  assert.equal(await page.title(), `${other} – Ovation`);
  await page.goBack();
  await page.locator("#channel-rows tr").first().waitFor();
  await until(page, () => scrollY === 240);
  assert.equal(await page.title(), "Channels – Ovation");
  await page.goForward();
  await page.locator("#channel-name").waitFor();
  await page.locator("#channels-title a").click();
  await page.locator("#channel-rows tr").first().waitFor();
  await page.locator("#channel-rows a").filter({ hasText: "onerror" }).click();
  await until(page, (name) => document.querySelector("#channel-name").textContent === name, hostile);
  await page.locator('#boards [data-board="poll_results"] li').first().waitFor(); // its group's name is escaped
  assert.equal(await page.locator('#boards [data-board="poll_results"] option').count(), 1, "and no other channel's poll is here");
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.goBack();
}

async function theChannelIsTheSnapshots(page) {
  const windows = await items({ kind: "engagement", channel });
  const window = newest(windows);
  for (const name of ["concurrent_viewers", "messages", "unique_chatters", "unique_viewers"]) {
    assert.equal(await tile(page, name).textContent(), grouped(window[name]), name);
  }
  assert.equal(await tile(page, "rebuffer").textContent(), ratesOf(window)[1]);
  const kinds = Object.entries(window.reactions).sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  assert.deepEqual(await texts(page, "#reactions li:not(.money) .n"), kinds.map(([, n]) => grouped(n)));

  const boards = (await items({ kind: "leaderboards" })).map((item) => item.value);
  for (const [button, kind] of [["All time", "all_time"], ["Last 5 min", "rolling"]]) {
    for (const name of ["top_chatters", "top_emotes"]) {
      await page.locator(`[data-board="${name}"]`).getByRole("button", { name: button }).click();
      await boardIs(page, "#boards", boards.find((one) => one.board === name && one.window === kind && one.group === channel));
    }
  }
  await boardIs(page, "#boards", boards.find((one) => one.board === "top_questions"), { "twitch:q-1": "How do you light the studio?" });
  for (const currency of ["USD", "EUR", "JPY"]) {
    await page.locator('[data-board="top_givers"] select').selectOption(currency);
    await boardIs(page, "#boards", boards.find((one) => one.group === `${channel}/${currency}`));
  }
  assert.deepEqual(await texts(page, '[data-board="poll_results"] option'), ["next game/2", "map-vote"], "the newest poll comes first");
  await boardIs(page, "#boards", boards.find((one) => one.group === `${channel}/next game%2F2`));

  const sums = (age) => windows.map(({ value }) => value.retention.find((point) => point.age_us === age)).reduce((a, point) => [a[0] + point.retained, a[1] + point.cohort], [0, 0]);
  const [retained, cohort] = sums(3_600e6);
  assert.equal(await page.locator("#retention-now").textContent(), `${((retained / cohort) * 100).toFixed(2)} % after 1 h`);
  const seconds = (ms) => (ms < 1000 ? `${ms} ms` : `${(ms / 1000).toFixed(1)} s`);
  assert.equal(await page.locator("#latency-now").textContent(), `${seconds(window.live_latency_p50_ms)} / ${seconds(window.live_latency_p95_ms)}`);
  assert.equal(await page.locator("#startup-now").textContent(), `${seconds(window.startup_p50_ms)} / ${seconds(window.startup_p95_ms)}`);
  assert.equal(await page.locator("#bitrate-now").textContent(), `${grouped(Math.round(window.bitrate_bits / window.bitrate_ms))} kbit/s`);
  assert.equal(await page.locator("#rebuffer-now").textContent(), ratesOf(window)[1]);
  await chartsAreDrawn(page, 7);
  assert.equal(await page.locator("#viewers-chart").getAttribute("aria-label"), `Viewers over time: viewers ${grouped(window.concurrent_viewers)}`);

  const flags = await items({ kind: "moderation", channel });
  assert.equal(await page.locator("#channel-flags li").count(), Math.min(5, flags.length));
  assert.equal(await page.locator("#channel-flags-more").textContent(), `All ${flags.length} in the queue`);
}

/** What is said and stands, newest first; what strangers write is text here too. */
async function theChatIsTheSnapshots(page) {
  const events = (await items({ kind: "chat", channel })).map((item) => item.value);
  const said = events.filter((event) => event.kind === "message" && event.event_id !== "deleted");
  const newest = said.toSorted((a, b) => b.event_time - a.event_time).slice(0, 50);
  assert(said.length > 60 && newest.some((event) => event.event_id === "hostile"));
  await until(page, (count) => document.querySelectorAll("#chat li").length === count, newest.length);
  assert.deepEqual(await page.locator("#chat li").evaluateAll((rows) => rows.map((row) => row.dataset.key)), newest.map((event) => event.event_id));
  const shown = await texts(page, "#chat .foreign");
  newest.forEach((event, index) => {
    if (!["control", "heap"].includes(event.event_id)) assert.equal(shown[index], event.text);
  });
  assert(shown.some((text) => ["202E", "0007", "0000", "001B"].every((code) => text.includes(`⟨U+${code}⟩`))), "control characters can be seen");
  assert.equal(await page.locator("main img, main script, main [onerror]").count(), 0, "no element came from text");
  assert.equal(await page.locator("#chat").getAttribute("aria-live"), "off");
  const tallest = await page.locator("#chat li").evaluateAll((rows) => Math.max(...rows.map((row) => row.getBoundingClientRect().height)));
  assert(tallest < 80, `a heap of combining marks stays in its row: ${tallest}`);
}

/** Where nothing was said, that is said. */
async function aSilentChatIsSaid(page) {
  const silent = "youtube:late-kitchen";
  assert.deepEqual(await items({ kind: "chat", channel: silent }), []);
  await go(page, `#${new URLSearchParams({ channel: silent })}`);
  await until(page, (name) => document.querySelector("#channel-name").textContent === name, silent);
  await until(page, () => document.querySelector("#chat-panel").checkVisibility() && document.querySelector("#chat-empty").checkVisibility() && document.querySelector("#chat-empty").textContent === "Nothing said yet");
}

async function chartsAreDrawn(page, count) {
  await until(page, (count) => document.querySelectorAll(".view:not([hidden]) .chart canvas").length === count, count);
  const drawn = await page.locator(".view:not([hidden]) .chart canvas").evaluateAll((all) => all.map((canvas) => new Set(canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data).size));
  assert(drawn.length === count && drawn.every((colours) => colours > 10), `${count} charts are drawn: ${drawn}`);
}

async function marketsAreTheSnapshots(page) {
  const known = (await items({ kind: "markets", history: "false" })).map((item) => item.value);
  const names = [...new Set(known.map((candle) => `${candle.venue}:${candle.symbol}`))].sort();
  assert.deepEqual(await texts(page, "#market-rows bdi"), names);
  const day = known.filter((candle) => candle.interval_s === 86_400).map((candle) => {
    const last = known.filter((one) => one.symbol === candle.symbol).toSorted((a, b) => a.as_of - b.as_of || a.window_end - b.window_end || b.interval_s - a.interval_s).at(-1);
    return [candle.symbol, Number(last.close), Number(last.close) / Number(candle.open) - 1];
  }).sort(([a], [b]) => (a < b ? -1 : 1));
  assert.deepEqual((await texts(page, '#market-rows [data-cell="last"]')).map(numberIn), day.map(([, last]) => last));
  const changes = (await texts(page, '#market-rows [data-cell="change"]')).map(numberIn);
  changes.forEach((shown, index) => assert(Math.abs(shown - day[index][2] * 100) < 0.00501, `change ${shown}`));

  assert.deepEqual(await texts(page, "#intervals a"), ["1 s", "1 min", "5 min", "1 h", "1 d"]);
  for (const [label, interval] of [["1 s", 1], ["5 min", 300], ["1 h", 3_600], ["1 d", 86_400], ["1 min", 60]]) {
    await page.locator("#intervals").getByRole("link", { name: label, exact: true }).click();
    const candles = await items({ kind: "markets", market, interval_s: interval });
    const candle = newest(candles);
    await page.locator(`#intervals [aria-current][data-seconds="${interval}"]`).waitFor();
    await until(page, ([trades, close]) => document.querySelector('[data-quote="Trades"]')?.textContent === trades && Number(document.querySelector("#last-price").textContent.replaceAll(",", "")) === close, [grouped(candle.trade_count), Number(candle.close)]);
    for (const [name, field] of [["Open", "open"], ["High", "high"], ["Low", "low"], ["Volume", "base_volume"], ["Taker buys", "taker_buy_volume"]]) {
      assert.equal(numberIn(await page.locator(`[data-quote="${name}"]`).textContent()), Number(candle[field]), name);
    }
    const vwap = numberIn(await page.locator('[data-quote="VWAP"]').textContent());
    assert(Math.abs(vwap - Number(candle.quote_volume) / Number(candle.base_volume)) < 0.01, `VWAP ${vwap}`);
  }
  await until(page, () => document.querySelectorAll("#marks li").length === 4);
  const shown = (await items({ kind: "markets", market, interval_s: 60 })).map((item) => item.value);
  const missing = shown.reduce((sum, candle) => sum + candle.missing_trade_ids + (candle.missing_before ?? 0), 0);
  assert.match(await page.locator("#marks-note").textContent(), new RegExp(`candles: trades missing ${missing}, volume spikes 2, price spikes 1$`));
  const marks = await texts(page, "#marks li span");
  assert.equal(marks[0], "volume 8.0 times the usual");
  assert.match(marks[1], /^volume 8\.0 times the usual; price range \d+\.\d times the usual$/);
  assert.deepEqual(marks.slice(2), ["7 trade numbers missing; 2 trade numbers missing before it", "1 trade number missing before it"]);
  await boardIs(page, "#market-boards", (await items({ kind: "leaderboards", group: market })).map((item) => item.value)[0]);
  await chartsAreDrawn(page, 1);
  await page.locator("#market-rows a").filter({ hasText: "ETH" }).click();
  await until(page, () => document.querySelector("#market-name").textContent === "binance-spot:ETHUSDT");
  await page.goBack();
  await until(page, (market) => document.querySelector("#market-name").textContent === market, market);
}

async function theQueueIsFiltered(page) {
  const all = (await items({ kind: "moderation" })).map((item) => item.value);
  const listed = (count) => until(page, (count) => document.querySelectorAll("#flags li").length === count, count);
  await listed(all.length);
  const names = [...new Set(all.map((flag) => flag.rule))];
  const rules = names.map((rule) => [rule, all.filter((flag) => flag.rule === rule).length]).sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  assert.deepEqual(await texts(page, "#flag-rules .n"), [all.length, ...rules.map(([, n]) => n)].map(String));
  for (const [rule, n] of rules) {
    await page.locator(`#flag-rules [data-rule="${rule}"]`).click();
    await listed(n);
    assert.equal(await page.locator(`#flag-rules [data-rule="${rule}"]`).getAttribute("aria-pressed"), "true");
  }
  await page.locator('#flag-rules [data-rule=""]').click();
  await page.locator("#flag-severity").selectOption("3");
  await listed(all.filter((flag) => flag.severity >= 3).length);
  await page.locator("#flag-severity").selectOption("0");
  await page.locator("#flag-channel").fill("night-sky");
  await listed(1);
  await page.locator("#flag-channel").fill(channel);
  await listed(all.filter((flag) => flag.channel_id === channel).length);
  await page.locator("#flag-text").fill("SKINS");
  await listed(1);
  const address = page.url();
  await page.locator("#flags .evidence").first().waitFor();
  assert.match(await page.locator("#flags .evidence").first().textContent(), /60 % sure: deobfuscated domain example\.com$/);
  await page.reload();
  await listed(1);
  assert.equal(page.url(), address, "what is looked for stands in the address");
  assert.equal(await page.locator("#flag-text").inputValue(), "SKINS");
  await page.locator("#flag-text").fill("");
  await page.locator("#flag-channel").fill("");
  await listed(all.length);
}

async function strangersTextIsText(page) {
  const said = await texts(page, "#flags .foreign");
  assert(said.some((text) => text.startsWith("<img src=x onerror=")), "markup is shown as text");
  assert((await texts(page, "#flags .who")).includes("<b onclick=alert(1)>eve</b>"));
  assert(said.some((text) => ["202E", "0007", "0000", "001B"].every((code) => text.includes(`⟨U+${code}⟩`))), "control characters can be seen");
  assert(!said.some((text) => /[\u0000-\u001f\u202a-\u202e]/.test(text)), "and none is left");
  assert.equal(await page.locator("main img, main script, main b[onclick], main [onerror], main s").count(), 0, "no element came from text");
  assert.equal(await page.title(), "Moderation – Ovation");
  const tallest = await page.locator("#flags li").evaluateAll((rows) => Math.max(...rows.map((row) => row.getBoundingClientRect().height)));
  assert(tallest < 260, `a heap of combining marks stays in its row: ${tallest}`);
}

async function thePipelineIsTheSnapshots(page) {
  const { value } = (await items({ kind: "health" }))[0];
  assert.equal(await page.locator('[data-fact="Results read"]').textContent(), grouped(value.results));
  assert.equal(await page.locator('[data-fact="Dead letters"]').textContent(), "1");
  assert.equal(await page.locator('[data-reason="not_wire_format"]').textContent(), "1");
  assert.equal(await page.locator('[data-fact="This page"]').textContent(), "connected");
  assert.deepEqual(await texts(page, "#jobs th"), value.jobs.map((job) => job.job));
  const idle = value.jobs.findIndex((job) => job.lag.members === 0);
  assert.deepEqual(await texts(page, "#jobs td:nth-child(2)"), value.jobs.map(({ lag }) => (lag.members === 0 ? "nobody" : `${lag.members} workers`)));
  assert.deepEqual(await texts(page, "#jobs td:nth-child(3)"), value.jobs.map(({ lag }) => grouped(lag.records)));
  assert.deepEqual(await texts(page, "#furthest dt, #furthest dd"), ["never, shard 0", "70,000", "test, shard 1", "1,234", "test, shard 0", "7"]);
  assert.deepEqual(await page.locator("#jobs tr").nth(idle).locator("td").allTextContents().then((all) => all.slice(2)), ["–", "–", "–"], "it has never written a result");
}

/** Nobody is kept out who uses the page in other ways than by eye and mouse. */
async function isAccessible(page, what) {
  inaccessible.push(...(await faultsOf(page, what)));
}

async function everyViewIsAccessible(page) {
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    for (const { name, hash } of VIEWS) {
      await go(page, hash);
      await isAccessible(page, `${name}, ${colorScheme}`);
      await picture(page, `${name}-${colorScheme}`);
    }
  }
  await page.emulateMedia({ colorScheme: "light" });
}

async function theThemeIsRemembered(page) {
  const ground = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  const light = await ground();
  await page.locator("#theme").selectOption("dark");
  const dark = await ground();
  assert.notEqual(dark, light);
  await page.reload();
  await page.locator(CONNECTED).waitFor();
  assert.equal(await ground(), dark);
  assert.equal(await page.locator("#theme").inputValue(), "dark");
  await page.locator("#theme").selectOption("auto");
  assert.equal(await ground(), light);
}

/** In every view, while changes arrive, nothing jumps; ranks change by a motion, and by none where none is wanted. */
async function nothingJumps() {
  for (const { name, hash } of VIEWS) {
    const page = await open({ viewport: { width: 1440, height: 900 } }, hash);
    const still = name === "overview" ? await open({ viewport: { width: 1440, height: 900 }, reducedMotion: "reduce" }, hash) : null;
    for (const one of [page, still]) {
      await one?.evaluate(() => {
        window.shifted = 0;
        window.moves = 0;
        const animate = Element.prototype.animate;
        Element.prototype.animate = function (frames, timing) {
          if (frames[0].transform) window.moves += 1;
          return animate.call(this, frames, timing);
        };
      });
    }
    await publishAndSettle(page, 3);
    const shifted = await page.evaluate(() => window.shifted);
    process.stdout.write(`layout shift of ${name}: ${shifted.toFixed(4)}\n`);
    assert(shifted < SHIFT_MAX, `${name} jumps: ${shifted}`);
    if (["overview", "channel"].includes(name)) assert((await page.evaluate(() => window.moves)) > 0, `ranks of ${name} move`);
    if (still) {
      await until(still, () => document.querySelector("#channel-rows bdi") !== null);
      assert.equal(await still.evaluate(() => window.moves), 0, "no motion where none is wanted");
      await still.context().close();
    }
    await page.context().close();
  }
}

/** Publishes a few times, each time until the page has the newest results. */
async function publishAndSettle(page, times) {
  for (let n = 0; n < times; n += 1) {
    const before = await page.locator("#as-of").textContent();
    await order("publish");
    await until(page, (before) => document.querySelector("#as-of").textContent !== before, before);
    await page.evaluate(() => Promise.all(document.getAnimations().map((animation) => animation.finished.catch(() => null))));
  }
}

/** What one points at, or has the focus on, stays where it is. */
async function whatIsAimedAtStays() {
  const page = await open({ viewport: { width: 1440, height: 900 } });
  const link = page.locator("#channel-rows a").nth(1); // the next result has another one there
  const name = await link.textContent();
  await link.focus();
  await publishAndSettle(page, 1);
  assert.equal(await page.locator("#channel-rows a").nth(1).textContent(), name);
  assert.equal(await page.evaluate(() => document.activeElement.textContent), name);
  await page.locator("#overview-title").focus();
  await until(page, () => {
    const viewers = [...document.querySelectorAll("#channel-rows td:nth-child(3)")].map((cell) => Number(cell.textContent.replaceAll(",", "")));
    return viewers.every((value, index) => index === 0 || viewers[index - 1] >= value);
  });
  const board = page.locator('#global-boards [data-board="most_active_channels"] a').nth(2);
  const active = await board.textContent();
  await board.focus();
  await publishAndSettle(page, 1);
  assert.equal(await page.evaluate(() => document.activeElement.textContent), active, "the focus goes with its item");
  await page.context().close();
}

async function aChangeArrives(page) {
  await go(page, VIEWS[1].hash);
  const flags = (await items({ kind: "moderation", channel })).length;
  await order("publish");
  await until(page, () => document.querySelector('[data-metric="concurrent_viewers"] .value')?.textContent === "54,321");
  await until(page, (count) => document.querySelector("#channel-flags-more").textContent === `All ${count} in the queue`, flags + 1);
  assert.equal((await texts(page, "#channel-flags .foreign"))[0], "flagged just now");
  await until(page, () => document.querySelector("#chat .foreign").textContent === "said in step 5");
  assert.equal(await tile(page, "messages").textContent(), "987");
}

/** The line is cut, things happen, it comes back: all of them are there, once, in order. */
async function aCutLineIsResumed() {
  let isCut = false;
  const sockets = [];
  const sent = [];
  const page = await open({ viewport: { width: 1440, height: 900 } }, "#flags", async (page) => {
    await page.routeWebSocket(/\/ws$/, (socket) => {
      if (isCut) return void socket.close();
      const server = socket.connectToServer();
      const frames = [];
      sockets.push({ socket, server, frames });
      socket.onMessage((message) => {
        sent.push(JSON.parse(message));
        server.send(message);
      });
      server.onMessage((message) => {
        frames.push(JSON.parse(message));
        socket.send(message);
      });
    });
  });
  await publishAndSettle(page, 1);
  const before = sockets.at(-1).frames.at(-1);
  isCut = true;
  await sockets.at(-1).socket.close();
  await sockets.at(-1).server.close();
  await page.locator('#status[data-state="reconnecting"]').waitFor();
  await order("publish");
  await order("publish");
  isCut = false;
  await page.locator(CONNECTED).waitFor();
  const all = (await items({ kind: "moderation" })).map((item) => item.value).sort((a, b) => b.event_time - a.event_time || (a.flag_id < b.flag_id ? -1 : 1));
  await until(page, (count) => document.querySelectorAll("#flags li").length === count, all.length);
  assert.deepEqual(await page.locator("#flags li").evaluateAll((rows) => rows.map((row) => row.dataset.key)), all.map((flag) => flag.flag_id));
  assert.equal(typeof sent.at(-1).resume, "string", "it asked to go on from where it was");
  const [first, ...then] = sockets.at(-1).frames;
  assert.equal(first.type, "resumed");
  const offsets = [before, ...then.filter((frame) => frame.type === "change")].map((frame) => Number(frame.id.split(":")[1]));
  assert(offsets.length >= 3 && offsets.every((offset, index) => index === 0 || offset > offsets[index - 1]), `each change once, in order: ${offsets}`);
  await page.context().close();
}

async function aLostGatewayIsSaidAndComesBack(page) {
  await go(page, VIEWS[1].hash);
  const flags = (await items({ kind: "moderation", channel })).length;
  await order("stop");
  await page.locator('#status[data-state="reconnecting"]').waitFor();
  assert.match(await page.locator("#status-text").textContent(), /^Reconnecting/);
  assert.equal(await page.locator("#status-said").textContent(), "Reconnecting");
  assert.equal(await tile(page, "messages").textContent(), "987", "the last numbers stay");
  await go(page, "#pipeline");
  await until(page, () => document.querySelector('[data-fact="This page"]').textContent.startsWith("not connected"));
  await go(page, VIEWS[1].hash);
  await order("start");
  await page.locator(CONNECTED).waitFor();
  await order("publish");
  await until(page, (count) => document.querySelector("#channel-flags-more").textContent === `All ${count} in the queue`, flags + 1);
}

async function theKeyboardIsEnough() {
  const page = await open({ viewport: { width: 1440, height: 900 } });
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.className), "skip");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "main");
  assert.equal(await page.locator("#overview").isVisible(), true, "skipping does not leave the view");
  const second = page.locator("#channel-rows a").nth(1);
  const name = await second.textContent();
  await second.focus();
  await page.keyboard.press("Enter");
  await until(page, (name) => document.querySelector("#channel-name").textContent === name, name);
  assert.equal(await page.locator("#channels [aria-current]").textContent().then((text) => text.startsWith(name)), true);
  await page.locator("#channels-title a").focus();
  await page.keyboard.press("Enter");
  await page.locator("#channel-rows tr").first().waitFor();
  await page.context().close();
}

async function fits(page, width, what) {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  assert(wide <= width, `${what}: ${wide} px of content on a screen of ${width}`);
  const out = await page.locator("body *:visible").evaluateAll((all, width) => all
    .filter((one) => !one.closest("#channels, .views, .scroll, .hidden, .uplot, .tip, .skip") && one.getBoundingClientRect().right > width + 1)
    .map((one) => `${one.tagName}.${one.className}#${one.id}`), width);
  assert.deepEqual(out, [], `${what}: nothing reaches over the edge`);
}

async function picture(page, name) {
  await page.evaluate(() => scrollTo(0, 0));
  if (screenshots) await page.screenshot({ path: `${screenshots}/${name}.png`, fullPage: true, animations: "disabled" });
}

try {
  const page = await open({ viewport: { width: 1440, height: 900 }, colorScheme: "light" });
  await theOverviewIsTheSnapshots(page);
  await theOverviewIsSortedAndSearched(page);
  await backWorks(page);
  await go(page, VIEWS[1].hash);
  await theChannelIsTheSnapshots(page);
  await theChatIsTheSnapshots(page);
  await aSilentChatIsSaid(page);
  await go(page, VIEWS[2].hash);
  await marketsAreTheSnapshots(page);
  await go(page, VIEWS[3].hash);
  await theQueueIsFiltered(page);
  await strangersTextIsText(page);
  await go(page, VIEWS[4].hash);
  await thePipelineIsTheSnapshots(page);
  await everyViewIsAccessible(page);
  await theThemeIsRemembered(page);
  await theKeyboardIsEnough();
  for (const width of [360, 768, 1024]) {
    const phone = await open({ viewport: { width, height: 740 }, colorScheme: width === 360 ? "dark" : "light", hasTouch: true, deviceScaleFactor: 2 });
    for (const { name, hash } of VIEWS) {
      await go(phone, hash);
      await fits(phone, width, `${name} at ${width}`);
      if (width === 360) await isAccessible(phone, `${name} at ${width}`);
      await picture(phone, `${name}-${width}`);
    }
    await phone.context().close();
  }
  await aChangeArrives(page);
  await nothingJumps();
  await whatIsAimedAtStays();
  await aCutLineIsResumed();
  await aLostGatewayIsSaidAndComesBack(page);
  assert.deepEqual(inaccessible, [], "who sees or points otherwise is kept out");
  assert.deepEqual(complaints, [], "the browser complained");
  assert.deepEqual([...asked], [new URL(url).origin], "nothing is loaded from elsewhere");
  process.stdout.write("the page holds\n");
} finally {
  await browser.close();
}
process.exit(0);
