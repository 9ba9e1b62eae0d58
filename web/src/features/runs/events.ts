// Live events of a run: a stream that the browser continues after an interruption.
import { useEffect, useMemo, useSyncExternalStore } from "react";

import { asObject, asString, type JsonObject } from "../../api/json";
import type { Schemas } from "../../api/problem";

export interface RunEvent {
  sequence: number;
  kind: Schemas["EventKind"];
  attempt: number | undefined;
  at: string;
  payload: JsonObject;
}

export interface RunEvents {
  events: readonly RunEvent[];
  /** `broken`: the browser is reconnecting, and what is shown may be old. */
  connection: "connecting" | "open" | "broken" | "ended";
}

const KINDS: readonly Schemas["EventKind"][] = ["state", "phase", "metric", "log", "checkpoint", "end"];
const BATCH_MILLIS = 100;
const REOPEN_MILLIS = 3_000;
// EventSource.CLOSED
const CLOSED = 2;

export class RunEventStore {
  private snapshot: RunEvents = { events: [], connection: "connecting" };
  private readonly listeners = new Set<() => void>();
  private source: EventSource | undefined;
  private pending: RunEvent[] = [];
  private timer: ReturnType<typeof setTimeout> | undefined;
  private reopening: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly url: string,
    private readonly onChange: (kind: Schemas["EventKind"]) => void,
  ) {}

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    if (this.source === undefined && this.snapshot.connection !== "ended") this.open();
    return () => {
      this.listeners.delete(listener);
      if (this.listeners.size === 0) this.close();
    };
  };

  /** Follows a run that goes on after its end, because it is retried. */
  reopen(): void {
    if (this.snapshot.connection !== "ended" || this.listeners.size === 0) return;
    this.update({ ...this.snapshot, connection: "connecting" });
    this.open();
  }

  readonly getSnapshot = (): RunEvents => this.snapshot;

  private open(): void {
    const last = this.snapshot.events.at(-1)?.sequence;
    const source = new EventSource(last === undefined ? this.url : `${this.url}?after=${String(last)}`);
    this.source = source;
    source.addEventListener("open", () => {
      this.update({ ...this.snapshot, connection: "open" });
    });
    source.addEventListener("error", () => {
      this.flush();
      // the server closes the stream when the run has ended; a retried run has an earlier `end` as well
      if (this.snapshot.events.at(-1)?.kind === "end") {
        this.close();
        this.update({ ...this.snapshot, connection: "ended" });
        return;
      }
      this.update({ ...this.snapshot, connection: "broken" });
      // the browser reconnects by itself, except after an error response
      if (source.readyState === CLOSED) this.reopenLater(source);
    });
    for (const kind of KINDS) {
      source.addEventListener(kind, (message: MessageEvent<string>) => {
        this.receive(kind, message.data);
      });
    }
  }

  private reopenLater(failed: EventSource): void {
    clearTimeout(this.reopening);
    this.reopening = setTimeout(() => {
      if (this.source === failed) this.open();
    }, REOPEN_MILLIS);
  }

  private receive(kind: Schemas["EventKind"], data: string): void {
    const event = parseEvent(kind, data);
    if (event === undefined) return;
    this.pending.push(event);
    if (kind === "end") {
      this.flush();
    } else {
      this.timer ??= setTimeout(() => {
        this.flush();
      }, BATCH_MILLIS);
    }
  }

  /** Many events are one change of the page. */
  private flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    let last = this.snapshot.events.at(-1)?.sequence ?? -1;
    const fresh: RunEvent[] = [];
    for (const event of this.pending) {
      if (event.sequence <= last) continue;
      fresh.push(event);
      last = event.sequence;
    }
    this.pending = [];
    if (fresh.length === 0) return;
    this.update({ ...this.snapshot, events: [...this.snapshot.events, ...fresh] });
    for (const kind of new Set(fresh.map((event) => event.kind))) this.onChange(kind);
  }

  private close(): void {
    clearTimeout(this.reopening);
    this.source?.close();
    this.source = undefined;
  }

  private update(next: RunEvents): void {
    this.snapshot = next;
    for (const listener of this.listeners) listener();
  }
}

export function parseEvent(kind: Schemas["EventKind"], data: string): RunEvent | undefined {
  let json: JsonObject;
  try {
    json = asObject(JSON.parse(data));
  } catch {
    return undefined;
  }
  const sequence = json["sequence"];
  if (typeof sequence !== "number") return undefined;
  const attempt = json["attempt_number"];
  return {
    sequence,
    kind,
    attempt: typeof attempt === "number" ? attempt : undefined,
    at: asString(json["occurred_at"]) ?? "",
    payload: asObject(json["payload"]),
  };
}

/** One stream per page: `onChange` gets the kinds that have arrived. */
export function useRunEvents(id: string, hasEnded: boolean, onChange: (kind: Schemas["EventKind"]) => void): RunEvents {
  const store = useMemo(() => new RunEventStore(`/v1/training-runs/${encodeURIComponent(id)}/events`, onChange), [id, onChange]);
  useEffect(() => {
    if (!hasEnded) store.reopen();
  }, [store, hasEnded]);
  return useSyncExternalStore(store.subscribe, store.getSnapshot);
}
