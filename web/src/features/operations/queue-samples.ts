// Samples of the queue that this browser tab has read. They outlive the page, not the tab.
import { useSyncExternalStore } from "react";

import type { Schemas } from "../../api/problem";

export interface QueueSample {
  at: number;
  waiting: number;
  running: number;
  oldest: number;
}

const LIMIT = 600;

/** The samples with one more; one of the same moment, or an older one, changes nothing. */
export function withSample(samples: readonly QueueSample[], sample: QueueSample, limit = LIMIT): readonly QueueSample[] {
  const last = samples.at(-1);
  if (last !== undefined && sample.at <= last.at) return samples;
  return [...samples, sample].slice(-limit);
}

let samples: readonly QueueSample[] = [];
const listeners = new Set<() => void>();

export function addQueueReport(report: Schemas["QueueReport"]): void {
  const next = withSample(samples, {
    at: Date.parse(report.at),
    waiting: report.runnable,
    running: report.runs.running,
    oldest: report.oldest_runnable_seconds ?? 0,
  });
  if (next === samples) return;
  samples = next;
  for (const listener of listeners) listener();
}

export function useQueueSamples(): readonly QueueSample[] {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => samples,
  );
}
