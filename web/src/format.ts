/**
 * Values as text for people. No DOM. Text of others is made harmless to the eye here; that it is never markup is the
 * business of dom.ts, which only ever sets textContent.
 */

const integers = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

export function count(value: number): string {
  return integers.format(value);
}

/** A decimal string with grouped digits, at most `digits` after the point; never through a float. */
export function decimal(text: string, digits = 2): string {
  const match = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text);
  if (!match) return text;
  const [, sign = "", whole = "0", fraction = ""] = match;
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  const kept = fraction.slice(0, digits).replace(/0+$/, "");
  return sign + grouped + (kept ? `.${kept}` : "");
}

export function rate(value: number | null): string {
  return value === null ? "–" : value >= 100 ? count(value) : value.toFixed(1);
}

/** A price that was computed: as many digits as say something. */
export function price(value: number): string {
  return decimal(value.toFixed(8), value >= 100 ? 2 : value >= 1 ? 4 : 8);
}

/** A ratio as a change with its sign. */
export function change(ratio: number | null): string {
  if (ratio === null) return "–";
  const text = `${(Math.abs(ratio) * 100).toFixed(2)} %`;
  return text === "0.00 %" ? text : `${ratio < 0 ? "−" : "+"}${text}`;
}

export function percent(ratio: number | null): string {
  return ratio === null ? "–" : `${(ratio * 100).toFixed(2)} %`;
}

/** A length of time in its largest sensible unit. */
export function duration(ms: number): string {
  const abs = Math.abs(ms);
  if (abs < 1_000) return `${Math.round(ms)} ms`;
  if (abs < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  if (abs < 3_600_000) return `${Math.floor(ms / 60_000)} min ${Math.floor((abs % 60_000) / 1_000)} s`;
  if (abs < 86_400_000) return `${Math.floor(ms / 3_600_000)} h ${Math.floor((abs % 3_600_000) / 60_000)} min`;
  return `${count(Math.floor(ms / 86_400_000))} d`;
}

/** How long ago, or how far ahead of the clock: recorded clocks really do run ahead. */
export function age(ms: number): string {
  return ms <= -1_000 ? `${duration(-ms)} ahead` : duration(Math.max(0, ms));
}

/** Hours and minutes watched. */
export function watchTime(ms: number): string {
  const hours = ms / 3_600_000;
  return hours >= 10 ? `${count(hours)} h` : hours >= 1 ? `${hours.toFixed(1)} h` : `${Math.round(ms / 60_000)} min`;
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
const dayAndClock = new Intl.DateTimeFormat(undefined, {
  year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false,
});

/** An instant in the viewer's zone: the time of day, with the date if it is not of the last day. */
export function instant(micros: number, nowMs: number): string {
  const ms = micros / 1000;
  if (!Number.isFinite(new Date(ms).getTime())) return "–";
  return Math.abs(nowMs - ms) < 86_400_000 ? clock.format(ms) : dayAndClock.format(ms);
}

/** top_chatters → Top chatters */
export function title(name: string): string {
  const words = name.replace(/[_-]+/g, " ").trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** A span that was chosen, in the largest unit that it is a whole number of. */
export function length(seconds: number): string {
  const [size, unit] = seconds % 86_400 === 0 ? [86_400, "d"] : seconds % 3_600 === 0 ? [3_600, "h"] : seconds % 60 === 0 ? [60, "min"] : [1, "s"];
  return `${seconds / Number(size)} ${unit}`;
}

/** How a board's window is called. */
export function windowName(window: string, start: number | null, end: number | null): string {
  if (start === null || end === null) return window === "all_time" ? "All time" : title(window);
  const seconds = Math.round((end - start) / 1e6);
  if (window === "session") return "Session";
  const span = length(seconds);
  return window === "rolling" ? `Last ${span}` : span;
}

const MARKS_IN_A_ROW_MAX = 3;

/**
 * Text of a stranger, safe to show in one place: control characters, and those that turn the direction of text around,
 * are shown as what they are; heaps of combining marks are cut to three; the length is bounded.
 */
export function foreignText(text: string, charactersMax = 500): string {
  let shown = "";
  let characters = 0;
  let marks = 0;
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    marks = /\p{M}/u.test(character) ? marks + 1 : 0;
    if (marks > MARKS_IN_A_ROW_MAX) continue;
    if (characters === charactersMax) return `${shown}…`;
    characters += 1;
    if (code === 0x0a || code === 0x0d || code === 0x09) shown += " ";
    else if (isInvisibleControl(code)) shown += `⟨U+${code.toString(16).toUpperCase().padStart(4, "0")}⟩`;
    else shown += character;
  }
  return shown;
}

/** C0 and C1 controls, and those that turn the direction of text. */
function isInvisibleControl(code: number): boolean {
  return code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}
