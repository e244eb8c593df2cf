/**
 * The line to the gateway: keeps a WebSocket open, reconnects with jittered back-off, and resumes where it was.
 *
 * Always holds: at most one socket and one timer; silence longer than SILENCE_MS ends the socket (a dead line looks
 * like a quiet one otherwise); what may not be read is left out, not refused. Does not know: what the frames mean, beyond their ids.
 */
import type { Frame, Selector } from "./protocol";

export const SILENCE_MS = 15_000;
const BACK_OFF_MIN_MS = 500;
const BACK_OFF_MAX_MS = 15_000;

export type Line = { state: "connecting" } | { state: "open" } | { state: "waiting"; untilMs: number };

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

  constructor(
    private readonly url: string,
    private readonly token: string | null,
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

  /** Ends a wait. */
  retryNow(): void {
    if (this.timer === undefined) return;
    clearTimeout(this.timer);
    this.timer = undefined;
    this.open();
  }

  private ask(): void {
    const resume = this.isResumable ? this.lastId() : null;
    this.socket?.send(JSON.stringify({ subscribe: this.selectors, partial: true, ...(resume === null ? {} : { resume }) }));
  }

  private open(): void {
    this.onLine({ state: "connecting" });
    const socket = new WebSocket(this.url, this.token === null ? ["ovation"] : ["ovation", `bearer.${this.token}`]);
    this.socket = socket;
    this.listen(socket);
    socket.onopen = () => {
      this.onLine({ state: "open" });
      this.ask();
    };
    socket.onmessage = (message: MessageEvent<string>) => {
      this.listen(socket);
      const frame = JSON.parse(message.data) as Frame;
      if (frame.type === "snapshot" || frame.type === "resumed") {
        this.attempt = 0;
        if (frame.type === "resumed" || frame.is_last) this.isResumable = true;
      }
      this.onFrame(frame);
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
    const waitMs = backOffMs(this.attempt, Math.random());
    this.attempt += 1;
    this.onLine({ state: "waiting", untilMs: Date.now() + waitMs });
    this.timer = setTimeout(() => {
      this.timer = undefined;
      this.open();
    }, waitMs);
  }
}
