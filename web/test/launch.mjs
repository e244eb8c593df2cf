/** What the tests in a browser share: the browser, pages that keep their complaints, waiting for a condition. */
import { existsSync, readFileSync } from "node:fs";
import { chromium } from "playwright-core";

const executablePath = process.env.OVATION_CHROMIUM ?? ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);
if (!executablePath) throw new Error("no browser: install chromium, or name one in OVATION_CHROMIUM");
const axe = readFileSync(new URL("../node_modules/axe-core/axe.min.js", import.meta.url), "utf8");

export const SHIFT_MAX = 0.02;
export const complaints = [];
/** Origins that anything was asked of. */
export const asked = new Set();

export const browser = await chromium.launch({
  executablePath,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});

/** Sums up how far things moved that the viewer did not move. */
function watchShifts() {
  window.shifted = 0;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      if (entry.hadRecentInput) continue;
      window.shifted += entry.value;
      for (const { node } of entry.sources) console.info(`shift ${entry.value.toFixed(4)} ${node?.nodeName}.${node?.className ?? ""}#${node?.id ?? ""}`);
    }
  }).observe({ type: "layout-shift", buffered: true });
}

export async function newPage(options) {
  const context = await browser.newContext({ locale: "en-GB", timezoneId: "Europe/Berlin", ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    if (message.text().startsWith("shift ") && process.env.OVATION_SHIFTS) process.stdout.write(`${message.text()}\n`);
    if (["error", "warning"].includes(message.type()) && !/ERR_CONNECTION_REFUSED|WebSocket connection/.test(message.text())) complaints.push(message.text());
  });
  page.on("request", (request) => asked.add(new URL(request.url()).origin));
  await page.addInitScript(watchShifts);
  return page;
}

export async function until(page, what, given) {
  const happened = await page.waitForFunction(what, given).catch(() => null);
  if (happened) return;
  const seen = await page.evaluate(() => `${location.hash}, scrolled to ${scrollY}, focus on ${document.activeElement?.outerHTML.slice(0, 200)}`);
  throw new Error(`never became true: ${what} (${JSON.stringify(given)}); at ${seen}`);
}

export const texts = (page, selector) => page.locator(selector).allTextContents();

/** Serious faults for those who use the page in other ways than by eye and mouse. */
export async function faultsOf(page, what) {
  await page.evaluate(`${axe}; undefined`);
  const faults = await page.evaluate(async () => {
    const { violations } = await window.axe.run(document, { preload: false, resultTypes: ["violations"] });
    return violations.filter(({ impact }) => ["serious", "critical"].includes(impact)).map(({ id, nodes }) => `${id}: ${nodes.slice(0, 4).map((node) => `${node.target} ${node.any[0]?.message ?? ""}`).join(" | ")}`);
  });
  return faults.map((fault) => `${what}: ${fault}`);
}
