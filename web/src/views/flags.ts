/** One flagged message as a row. Always holds: what a stranger wrote is shown as text, and bounded. */
import { element, setTime } from "../dom";
import { foreignText, instant, title } from "../format";
import type { Flag } from "../protocol";
import { toChannel } from "../route";

function severity(level: number): HTMLElement {
  const bars = [1, 2, 3, 4].map((step) => element("i", step <= level ? { class: "on" } : {}));
  return element("span", { class: "severity", role: "img", "data-level": String(level), "aria-label": `severity ${level} of 4`, title: `severity ${level} of 4` }, ...bars);
}

export function makeFlag(flag: Flag, withChannel: boolean): HTMLElement {
  const who = foreignText(flag.user_name ?? flag.user_id ?? "anonymous", 60);
  const channel = element("a", { class: "where", href: toChannel(flag.channel_id) }, element("bdi", {}, foreignText(flag.channel_id, 80)));
  return element(
    "li",
    {},
    element("time"),
    element("div", { class: "rule" }, severity(flag.severity), element("b", {}, foreignText(title(flag.rule), 40)), element("span", { class: "category" }, foreignText(flag.category, 40))),
    element(
      "div",
      { class: "said" },
      element("div", {}, element("bdi", { class: "who" }, who), element("bdi", { class: "foreign", dir: "auto" }, foreignText(flag.text))),
      element("div", { class: "evidence" }, withChannel ? channel : null, `${Math.round(flag.score * 100)} % sure: `, element("bdi", {}, foreignText(flag.evidence, 200))),
    ),
    element("span", { class: "action", "data-action": flag.suggested_action }, flag.suggested_action === "none" ? "No action" : foreignText(title(flag.suggested_action), 40)),
  );
}

/** The time of day becomes a date when a day has passed. */
export function updateFlag(made: HTMLElement, flag: Flag): void {
  setTime(made.querySelector("time") as Element, flag.event_time, instant(flag.event_time, Date.now()));
}
