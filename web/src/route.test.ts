import { expect, test } from "vitest";
import { address, parse, type Route } from "./route";
import { ALL_FLAGS } from "./select";

test("every route survives its address, whatever names are in it", () => {
  const routes: Route[] = [
    { view: "overview" },
    { view: "channel", channel: "twitch:a&market=x#%2F <b>é" },
    { view: "markets", market: null, intervalS: null },
    { view: "markets", market: "binance:BTC/USDT", intervalS: 300 },
    { view: "moderation", filter: ALL_FLAGS },
    { view: "moderation", filter: { rule: "terms", severity: 3, channel: "a=b", text: "x & y" } },
    { view: "pipeline" },
  ];
  for (const route of routes) expect(parse(address(route))).toEqual(route);
});

test("what an address does not say is not chosen", () => {
  expect(parse("")).toEqual({ view: "overview" });
  expect(parse("#nonsense")).toEqual({ view: "overview" });
  expect(parse("#market=m&interval=-5")).toEqual({ view: "markets", market: "m", intervalS: null });
  expect(parse("#flags&severity=99")).toEqual({ view: "moderation", filter: { ...ALL_FLAGS, severity: 4 } });
});
