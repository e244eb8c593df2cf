/**
 * The line to the gateway: keeps a WebSocket open, reconnects with jittered back-off, and resumes where it was.
 *
 * Always holds: at most one socket and one timer; silence longer than SILENCE_MS ends the socket (a dead line looks
 * like a quiet one otherwise); what may not be read is left out, not refused. Whoever may read nothing at all is refused, and asks
 * again only now and then, until there is another token. The token goes in the message, because a browser does not tell a page why
 * a handshake failed. Does not know: what the frames mean, beyond their ids and why a line was refused.
 */
import type { Frame, Selector } from "./protocol";

export const SILENCE_MS = 15_000;
const BACK_OFF_MIN_MS = 500;
const BACK_OFF_MAX_MS = 15_000;
/** What only another token helps against, or a gateway with other keys. */
const REFUSALS = ["unauthorized", "invalid_token", "token_expired"];
export const REFUSED_WAIT_MS = 60_000;

export type Line = { state: "connecting" } | { state: "open" } | { state: "waiting"; untilMs: number } | { state: "refused"; code: string; message: string };

/** How long to wait before attempt number `attempt` (from 0); `random` is in [0, 1). */
export function backOffMs(attempt: number, random: number): number {
  const ceiling = Math.min(BACK_OFF_MAX_MS, BACK_OFF_MIN_MS * 2 ** Math.min(attempt, 10));
  return ceiling / 2 + (ceiling / 2) * random;
}

export class Connection {
  private socket: WebSocket | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private silence: ReturnType<typeof setTimeout> | undefined;
  private attempt = 0;
  private selectors: Selector[] = [];
  /** True if the last frames belong to `selectors`, so that their id may be resumed from. */
  private isResumable = false;
  /** Why the gateway ends this socket. */
  private refusal: { code: string; message: string } | null = null;
  private line: Line = { state: "connecting" };

  constructor(
    private readonly url: string,
    private token: string | null,
    private readonly lastId: () => string | null,
    private readonly onFrame: (frame: Frame) => void,
    private readonly onLine: (line: Line) => void,
  ) {
    addEventListener("online", () => this.retryNow());
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") this.retryNow();
    });
  }

  /** From now on this is wanted. The answer is a fresh snapshot. */
  subscribe(selectors: Selector[]): void {
    this.selectors = selectors;
    this.isResumable = false;
    if (this.socket?.readyState === WebSocket.OPEN) this.ask();
    else if (!this.socket && this.timer === undefined) this.open();
  }

  /** From now on with these rights: a new socket, and a fresh snapshot. */
  useToken(token: string | null): void {
    this.token = token;
    this.isResumable = false;
    this.refusal = null;
    this.attempt = 0;
    this.say({ state: "connecting" });
    const socket = this.socket;
    if (socket) {
      socket.close();
      this.closed(socket);
    }
    this.retryNow();
  }

  /** Ends a wait. */
  retryNow(): void {
    if (this.timer === undefined) return;
    clearTimeout(this.timer);
    this.timer = undefined;
    this.open();
  }

  private say(line: Line): void {
    this.line = line;
    this.onLine(line);
  }

  private ask(): void {
    const resume = this.isResumable ? this.lastId() : null;
    const token = this.token;
    this.socket?.send(JSON.stringify({ subscribe: this.selectors, partial: true, ...(token === null ? {} : { token }), ...(resume === null ? {} : { resume }) }));
  }

  private open(): void {
    if (this.line.state !== "refused") this.say({ state: "connecting" });
    const socket = new WebSocket(this.url);
    this.socket = socket;
    this.refusal = null;
    this.listen(socket);
    socket.onopen = () => {
      if (this.line.state !== "refused") this.say({ state: "open" });
      this.ask();
    };
    socket.onmessage = (message: MessageEvent<string>) => {
      this.listen(socket);
      const frame = JSON.parse(message.data) as Frame;
      if (frame.type === "snapshot" || frame.type === "resumed") {
        this.attempt = 0;
        if (this.line.state === "refused") this.say({ state: "open" });
        if (frame.type === "resumed" || frame.is_last) this.isResumable = true;
      }
      if (frame.type === "error" && REFUSALS.includes(frame.code)) this.refusal = frame;
      else this.onFrame(frame);
    };
    socket.onclose = () => this.closed(socket);
  }

  private listen(socket: WebSocket): void {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => {
      socket.close();
      this.closed(socket); // a dead line takes long to notice that it was closed
    }, SILENCE_MS);
  }

  private closed(socket: WebSocket): void {
    if (this.socket !== socket) return;
    this.socket = null;
    socket.onopen = socket.onmessage = socket.onclose = null;
    clearTimeout(this.silence);
    const waitMs = this.refusal ? REFUSED_WAIT_MS * (1 + Math.random() / 4) : backOffMs(this.attempt, Math.random());
    this.attempt += 1;
    if (this.refusal) this.say({ state: "refused", code: this.refusal.code, message: this.refusal.message });
    else this.say({ state: "waiting", untilMs: Date.now() + waitMs });
    this.timer = setTimeout(() => {
      this.timer = undefined;
      this.open();
    }, waitMs);
  }
}
