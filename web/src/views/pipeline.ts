/** The pipeline's own health, as far as it shows in the topics that the gateway reads. */
import { byId, element, keyed, setText, setTexts } from "../dom";
import { age, count, foreignText, title } from "../format";
import type { Line } from "../connection";
import { instead } from "../select";
import type { State } from "../state";

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
    ["Newest result", ago(health && health.jobs.length ? Math.max(...health.jobs.map((job) => job.computed_at)) : null), false],
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
    () => element("tr", {}, element("th", { scope: "row" }), ...[1, 2, 3, 4].map(() => element("td"))),
    (made, job) => setTexts(made, [foreignText(job.job, 40), count(job.shards), since(job.watermark_min), since(job.watermark), since(job.computed_at)]),
  );
  byId("jobs-empty").hidden = (health?.jobs.length ?? 0) > 0;
  setText(byId("jobs-empty"), instead(state, "health", "No job has written a result"));
  for (const id of ["letters-empty", "refused-empty"]) setText(byId(id), instead(state, "health", "None"));
  showReasons("letters", health?.dead_letters.by_reason ?? {});
  showReasons("refused", health?.refused ?? {});
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
