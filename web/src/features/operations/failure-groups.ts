// Failed runs by cause.
import type { Schemas } from "../../api/problem";

export interface FailureGroup {
  code: string;
  count: number;
  models: string[];
  /** The newest run, and its text. */
  newest: Schemas["TrainingRun"];
}

/** The cause with the most runs first. `runs` are the newest first. */
export function groupFailures(runs: readonly Schemas["TrainingRun"][]): FailureGroup[] {
  const groups = new Map<string, FailureGroup>();
  for (const run of runs) {
    const code = run.error_code ?? "unknown";
    const group = groups.get(code);
    if (group === undefined) groups.set(code, { code, count: 1, models: [run.model], newest: run });
    else {
      group.count += 1;
      if (!group.models.includes(run.model)) group.models.push(run.model);
    }
  }
  return [...groups.values()].sort((left, right) => right.count - left.count);
}
