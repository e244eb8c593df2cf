import { describe, expect, test } from "vitest";
import { age, change, count, decimal, duration, foreignText, length, percent, price, rate, title, windowName } from "./format";

test("decimals are grouped and cut without going through a float", () => {
  expect(decimal("1234567.8900")).toBe("1,234,567.89");
  expect(decimal("12345678901234567890.123456789", 4)).toBe("12,345,678,901,234,567,890.1234");
  expect(decimal("-1000")).toBe("-1,000");
  expect(decimal("0.00001234", 2)).toBe("0");
  expect(decimal("nonsense")).toBe("nonsense");
});

test("numbers that are not there are a dash", () => {
  expect([rate(null), percent(null)]).toEqual(["–", "–"]);
  expect([rate(3.14159), rate(1234.5), percent(0.0123), count(1e6)]).toEqual(["3.1", "1,235", "1.23 %", "1,000,000"]);
});

test("lengths of time take their largest sensible unit, and ahead is not zero", () => {
  expect([duration(250), duration(1_500), duration(61_000), duration(3_660_000), duration(90_000_000_000)]).toEqual(["250 ms", "1.5 s", "1 min 1 s", "1 h 1 min", "1,041 d"]);
  expect([age(-400), age(-2_000), age(2_000)]).toEqual(["0 ms", "2.0 s ahead", "2.0 s"]);
});

test("changes have their sign, but for none; prices have the digits that say something", () => {
  expect([change(0.0123), change(-0.5), change(0.00001), change(-0.00001), change(null)]).toEqual(["+1.23 %", "−50.00 %", "0.00 %", "0.00 %", "–"]);
  expect([price(61837.6349), price(2.00015), price(0.00001234)]).toEqual(["61,837.63", "2.0001", "0.00001234"]);
  expect([length(1), length(90), length(300), length(3_600), length(86_400)]).toEqual(["1 s", "90 s", "5 min", "1 h", "1 d"]);
});

test("names for people", () => {
  expect(title("top_chatters")).toBe("Top chatters");
  expect(windowName("rolling", 0, 300e6)).toBe("Last 5 min");
  expect(windowName("tumbling", 0, 3_600e6)).toBe("1 h");
  expect(windowName("session", 0, 637e6)).toBe("Session");
  expect(windowName("all_time", null, null)).toBe("All time");
});

describe("strangers' text", () => {
  test("stays as it is where it is harmless, markup included", () => {
    for (const text of ["hello", "<img src=x onerror=alert(1)>", "é ñ 日本 שלום 👩‍👩‍👧", "a\u0301b"]) expect(foreignText(text)).toBe(text);
  });
  test("shows what would act on the page or turn it around", () => {
    expect(foreignText("a\u0000b\u001b[31m\u007f\u202ec\u2066")).toBe("a⟨U+0000⟩b⟨U+001B⟩[31m⟨U+007F⟩⟨U+202E⟩c⟨U+2066⟩");
    expect(foreignText("two\nlines\tof")).toBe("two lines of");
  });
  test("is bounded in height and length", () => {
    expect(foreignText(`x${"\u0301".repeat(10_000)}y`)).toBe(`x${"\u0301".repeat(3)}y`);
    expect(foreignText("😀".repeat(600))).toBe(`${"😀".repeat(500)}…`);
    expect(foreignText("x".repeat(500))).toBe("x".repeat(500));
  });
});
