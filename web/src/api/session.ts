// The session of the browser: an HttpOnly cookie and a CSRF token, obtained for an API key.
import { queryOptions } from "@tanstack/react-query";

import { asArray, asObject, asString } from "./json";
import { ApiProblem, type Schemas } from "./problem";

export type Role = Schemas["Role"];

export type Session = Schemas["SessionState"];

/** Another way to sign in than with an API key. */
export interface Provider {
  name: string;
  title: string;
  /** Path of this server that begins the sign-in. */
  start: string;
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

/** Providers that the server offers. A server that knows none of them answers 404, or an empty list. */
export async function getProviders(): Promise<Provider[]> {
  const response = await fetch("/v1/session/providers", { headers: { Accept: "application/json" } });
  if (response.status === 404) return [];
  if (!response.ok) throw await ApiProblem.fromResponse(response);
  return readProviders(await response.json());
}

/** Providers of a list that begin on this site; everything else is left out. */
export function readProviders(body: unknown): Provider[] {
  return asArray(body).flatMap((entry) => {
    const { name, title, start } = asObject(entry);
    const path = localPath(asString(start));
    if (typeof name !== "string" || path === undefined) return [];
    return [{ name, title: asString(title) ?? name, start: path }];
  });
}

/** Only a path of this site. */
export function localPath(value: string | undefined): string | undefined {
  return value !== undefined && /^\/(?![/\\])/.test(value) ? value : undefined;
}

/** Maximum length of a path to which the server returns after a sign-in. */
const MAX_RETURN_LENGTH = 512;

/** Address that begins the sign-in with a provider, and leads to `next` afterwards. */
export function providerLink(provider: Provider, next: string | undefined): string {
  // percent-encoded, and not longer than the server accepts
  const { pathname, search, hash } = new URL(next ?? "/runs", window.location.origin);
  const path = pathname + search + hash;
  const target = path.length > MAX_RETURN_LENGTH ? "/" : path;
  const mark = provider.start.includes("?") ? "&" : "?";
  return `${provider.start}${mark}return=${encodeURIComponent(target)}`;
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

export const providersQuery = queryOptions({ queryKey: ["providers"], queryFn: getProviders, staleTime: Infinity, retry: false });

const RANKS: Record<Role, number> = { viewer: 0, reviewer: 1, operator: 2, admin: 3 };

/** Whether a role includes another one. */
export function includesRole(role: Role, needed: Role): boolean {
  return RANKS[role] >= RANKS[needed];
}
