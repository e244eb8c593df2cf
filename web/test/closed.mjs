/**
 * The page for those who may read nothing: `node closed.mjs URL SECRET CHANNEL`, at a gateway that is closed without a token and has the
 * key `k`. Every wait is for a condition.
 */
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { browser, complaints, faultsOf, newPage, texts, until } from "./launch.mjs";

const [url, secret, channel] = process.argv.slice(2);
/** What the gateway adds to the life of a token. */
const LEEWAY_S = 30;
const CLOSED = "Not open to you";
const HASHES = ["#", `#${new URLSearchParams({ channel })}`, "#market=", "#flags", "#pipeline"];

/** A token for everything that stops to count this many seconds from now. */
function token(seconds) {
  const part = (json) => Buffer.from(JSON.stringify(json)).toString("base64url");
  const text = `${part({ alg: "HS256", kid: "k" })}.${part({ read: "*", exp: Math.floor(Date.now() / 1000) + seconds - LEEWAY_S })}`;
  return `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
}

async function open(hash, options = {}) {
  const page = await newPage({ viewport: { width: 1440, height: 900 }, ...options });
  page.sockets = 0;
  page.said = [];
  page.on("websocket", () => (page.sockets += 1));
  page.on("console", (message) => !message.text().startsWith("shift ") && page.said.push(message.text()));
  await page.clock.install();
  await page.addInitScript(() => { window.startedMs = Date.now(); });
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
  const page = await open("#");
  await isRefused(page, "Token needed", "Nothing here is open without a token.");
  await nothingIsPromised(page);
  const knocksSeldom = async () => {
    await until(page, () => document.querySelector("#status-text").textContent === "Token needed");
    const minutes = await page.evaluate(() => (Date.now() - window.startedMs) / 60_000);
    assert(page.sockets <= 1 + Math.floor(minutes), `${page.sockets} sockets in ${minutes} minutes`);
  };
  await knocksSeldom();
  const again = page.waitForEvent("websocket");
  await page.clock.fastForward(50_000); // a jump, so that no socket is given up for a silence that it had no time to break
  await knocksSeldom();
  await page.clock.fastForward(60_000);
  await again; // the gateway may have other keys by now
  await knocksSeldom();
  assert.deepEqual(page.said, [], "nothing is said to the console that is said on the page");
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    assert.deepEqual(await faultsOf(page, `refused, ${colorScheme}`), []);
  }

  await page.evaluate((token) => { location.hash = `#token=${token}`; }, token(600));
  await page.locator('#status:is([data-state="live"], [data-state="behind"])').waitFor();
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
  await phone.goto(`${url}#token=${token(-60)}`);
  await isRefused(phone, "Token expired", "Your token has expired.");
  assert.deepEqual(phone.said, []);


  const shortly = await open(`#${new URLSearchParams({ token: token(600), channel })}`);
  await until(shortly, () => /^\d/.test(document.querySelector('[data-metric="messages"] .value')?.textContent));
  const messages = await shortly.locator('[data-metric="messages"] .value').textContent();
  await shortly.evaluate((hash) => { location.hash = hash; }, `#${new URLSearchParams({ token: token(3), channel })}`);
  await isRefused(shortly, "Token expired", "Your token has expired.");
  assert.deepEqual(await texts(shortly, '[data-metric="messages"] .value'), [messages], "the last numbers stay");
  assert.deepEqual(await faultsOf(shortly, "numbers from before"), []);
  assert.deepEqual(complaints, [], "the browser complained");
  process.stdout.write("the page holds for those who may read nothing\n");
} finally {
  await browser.close();
}
process.exit(0);
