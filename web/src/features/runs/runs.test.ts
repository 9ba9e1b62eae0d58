import { expect, test } from "vitest";

import type { Schemas } from "../../api/problem";
import { bestCoverage } from "../../charts/coverage-chart";
import { parseEvent, RunEventStore } from "./events";
import { mergeRuns } from "../run-list/merge-runs";
import { fieldSummaries, orderConfusion, reliability } from "../metrics/metrics";
import { phaseSteps, remainingSeconds } from "./phase-stepper";
import { forEachRun } from "./queries";
import type { TrainingRun } from "./status";

const run = (id: string, created_at: string, status = "queued") => ({ id, created_at, status });

test("live rows update the listed ones and put new ones first", () => {
  const listed = [run("b", "2026-01-02"), run("a", "2026-01-01")];
  const live = [run("c", "2026-01-03"), run("b", "2026-01-02", "running")];
  expect(mergeRuns(listed, live)).toEqual({
    rows: [run("c", "2026-01-03"), run("b", "2026-01-02", "running"), run("a", "2026-01-01")],
    held: 0,
  });
});

test("rows do not move while the pointer is over them", () => {
  const listed = [run("b", "2026-01-02")];
  const live = [run("c", "2026-01-03"), run("b", "2026-01-02", "running")];
  const merged = mergeRuns(listed, live, new Set(["b"]));
  expect(merged.rows.map((row) => row.id)).toEqual(["b"]);
  expect(merged.held).toBe(1);
});

function metric(name: string, value: number | null, details: object | null = null): Schemas["Metric"] {
  return {
    name,
    value,
    details: details as Record<string, never> | null,
    field: "law",
    split: "test",
    step: 0,
    attempt_number: 1,
    recorded_at: "",
  };
}

test("a field is summed up with its interval and n", () => {
  const [summary] = fieldSummaries([
    metric("accuracy", 0.8, { interval: { low: 0.7, high: 0.9 } }),
    metric("n", 63),
    metric("majority_baseline", 0.4),
  ]);
  expect(summary).toMatchObject({ field: "law", accuracy: 0.8, interval: { low: 0.7, high: 0.9 }, n: 63, baseline: 0.4 });
});

test("labels with the most errors come first, and the rest is one group", () => {
  const ordered = orderConfusion(
    {
      labels: ["a", "b", null],
      counts: [
        [5, 0, 1],
        [0, 9, 0],
        [4, 0, 2],
      ],
    },
    2,
  );
  expect(ordered.labels).toEqual(["a", undefined]);
  expect(ordered.counts.flat().reduce((sum, count) => sum + count, 0)).toBe(21);
});

test("bins of confidence hold every example of the curve", () => {
  const bins = reliability(
    [
      { threshold: 0.95, coverage: 0.25, accuracy: 1 },
      { threshold: 0.91, coverage: 0.5, accuracy: 0.5 },
      { threshold: 0.41, coverage: 0.75, accuracy: 2 / 3 },
      { threshold: 0.22, coverage: 1, accuracy: 0.5 },
    ],
    4,
  );
  expect(bins.map((bin) => [bin.low, bin.count, bin.accuracy])).toEqual([
    [0.2, 1, 0],
    [0.4, 1, 1],
    [0.9, 2, 0.5],
  ]);
});

test("the best coverage is the widest that keeps the accuracy", () => {
  const points = [
    { threshold: 0.9, coverage: 0.2, accuracy: 1 },
    { threshold: 0.8, coverage: 0.5, accuracy: 0.96 },
    { threshold: 0.5, coverage: 1, accuracy: 0.8 },
  ];
  expect(bestCoverage(points, 0.95)?.coverage).toBe(0.5);
  expect(bestCoverage(points, 1.1)).toBeUndefined();
});

test("phases have the times of the last attempt", () => {
  const last = { kind: "linear", dataset_only: false, attempt_number: 2, status: "running" } as TrainingRun;
  const phase = (sequence: number, attempt: number, at: string, name: string) => ({
    sequence,
    kind: "phase" as const,
    attempt,
    at,
    payload: { phase: name },
  });
  const steps = phaseSteps(
    last,
    [
      phase(1, 1, "2026-01-01T00:00:00Z", "dataset"),
      phase(2, 2, "2026-01-01T00:01:00Z", "dataset"),
      phase(3, 2, "2026-01-01T00:01:05Z", "train"),
    ],
    Date.parse("2026-01-01T00:01:15Z"),
  );
  expect(steps.map((step) => [step.phase, step.state, step.seconds])).toEqual([
    ["dataset", "done", 5],
    ["train", "running", 10],
    ["evaluate", "waiting", undefined],
    ["upload", "waiting", undefined],
    ["publish", "waiting", undefined],
  ]);
});

test("the remaining time is shown only when progress says enough", () => {
  expect(remainingSeconds(10, 0.5)).toBe(10);
  expect(remainingSeconds(10, 0.01)).toBeUndefined();
  expect(remainingSeconds(undefined, 0.5)).toBeUndefined();
});

test("an event that is no JSON is left out", () => {
  expect(parseEvent("log", "{")).toBeUndefined();
  expect(parseEvent("log", '{"sequence":3,"occurred_at":"x","payload":{"text":"hello"}}')).toEqual({
    sequence: 3,
    kind: "log",
    attempt: undefined,
    at: "x",
    payload: { text: "hello" },
  });
});

test("a stream shows events once, reports a break, ends with the run, and goes on after a retry", () => {
  const sources: FakeSource[] = [];
  class FakeSource extends EventTarget {
    closed = false;
    constructor(readonly url: string) {
      super();
      sources.push(this);
    }
    close(): void {
      this.closed = true;
    }
  }
  globalThis.EventSource = FakeSource as unknown as typeof EventSource;
  const kinds: string[] = [];
  const store = new RunEventStore("/events", (kind) => kinds.push(kind));
  store.subscribe(() => undefined);
  const [source] = sources;
  const send = (kind: string, sequence: number): void => {
    source?.dispatchEvent(new MessageEvent(kind, { data: JSON.stringify({ sequence, occurred_at: "x", payload: {} }) }));
  };
  source?.dispatchEvent(new Event("open"));
  send("state", 1);
  source?.dispatchEvent(new Event("error"));
  expect(store.getSnapshot().connection).toBe("broken");
  send("state", 1);
  send("end", 2);
  expect(store.getSnapshot().connection).not.toBe("ended");
  send("state", 3);
  send("end", 4);
  source?.dispatchEvent(new Event("error"));
  expect(store.getSnapshot().events.map((event) => event.sequence)).toEqual([1, 2, 3, 4]);
  expect(store.getSnapshot().connection).toBe("ended");
  expect(source?.closed).toBe(true);
  expect(kinds).toContain("end");
  store.reopen();
  expect(sources[1]?.url).toBe("/events?after=4");
});

test("one run that cannot be changed costs only itself", async () => {
  const result = await forEachRun(["a", "b", "c"], (id) => (id === "b" ? Promise.reject(new Error("no")) : Promise.resolve()));
  expect(result.done).toBe(2);
  expect(result.failures.map((failure) => failure.id)).toEqual(["b"]);
});
