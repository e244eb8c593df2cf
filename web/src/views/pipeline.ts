/** The pipeline's own health, as far as it shows in the topics that the gateway reads and in the jobs' committed positions. */
import { byId, element, keyed, setText, setTexts } from "../dom";
import { age, count, foreignText, title } from "../format";
import type { Line } from "../connection";
import { instead } from "../select";
import type { State } from "../state";

const COLUMNS = ["Run by", "Records behind", "Slowest shard's watermark", "Newest watermark", "Last result"];
const FURTHEST_MAX = 8;

export function showPipeline(state: State, line: Line, serverNowMs: number): void {
  const health = state.health;
  const since = (micros: number | null | undefined) => (micros == null ? "–" : age(serverNowMs - micros / 1000));
  const sum = (words: Record<string, number>) => Object.values(words).reduce((all, n) => all + n, 0);
  const unreadable = sum(health?.refused ?? {});
  const reading = health === null ? "unknown" : health.trouble !== null ? "Kafka unreachable" : health.state === "catching_up" ? "catching up" : "yes";
  const ago = (micros: number | null | undefined) => (micros == null ? "–" : since(micros).replace(/( ahead)?$/, (ahead) => ahead || " ago"));
  const facts: [string, string, boolean][] = [
    ["This page", line.state === "open" ? "connected" : "not connected: all below is from before", line.state !== "open"],
    ["Gateway reads Kafka", reading, health !== null && health.state !== "live"],
    ...(health?.trouble ? [["Trouble", health.trouble, true] as [string, string, boolean]] : []),
    ["Newest event", ago(state.asOf), false],
    ["Newest watermark", ago(state.watermark), false],
    ["Newest result", ago(health?.jobs.reduce<number | null>((newest, job) => (job.computed_at === null ? newest : Math.max(newest ?? 0, job.computed_at)), null)), false],
    ["Results read", health ? count(health.results) : "–", false],
    ["Dead letters", health ? count(health.dead_letters.total) : "–", (health?.dead_letters.total ?? 0) > 0],
    ["Unreadable results", health ? count(unreadable) : "–", unreadable > 0],
  ];
  keyed(
    byId("facts"),
    facts,
    ([name]) => name,
    ([name]) => element("div", {}, element("dt", {}, name), element("dd", { "data-fact": name })),
    (made, [, value, isBad]) => {
      const said = made.lastElementChild as Element;
      setText(said, foreignText(value, 300));
      said.classList.toggle("bad", isBad);
    },
  );
  keyed(
    byId("jobs"),
    health?.jobs ?? [],
    (job) => job.job,
    () => element("tr", { role: "row" }, element("th", { role: "rowheader", scope: "row" }), ...COLUMNS.map((name) => element("td", { role: "cell", "data-label": name }))),
    (made, { job, lag, ...seen }) => {
      const members = lag === null ? "–" : lag.members === 0 ? "nobody" : `${count(lag.members)} worker${lag.members === 1 ? "" : "s"}`;
      setTexts(made, [foreignText(job, 40), members, lag === null ? "–" : count(lag.records), ago(lag?.watermark_min ?? seen.watermark_min), ago(seen.watermark), ago(seen.computed_at)]);
      made.children[1]?.classList.toggle("bad", lag?.members === 0);
    },
  );
  const jobs = health?.jobs ?? [];
  const isKnown = jobs.length > 0 && jobs.every((job) => job.lag !== null);
  showFurthest(jobs.flatMap(({ job, lag }) => (lag?.behind ?? []).map(({ shard, records }) => ({ name: `${job}, shard ${shard}`, records }))));
  setText(byId("furthest-empty"), instead(state, "health", isKnown ? "Every job has read all there is" : "Not known"));
  byId("jobs-empty").hidden = (health?.jobs.length ?? 0) > 0;
  setText(byId("jobs-empty"), instead(state, "health", "No job has written a result"));
  for (const id of ["letters-empty", "refused-empty"]) setText(byId(id), instead(state, "health", "None"));
  showReasons("letters", health?.dead_letters.by_reason ?? {});
  showReasons("refused", health?.refused ?? {});
}

function showFurthest(shards: { name: string; records: number }[]): void {
  const rows = shards.sort((a, b) => b.records - a.records || (a.name < b.name ? -1 : 1)).slice(0, FURTHEST_MAX);
  byId("furthest-empty").hidden = rows.length > 0;
  keyed(
    byId("furthest"),
    rows,
    ({ name }) => name,
    ({ name }) => element("div", {}, element("dt", {}, foreignText(name, 60)), element("dd")),
    (made, { records }) => setText(made.lastElementChild as Element, count(records)),
  );
}

function showReasons(id: string, reasons: Record<string, number>): void {
  const rows = Object.entries(reasons).sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  byId(`${id}-empty`).hidden = rows.length > 0;
  keyed(
    byId(id),
    rows,
    ([reason]) => reason,
    ([reason]) => element("div", {}, element("dt", {}, foreignText(title(reason), 60)), element("dd", { "data-reason": reason })),
    (made, [, n]) => setText(made.lastElementChild as Element, count(n)),
  );
}
