/**
 * Looks at the page in a real browser: `node browser.mjs URL CHANNEL MARKET`. Whoever starts it runs the gateway and
 * obeys the lines `ORDER publish|stop|start` on our output with a line on our input. Every wait is for a condition.
 */
import assert from "node:assert/strict";
import { existsSync, mkdirSync } from "node:fs";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const [url, channel, market] = process.argv.slice(2);
const screenshots = process.env.OVATION_SCREENSHOTS;
const executablePath = process.env.OVATION_CHROMIUM ?? ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);
if (!executablePath) throw new Error("no browser: install chromium, or name one in OVATION_CHROMIUM");
if (screenshots) mkdirSync(screenshots, { recursive: true });

const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
async function order(what) {
  process.stdout.write(`ORDER ${what}\n`);
  const { done } = await answers.next();
  assert(!done, "whoever started the test is gone");
}

const browser = await chromium.launch({
  executablePath,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
const complaints = [];
const asked = new Set();

async function open(options) {
  const context = await browser.newContext({ locale: "en-GB", timezoneId: "Europe/Berlin", ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type()) && !/ERR_CONNECTION_REFUSED|WebSocket connection/.test(message.text())) complaints.push(message.text());
  });
  page.on("request", (request) => asked.add(new URL(request.url()).origin));
  await page.goto(url);
  await page.locator('#status[data-state="live"]').waitFor();
  await page.locator(".board li").first().waitFor();
  await page.evaluate(() => document.fonts.ready);
  return page;
}

async function items(query) {
  const answer = await fetch(`${url}api/snapshot?${new URLSearchParams(query)}`);
  assert.equal(answer.status, 200);
  return (await answer.json()).items;
}
const newest = (list) => list.toSorted((a, b) => a.value.window_start - b.value.window_start).at(-1).value;
const grouped = (number) => number.toLocaleString("en-US");
const texts = (page, selector) => page.locator(selector).allTextContents();
const tile = (page, name) => page.locator(`[data-metric="${name}"] .value`);

async function numbersAreTheSnapshots(page) {
  const window = newest(await items({ kind: "engagement", channel }));
  for (const name of ["concurrent_viewers", "messages", "unique_chatters", "unique_viewers"]) {
    assert.equal(await tile(page, name).textContent(), grouped(window[name]), name);
  }
  const kinds = Object.entries(window.reactions).sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  const shown = await texts(page, "#reactions li:not(.money) .n");
  assert.deepEqual(shown, kinds.map(([, n]) => grouped(n)));

  const boards = await items({ kind: "leaderboards", group: channel });
  for (const [button, kind] of [["All time", "all_time"], ["Last 5 min", "rolling"]]) {
    for (const name of ["top_chatters", "top_emotes"]) {
      await page.locator(`[data-board="${name}"]`).getByRole("button", { name: button }).click();
      const board = boards.find((item) => item.key.board === name && item.key.window === kind).value;
      await page.waitForFunction(([name, first]) => document.querySelector(`[data-board="${name}"] .score`)?.textContent === first, [name, grouped(Number(board.entries[0].score))]);
      assert.deepEqual(await texts(page, `[data-board="${name}"] .score`), board.entries.map((e) => grouped(Number(e.score))));
      assert.deepEqual(await texts(page, `[data-board="${name}"] bdi`), board.entries.map((e) => e.label));
      assert.deepEqual(await texts(page, `[data-board="${name}"] .rank`), board.entries.map((e) => String(e.rank)));
    }
  }
  for (const [label, interval] of [["1 s", 1], ["1 min", 60]]) {
    await page.locator("#intervals").getByRole("button", { name: label, exact: true }).click();
    const candle = newest(await items({ kind: "markets", market, interval_s: interval }));
    const quote = page.locator('[data-quote="Trades"]');
    await page.waitForFunction((trades) => document.querySelector('[data-quote="Trades"]')?.textContent === trades, grouped(candle.trade_count));
    assert.equal(Number((await page.locator('[data-quote="close"]').textContent()).replaceAll(",", "")), Number(candle.close));
    assert.equal(await quote.textContent(), grouped(candle.trade_count));
    const vwap = Number((await page.locator('[data-quote="VWAP"]').textContent()).replaceAll(",", ""));
    assert(Math.abs(vwap - Number(candle.quote_volume) / Number(candle.base_volume)) < 0.01, `VWAP ${vwap}`);
  }
  const drawn = await page.locator(".chart canvas").evaluateAll((all) => all.map((canvas) => new Set(canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data).size));
  assert(drawn.length === 3 && drawn.every((colours) => colours > 10), `three charts are drawn: ${drawn}`);
  assert.equal(await page.locator('[data-fact="Dead letters"]').textContent(), "1");
}

async function channelsAreMostWatchedFirst(page) {
  const counts = (await texts(page, "#channels .n")).map((text) => Number(text.replaceAll(",", "")));
  assert(counts.length > 10);
  assert.deepEqual(counts, counts.toSorted((a, b) => b - a));
  assert.equal(await page.locator("#channel-name").textContent(), channel);
}

async function strangersTextIsText(page) {
  const flags = await items({ kind: "moderation", channel });
  assert.equal(await page.locator("#flags li").count(), flags.length);
  const said = await texts(page, "#flags .foreign");
  assert(said.some((text) => text.startsWith("<img src=x onerror=")), "markup is shown as text");
  assert((await texts(page, "#flags .who")).includes("<b onclick=alert(1)>eve</b>"));
  assert(said.some((text) => ["202E", "0007", "0000", "001B"].every((code) => text.includes(`⟨U+${code}⟩`))), "control characters can be seen");
  assert(!said.some((text) => /[\u0000-\u001f\u202a-\u202e]/.test(text)), "and none is left");
  const elements = "main img, main script, main b[onclick], main [onerror]";
  assert.equal(await page.locator(elements).count(), 0, "no element came from text");
  assert.equal(await page.title(), "Ovation");
  const tallest = await page.locator("#flags li").evaluateAll((rows) => Math.max(...rows.map((row) => row.getBoundingClientRect().height)));
  assert(tallest < 260, `a heap of combining marks stays in its row: ${tallest}`);
}

async function aChangeArrives(page) {
  const before = await page.locator("#flags li").count();
  await order("publish");
  await page.waitForFunction(() => document.querySelector('[data-metric="concurrent_viewers"] .value')?.textContent === "54,321");
  await page.waitForFunction((count) => document.querySelectorAll("#flags li").length === count, before + 1);
  assert.equal((await texts(page, "#flags .foreign"))[0], "flagged just now");
  assert.equal(await tile(page, "messages").textContent(), "987");
}

async function aLostGatewayIsSaidAndComesBack(page) {
  await order("stop");
  await page.locator('#status[data-state="reconnecting"]').waitFor();
  assert.match(await page.locator("#status-text").textContent(), /^Reconnecting/);
  assert.equal(await tile(page, "messages").textContent(), "987", "the last numbers stay");
  await order("start");
  await page.locator('#status[data-state="live"]').waitFor();
  await order("publish");
  await page.waitForFunction(() => document.querySelectorAll("#flags li").length === 11);
}

async function theKeyboardIsEnough() {
  const page = await open({ viewport: { width: 1440, height: 900 } });
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement?.className), "skip");
  const second = page.locator("#channels button").nth(1);
  await second.focus();
  await page.keyboard.press("Enter");
  const name = await second.locator("bdi").textContent();
  await page.waitForFunction((name) => document.querySelector("#channel-name")?.textContent === name, name);
  assert.equal(await second.getAttribute("aria-current"), "true");
  await page.locator("#channels button").first().click();
  await page.waitForFunction((name) => document.querySelector("#channel-name")?.textContent === name, channel);
  await page.locator("#flags li").first().waitFor();
  await page.context().close();
}

async function fits(page, width) {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  assert(wide <= width, `${wide} px of content on a screen of ${width}`);
  const out = await page.locator("body *:visible").evaluateAll((all, width) => all
    .filter((one) => !one.closest("#channels, .scroll, .hidden, .uplot, .tip, .skip") && one.getBoundingClientRect().right > width + 1)
    .map((one) => `${one.tagName}.${one.className}`), width);
  assert.deepEqual(out, [], "nothing reaches over the edge");
}

async function picture(page, name) {
  await page.evaluate(() => scrollTo(0, 0));
  if (screenshots) await page.screenshot({ path: `${screenshots}/${name}.png`, fullPage: true, animations: "disabled" });
}

try {
  const page = await open({ viewport: { width: 1440, height: 900 }, colorScheme: "light" });
  await numbersAreTheSnapshots(page);
  await channelsAreMostWatchedFirst(page);
  await strangersTextIsText(page);
  await picture(page, "desktop-light");
  await page.emulateMedia({ colorScheme: "dark" });
  await picture(page, "desktop-dark");
  await page.emulateMedia({ colorScheme: "light" });
  await theKeyboardIsEnough();
  for (const width of [360, 768, 1024]) {
    const phone = await open({ viewport: { width, height: 740 }, colorScheme: width === 360 ? "dark" : "light", hasTouch: true, deviceScaleFactor: 2 });
    await fits(phone, width);
    await picture(phone, `width-${width}`);
    await phone.context().close();
  }
  await aChangeArrives(page);
  await aLostGatewayIsSaidAndComesBack(page);
  assert.deepEqual(complaints, [], "the browser complained");
  assert.deepEqual([...asked], [new URL(url).origin], "nothing is loaded from elsewhere");
  process.stdout.write("the page holds\n");
} finally {
  await browser.close();
}
process.exit(0);
