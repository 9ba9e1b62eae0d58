// Server data of sessions and of the key of the session.
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";

import { api, unwrap } from "../../api/client";
import type { Schemas } from "../../api/problem";

export const currentKeyQuery = queryOptions({ queryKey: ["access", "key"], queryFn: () => unwrap(api.GET("/v1/keys/current")) });

export const sessionsQuery = (all: boolean) =>
  infiniteQueryOptions({
    queryKey: ["access", "sessions", all],
    queryFn: ({ pageParam }) =>
      unwrap(
        api.GET("/v1/sessions", {
          params: { query: { ...(all ? { all } : {}), ...(pageParam === "" ? {} : { cursor: pageParam }) } },
        }),
      ),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });

export const revokeSession = (id: string) => unwrap(api.DELETE("/v1/sessions/{id}", { params: { path: { id } } }));

export const endSessions = () => unwrap(api.DELETE("/v1/sessions"));

export const keysQuery = queryOptions({ queryKey: ["access", "keys"], queryFn: () => unwrap(api.GET("/v1/keys")) });

export const createKey = (body: Schemas["CreateApiKey"]) => unwrap(api.POST("/v1/keys", { body }));

export const revokeKey = (id: string, force: boolean) =>
  unwrap(api.DELETE("/v1/keys/{id}", { params: { path: { id }, query: force ? { force } : {} } }));
