/**
 * The page for a viewer whose token opens one channel, and for one without, to whom the numbers of another are open:
 * `node token.mjs URL TOKEN CHANNEL OTHER_CHANNEL`. Every wait is for a condition.
 */
import assert from "node:assert/strict";
import { browser, complaints, faultsOf, newPage, SHIFT_MAX, texts, until } from "./launch.mjs";

const [url, token, channel, other] = process.argv.slice(2);
const CLOSED = "Not open to you";
const says = (page, text) => until(page, (text) => document.querySelector("#closed").checkVisibility() && document.querySelector("#closed").textContent === text, `Your token does not open: ${text}`);

async function open(options, hash) {
  const page = await newPage(options);
  await page.goto(`${url}#${new URLSearchParams({ token, ...hash })}`);
  await page.locator('#status:is([data-state="live"], [data-state="behind"])').waitFor();
  await page.evaluate(() => document.fonts.ready);
  return page;
}

async function go(page, hash) {
  await page.evaluate((hash) => { location.hash = hash; }, hash);
}

async function items(query) {
  const answer = await fetch(`${url}api/snapshot?${new URLSearchParams(query)}`, { headers: { authorization: `Bearer ${token}` } });
  assert.equal(answer.status, 200);
  return (await answer.json()).items.map((item) => item.value);
}

/** What is open is shown as to everybody, what is not is said where it would stand. */
async function itIsSaidWhatIsOpen(page) {
  await says(page, "boards over all channels, markets, the pipeline");
  assert.equal(await page.evaluate(() => location.href + JSON.stringify([history.state, { ...localStorage }, { ...sessionStorage }])).then((seen) => seen.includes(token)), false, "the token is nowhere to be seen");
  await until(page, () => document.querySelectorAll("#channel-rows tr").length === 1);
  assert.deepEqual(await texts(page, "#channel-rows bdi"), [channel]);
  for (const foot of await texts(page, "#global-boards footer")) assert.equal(foot, CLOSED);

  await page.locator("#channel-rows a").click();
  await says(page, "the pipeline");
  const windows = await items({ kind: "engagement", channel });
  const newest = windows.toSorted((a, b) => a.window_start - b.window_start).at(-1);
  await until(page, (count) => document.querySelector('[data-metric="messages"] .value')?.textContent === count, newest.messages.toLocaleString("en-US"));
  await page.locator('#boards [data-board="top_chatters"] li').first().waitFor();
  await page.locator('#boards [data-board="top_givers"] li').first().waitFor(); // of groups within the channel's
  await page.locator("#channel-flags li").first().waitFor();
  assert.deepEqual(await texts(page, "#channels bdi"), [channel]);
  assert.equal(await page.locator("#chat-panel").isVisible(), false, "this gateway serves no chat");

  await go(page, `#${new URLSearchParams({ channel: other })}`);
  await says(page, "this channel's numbers, boards of this channel, its moderation, the pipeline");
  assert.equal(await page.locator("#window-of").textContent(), CLOSED);
  assert.equal(await page.locator("#channel-flags-empty").textContent(), CLOSED);
  assert.deepEqual(await texts(page, ".view:not([hidden]) .chart .none:visible"), Array(7).fill(CLOSED), "no chart waits for data");
  assert.equal(await page.locator("#chat-panel").isVisible(), false);
  assert.deepEqual(await texts(page, "#tiles .value"), Array(6).fill("–"));
  assert.deepEqual(await texts(page, "#channels bdi"), [channel], "what is open stays to choose from");

  await go(page, "#market=");
  await says(page, "markets, the pipeline");
  await until(page, (text) => document.querySelector("#markets-note").textContent === text, CLOSED);
  await go(page, "#flags");
  await says(page, "the pipeline");
  const flags = await items({ kind: "moderation" });
  await until(page, (count) => document.querySelectorAll("#flags li").length === count, flags.length);
  assert(flags.length > 0 && flags.every((flag) => flag.channel_id === channel));
  await go(page, "#pipeline");
  await says(page, "the pipeline");
  assert.equal(await page.locator("#jobs-empty").textContent(), CLOSED);
}

async function nothingIsInTheWay(page, what) {
  const inaccessible = [];
  for (const hash of ["#", `#${new URLSearchParams({ channel })}`, "#market="]) {
    await go(page, hash);
    await page.locator("#closed").waitFor();
    inaccessible.push(...(await faultsOf(page, `${hash} ${what}`)));
    const { right, left } = await page.locator("#closed").evaluate((said) => said.getBoundingClientRect().toJSON());
    assert(left >= 0 && right <= page.viewportSize().width, `${what}: ${left} to ${right}`);
  }
  assert.deepEqual(inaccessible, []);
}

try {
  const page = await open({ viewport: { width: 1440, height: 900 }, colorScheme: "light" }, {});
  const shifted = await page.evaluate(() => window.shifted);
  assert(shifted < SHIFT_MAX, `what is said moves nothing: ${shifted}`);
  await itIsSaidWhatIsOpen(page);
  await nothingIsInTheWay(page, "light");
  const phone = await open({ viewport: { width: 360, height: 740 }, colorScheme: "dark", hasTouch: true }, { channel });
  await until(phone, (name) => document.querySelector("#channel-name").textContent === name, channel);
  assert.equal(new URL(phone.url()).hash, `#${new URLSearchParams({ channel })}`, "the rest of the address stays");
  await phone.locator('#boards [data-board="top_chatters"] li').first().waitFor();
  await nothingIsInTheWay(phone, "dark, 360 px");
  const without = await newPage({ viewport: { width: 1440, height: 900 } });
  await without.goto(url);
  await until(without, (text) => document.querySelector("#closed").textContent === text, "Without a token this is not open: boards over all channels, markets, the pipeline");
  assert.deepEqual(await texts(without, "#channel-rows bdi"), [other]);
  assert.deepEqual(complaints, [], "the browser complained");
  process.stdout.write("the page holds for a token of one channel\n");
} finally {
  await browser.close();
}
process.exit(0);
