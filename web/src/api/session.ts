// The session of the browser: an HttpOnly cookie and a CSRF token, obtained for an API key or through a provider.
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

/** A provider with which people sign in without a key. */
export interface SignInProvider {
  name: string;
  title: string;
  start: string;
}

async function getProviders(): Promise<SignInProvider[]> {
  const response = await fetch("/v1/session/providers", { headers: { Accept: "application/json" } });
  if (!response.ok) throw await ApiProblem.fromResponse(response);
  return (await response.json()) as SignInProvider[];
}

export const providersQuery = queryOptions({ queryKey: ["session", "providers"], queryFn: getProviders, staleTime: 60_000, retry: 1 });

/** Maximum length of a path to which the server returns after a sign-in. */
const MAX_RETURN_LENGTH = 512;

/** Where a sign-in with a provider starts, so that it ends at a path of this page. */
export function startOf(provider: SignInProvider, path: string): string {
  // percent-encoded, as the server expects it
  const { pathname, search, hash } = new URL(path, window.location.origin);
  const target = pathname + search + hash;
  return `${provider.start}?return=${encodeURIComponent(target.length > MAX_RETURN_LENGTH ? "/" : target)}`;
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
