// States of runs and what they allow.
import type { Schemas } from "../../api/problem";

export type TrainingRun = Schemas["TrainingRun"];
export type RunStatus = Schemas["RunStatus"];

/** Whether a run has ended; only a manual retry changes it again. */
export function isFinal(status: RunStatus): boolean {
  switch (status) {
    case "succeeded":
    case "failed":
    case "cancelled":
      return true;
    case "queued":
    case "running":
    case "retrying":
    case "cancelling":
      return false;
  }
}

export function canCancel(run: TrainingRun): boolean {
  return !isFinal(run.status) && run.status !== "cancelling";
}

export function canRetry(run: TrainingRun): boolean {
  return run.status === "failed" || run.status === "cancelled";
}

/** Phases that a run goes through, in order. */
export function phases(run: TrainingRun): readonly Schemas["RunPhase"][] {
  if (run.dataset_only) return ["dataset"];
  if (run.kind === "evaluate") return ["dataset", "evaluate", "publish"];
  if (run.kind === "predict") return ["predict", "publish"];
  return ["dataset", "train", "evaluate", "upload", "publish"];
}

/** The part of the current phase that is done, 0 to 1. */
export function fraction(progress: unknown): number | undefined {
  if (typeof progress !== "object" || progress === null || !("fraction" in progress)) return undefined;
  const value = progress.fraction;
  return typeof value === "number" ? Math.min(Math.max(value, 0), 1) : undefined;
}

/** Seconds that a run took, or has taken until now. */
export function elapsedSeconds(run: TrainingRun, now: number): number | undefined {
  if (run.started_at === null || run.started_at === undefined) return undefined;
  const end = run.finished_at === null || run.finished_at === undefined ? now : Date.parse(run.finished_at);
  return Math.max(0, (end - Date.parse(run.started_at)) / 1000);
}
