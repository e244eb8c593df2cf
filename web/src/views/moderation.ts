/**
 * The moderation queue. Always holds: what is looked for stands in the address; the counts are of what matches the other
 * filters; while the viewer is busy in the list, new flags wait above it and are counted.
 */
import { byId, element, isAimedAt, keyed, setText } from "../dom";
import { count, foreignText, title } from "../format";
import type { Flag } from "../protocol";
import { type FlagFilter, channelRows, countByRule, flagsOf, instead } from "../select";
import { FLAGS_MAX, type State } from "../state";
import { makeFlag, updateFlag } from "./flags";

const ROWS_MAX = 200;
const SUGGESTIONS_MAX = 200;

/** What was shown last, for which filter. */
let shown: Flag[] = [];
let shownFor = "";

export function startModeration(filter: () => FlagFilter, choose: (filter: FlagFilter) => void, redraw: () => void): void {
  const put = (part: Partial<FlagFilter>) => choose({ ...filter(), ...part });
  byId("flag-rules").addEventListener("click", (event) => {
    const rule = (event.target as HTMLElement).closest<HTMLElement>("button")?.dataset["rule"];
    if (rule !== undefined) put({ rule });
  });
  byId("flag-severity").addEventListener("change", (event) => put({ severity: Number((event.target as HTMLSelectElement).value) }));
  byId("flag-channel").addEventListener("input", (event) => put({ channel: (event.target as HTMLInputElement).value }));
  byId("flag-text").addEventListener("input", (event) => put({ text: (event.target as HTMLInputElement).value }));
  byId("flags-new").addEventListener("click", () => {
    shownFor = "";
    redraw();
  });
}

function setValue(id: string, value: string): void {
  const input = byId<HTMLInputElement>(id);
  if (input.value !== value) input.value = value;
}

export function showModeration(state: State, filter: FlagFilter): void {
  setValue("flag-severity", String(filter.severity));
  setValue("flag-channel", filter.channel);
  setValue("flag-text", filter.text);
  showRules(state, filter);
  showChannelSuggestions(state);

  const list = byId("flags");
  const found = flagsOf(state, filter).slice(0, ROWS_MAX);
  const isBusy = shownFor === JSON.stringify(filter) && shown.length > 0 && (isAimedAt(list) || scrollY > 0);
  if (!isBusy) {
    shown = found;
    shownFor = JSON.stringify(filter);
  }
  const above = isBusy ? found.findIndex((flag) => flag.flag_id === shown[0]?.flag_id) : 0;
  const waiting = above < 0 ? found.length : above;
  const button = byId("flags-new");
  button.classList.toggle("off", waiting === 0);
  button.toggleAttribute("disabled", waiting === 0);
  setText(button, waiting === 0 ? "Up to date" : `Show ${count(waiting)} newer`);
  byId("flags-empty").hidden = shown.length > 0;
  setText(byId("flags-empty"), instead(state, "moderation", state.flags.size > 0 ? "No flag matches" : "Nothing flagged"));
  keyed(list, shown, (flag) => flag.flag_id, (flag) => makeFlag(flag, true), updateFlag, true);
  const many = state.flags.size >= FLAGS_MAX ? `, of the newest ${count(FLAGS_MAX)}` : "";
  setText(byId("flags-note"), `${count(flagsOf(state, filter).length)} flagged${many}${shown.length === ROWS_MAX ? `; the newest ${ROWS_MAX} are listed` : ""}`);
}

function showRules(state: State, filter: FlagFilter): void {
  const others = flagsOf(state, { ...filter, rule: "" });
  const counts = countByRule(others);
  if (filter.rule !== "" && !counts.some(([rule]) => rule === filter.rule)) counts.push([filter.rule, 0]);
  keyed(
    byId("flag-rules"),
    [["", others.length] as [string, number], ...counts],
    ([rule]) => rule,
    ([rule]) => element("button", { type: "button", "data-rule": rule }, element("span", {}, rule === "" ? "All rules" : foreignText(title(rule), 40)), " ", element("span", { class: "n" })),
    (made, [rule, n]) => {
      setText(made.lastElementChild as Element, count(n));
      made.setAttribute("aria-pressed", String(rule === filter.rule));
    },
  );
}

function showChannelSuggestions(state: State): void {
  const known = new Set([...[...state.flags.values()].map((flag) => flag.channel_id), ...channelRows(state).map((row) => row.channel)]);
  keyed(byId("flag-channels"), [...known].sort().slice(0, SUGGESTIONS_MAX), (channel) => channel, (channel) => element("option", { value: channel }), () => undefined);
}
