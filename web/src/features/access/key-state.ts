// Whether a key can be used.
import type { Schemas } from "../../api/problem";

export type KeyState = "valid" | "expired" | "revoked";

export function keyState(key: Pick<Schemas["ApiKey"], "expires_at" | "revoked_at">, now: number): KeyState {
  if (key.revoked_at != null) return "revoked";
  return key.expires_at != null && Date.parse(key.expires_at) <= now ? "expired" : "valid";
}

/** The end of a key that is created now, for a number of days; 0 = no end. */
export function endAfter(days: number, now: number): string | null {
  return days === 0 ? null : new Date(now + days * 86_400_000).toISOString();
}
