/**
 * The example of the documentation on a page of somebody else: `node example.mjs PAGE`. What it is to show first is `before`; when
 * `PAGE/next` is asked for, it is `after`.
 */
import assert from "node:assert/strict";
import { asked, browser, complaints, newPage, until } from "./launch.mjs";

const [url] = process.argv.slice(2);
const says = (page, text) => until(page, (text) => document.querySelector("#first").textContent === text, text);

try {
  const page = await newPage({});
  await page.goto(url);
  await says(page, "before");
  assert.equal((await fetch(`${url}next`)).status, 200);
  await says(page, "after");
  assert.deepEqual([...asked], [new URL(url).origin]);
  assert.deepEqual(complaints, [], "the browser complained");
  process.stdout.write("the example holds\n");
} finally {
  await browser.close();
}
process.exit(0);
