/**
 * The page for those who may read nothing: `node closed.mjs URL TOKEN EXPIRED SHORT CHANNEL`, at a gateway that is closed without a token.
 * TOKEN is good, EXPIRED is no more, SHORT ends in some seconds. Every wait is for a condition.
 */
import assert from "node:assert/strict";
import { browser, complaints, faultsOf, newPage, texts, until } from "./launch.mjs";

const [url, token, expired, short, channel] = process.argv.slice(2);
const CLOSED = "Not open to you";
const HASHES = ["#", `#${new URLSearchParams({ channel })}`, "#market=", "#flags", "#pipeline"];

async function open(hash, options = {}) {
  const page = await newPage({ viewport: { width: 1440, height: 900 }, ...options });
  page.sockets = 0;
  page.said = [];
  page.on("websocket", () => (page.sockets += 1));
  page.on("console", (message) => !message.text().startsWith("shift ") && page.said.push(message.text()));
  await page.clock.install();
  await page.goto(url + hash);
  return page;
}

async function isRefused(page, status, more) {
  await page.locator('#status[data-state="refused"]').waitFor();
  assert.equal(await page.locator("#status-text").textContent(), status);
  assert.equal(await page.locator("#status-said").textContent(), status, "it is read out");
  await until(page, (more) => document.querySelector("#closed").checkVisibility() && document.querySelector("#closed").textContent.startsWith(more), more);
}

/** Everywhere it is said that this is not open, and nowhere that something is awaited. */
async function nothingIsPromised(page) {
  for (const hash of HASHES) {
    await page.evaluate((hash) => { location.hash = hash; }, hash);
    await until(page, (hash) => document.querySelector(`.view:not([hidden])`).id === { "": "overview", "#market=": "markets", "#flags": "moderation", "#pipeline": "pipeline" }[hash.replace(/^#$/, "")] || hash.includes("channel="), hash);
    await until(page, (text) => [...document.querySelectorAll(".view:not([hidden]) :is(.none, .empty, .note)")].filter((one) => one.checkVisibility() && one.textContent !== "").every((one) => one.textContent === text), CLOSED);
    const shown = await page.locator(".view:visible").innerText();
    assert(shown.includes(CLOSED) && !shown.includes("Waiting"), `${hash}: ${shown}`);
  }
}

try {
  const shortly = await open(`#${new URLSearchParams({ token: short, channel })}`);
  await until(shortly, () => /^\d/.test(document.querySelector('[data-metric="messages"] .value')?.textContent));
  const messages = await shortly.locator('[data-metric="messages"] .value').textContent();
  const page = await open("#");
  await isRefused(page, "Token needed", "Nothing here is open without a token.");
  await nothingIsPromised(page);
  assert.equal(page.sockets, 1);
  await page.clock.runFor(50_000);
  await until(page, () => document.querySelector("#status-text").textContent === "Token needed");
  assert.equal(page.sockets, 1, "it does not knock all the time");
  const again = page.waitForEvent("websocket");
  await page.clock.runFor(60_000);
  await again;
  await until(page, () => document.querySelector("#status-text").textContent === "Token needed");
  assert.equal(page.sockets, 2, "but now and then: the gateway may have other keys");
  assert.deepEqual(page.said, [], "nothing is said to the console that is said on the page");
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    assert.deepEqual(await faultsOf(page, `refused, ${colorScheme}`), []);
  }

  await page.evaluate((token) => { location.hash = `#token=${token}`; }, token);
  await page.locator('#status[data-state="live"]').waitFor();
  await until(page, () => document.querySelectorAll("#channel-rows tr").length > 0);
  assert.equal(page.url().includes("token"), false, "a token that comes later is taken out of the address as well");
  assert.equal(await page.locator("#closed").isVisible(), false);
  await page.evaluate(() => { location.hash = "#token="; });
  await isRefused(page, "Token needed", "Nothing here is open without a token.");
  await page.context().close();

  const phone = await open(`#token=nonsense`, { viewport: { width: 360, height: 740 }, colorScheme: "dark" });
  await isRefused(phone, "Token refused", "Your token does not count: this is no token.");
  const { left, right } = await phone.locator("#closed").evaluate((said) => said.getBoundingClientRect().toJSON());
  assert(left >= 0 && right <= 360, `${left} to ${right}`);
  assert.deepEqual(await faultsOf(phone, "refused at 360"), []);
  await phone.goto("about:blank");
  await phone.goto(`${url}#token=${expired}`);
  await isRefused(phone, "Token expired", "Your token has expired.");
  assert.deepEqual(phone.said, []);

  await isRefused(shortly, "Token expired", "Your token has expired.");
  assert.deepEqual(await texts(shortly, '[data-metric="messages"] .value'), [messages], "the last numbers stay");
  assert.deepEqual(await faultsOf(shortly, "numbers from before"), []);
  assert.deepEqual(complaints, [], "the browser complained");
  process.stdout.write("the page holds for those who may read nothing\n");
} finally {
  await browser.close();
}
process.exit(0);
