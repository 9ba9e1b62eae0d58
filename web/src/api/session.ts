// The session of the browser: an HttpOnly cookie and a CSRF token, obtained for an API key.
import { queryOptions } from "@tanstack/react-query";

import { ApiProblem, type Schemas } from "./problem";

export type Role = Schemas["Role"];

export interface Session {
  actor: { id: string; name: string; role: Role };
  csrf_token: string;
  expires_at: string;
}

let current: Session | undefined;

/** The token for `X-CSRF-Token`; undefined without a session. */
export function csrfToken(): string | undefined {
  return current?.csrf_token;
}

/** The session of the cookie; null if there is none. */
export async function getSession(): Promise<Session | null> {
  const response = await fetch("/v1/session", { headers: { Accept: "application/json" } });
  if (response.status === 401) {
    current = undefined;
    return null;
  }
  return readSession(response);
}

export async function signIn(apiKey: string): Promise<Session> {
  const response = await fetch("/v1/session", {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "application/json" },
    body: JSON.stringify({ api_key: apiKey }),
  });
  return readSession(response);
}

export async function signOut(): Promise<void> {
  const headers: Record<string, string> = current === undefined ? {} : { "X-CSRF-Token": current.csrf_token };
  const response = await fetch("/v1/session", { method: "DELETE", headers });
  if (!response.ok && response.status !== 401) throw await ApiProblem.fromResponse(response);
  current = undefined;
}

async function readSession(response: Response): Promise<Session> {
  if (!response.ok) throw await ApiProblem.fromResponse(response);
  current = (await response.json()) as Session;
  return current;
}

export const sessionQuery = queryOptions({ queryKey: ["session"], queryFn: getSession, staleTime: 60_000, retry: 1 });

const RANKS: Record<Role, number> = { viewer: 0, reviewer: 1, operator: 2, admin: 3 };

/** Whether a role includes another one. */
export function includesRole(role: Role, needed: Role): boolean {
  return RANKS[role] >= RANKS[needed];
}
