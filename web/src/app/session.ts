// The signed-in person, and what the role may do.
import { useQuery } from "@tanstack/react-query";

import { includesRole, type Role, type Session, sessionQuery } from "../api/session";

export function useSession(): Session | null | undefined {
  return useQuery(sessionQuery).data;
}

/** Whether the role of the session includes another one. What it may not do is not offered. */
export function useCan(needed: Role): boolean {
  const session = useSession();
  return session !== null && session !== undefined && includesRole(session.actor.role, needed);
}
