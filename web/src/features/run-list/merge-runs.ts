// Rows of the list while it is live.

interface Identified {
  id: string;
  created_at: string;
}

export interface MergedRuns<Run> {
  rows: Run[];
  /** How many new runs wait until the pointer leaves the list: rows never move under it. */
  held: number;
}

/** Listed runs with the newer state of the live ones. New runs come first, except those that are not in `heldFrom`. */
export function mergeRuns<Run extends Identified>(
  listed: readonly Run[],
  live: readonly Run[],
  heldFrom?: ReadonlySet<string>,
): MergedRuns<Run> {
  const newest = new Map(live.map((run) => [run.id, run]));
  const known = new Set(listed.map((run) => run.id));
  const added = live.filter((run) => !known.has(run.id) && isNewer(run, listed[0]));
  const shown = heldFrom === undefined ? added : added.filter((run) => heldFrom.has(run.id));
  return { rows: [...shown, ...listed.map((run) => newest.get(run.id) ?? run)], held: added.length - shown.length };
}

function isNewer(run: Identified, first: Identified | undefined): boolean {
  return first === undefined || run.created_at > first.created_at;
}
