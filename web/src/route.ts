/**
 * Where the viewer is, as the address says it: `#` (all channels), `#channel=…`, `#market=…&interval=60`,
 * `#flags&rule=…`, `#pipeline`. No DOM. Always holds: `parse(address(route))` is the route.
 */
import type { FlagFilter } from "./select";

export type Route =
  | { view: "overview" }
  | { view: "channel"; channel: string }
  | { view: "markets"; market: string | null; intervalS: number | null }
  | { view: "moderation"; filter: FlagFilter }
  | { view: "pipeline" };

export function parse(hash: string): Route {
  const parameters = new URLSearchParams(hash.replace(/^#/, ""));
  const text = (name: string) => parameters.get(name) ?? "";
  const whole = (name: string) => (/^\d{1,9}$/.test(text(name)) ? Number(text(name)) : 0);
  if (text("channel") !== "") return { view: "channel", channel: text("channel") };
  if (parameters.has("market")) return { view: "markets", market: text("market") || null, intervalS: whole("interval") || null };
  if (parameters.has("flags")) {
    return { view: "moderation", filter: { rule: text("rule"), severity: Math.min(4, whole("severity")), channel: text("of"), text: text("text") } };
  }
  return { view: parameters.has("pipeline") ? "pipeline" : "overview" };
}

export function address(route: Route): string {
  const parameters = new URLSearchParams();
  const put = (name: string, value: string | number | null) => {
    if (value !== null && value !== "" && value !== 0) parameters.set(name, String(value));
  };
  switch (route.view) {
    case "overview":
      return "#";
    case "pipeline":
      return "#pipeline";
    case "channel":
      put("channel", route.channel);
      break;
    case "markets":
      parameters.set("market", route.market ?? "");
      put("interval", route.intervalS);
      break;
    case "moderation":
      put("rule", route.filter.rule);
      put("severity", route.filter.severity);
      put("of", route.filter.channel);
      put("text", route.filter.text);
      return `#flags${parameters.size > 0 ? "&" : ""}${parameters.toString()}`;
  }
  return `#${parameters.toString()}`;
}

export function toChannel(channel: string): string {
  return address({ view: "channel", channel });
}

export function toMarket(market: string, intervalS: number | null): string {
  return address({ view: "markets", market, intervalS });
}
