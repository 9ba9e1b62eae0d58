// The installation under test: what ./dev browser puts into the environment.

export const SITE = required("APRENDIZ_SITE");
export const KEYS = {
  admin: required("APRENDIZ_API_KEY"),
  operator: required("APRENDIZ_OPERATOR_KEY"),
  second: required("APRENDIZ_SECOND_KEY"),
  reviewer: required("APRENDIZ_REVIEWER_KEY"),
  viewer: required("APRENDIZ_VIEWER_KEY"),
};
export type KeyName = keyof typeof KEYS;

export function required(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === "") throw new Error(`${name} is not set: ./dev browser starts an installation and sets it`);
  return value;
}

/** A request with an API key, outside of any browser. */
export async function api<T>(method: string, path: string, body?: unknown, key = KEYS.admin): Promise<T> {
  const response = await fetch(SITE + path, {
    method,
    headers: { Authorization: `Bearer ${key}`, ...(body === undefined ? {} : { "Content-Type": "application/json" }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${String(response.status)} ${text}`);
  return (text === "" ? undefined : JSON.parse(text)) as T;
}

/** Waits for a condition, which is checked ten times a second; there is no other proof that something has happened. */
export async function until<T>(what: string, check: () => Promise<T | undefined> | T | undefined, millis = 90_000): Promise<T> {
  const end = Date.now() + millis;
  for (;;) {
    const result = await check();
    if (result !== undefined) return result;
    if (Date.now() > end) throw new Error(`${what}: not within ${String(millis / 1000)} s`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

export interface Run {
  id: string;
  model: string;
  status: string;
  error_code: string | null;
  dataset_id: string | null;
}

/** Starts a run. */
export function startRun(model: string, spec: object = {}): Promise<Run> {
  return api("POST", "/v1/training-runs", { model, kind: "linear", data: { fields: ["contract_type", "managed_by"] }, ...spec });
}

/** Waits until a run has this status, which is its last one. */
export function ended(id: string, status = "succeeded"): Promise<Run> {
  return until(`run ${id} ${status}`, async () => {
    const run = await api<Run>("GET", `/v1/training-runs/${id}`);
    if (run.status !== status && ["succeeded", "failed", "cancelled"].includes(run.status))
      throw new Error(`run ${id} has ${run.status} (${String(run.error_code)}), expected ${status}`);
    return run.status === status ? run : undefined;
  });
}
