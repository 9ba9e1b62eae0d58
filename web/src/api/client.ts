// The typed client of the HTTP API. Its types are generated from the OpenAPI document: see schema.ts.
import createClient, { type Client, type Middleware } from "openapi-fetch";

import { ApiProblem, requestId, toProblem } from "./problem";
import type { paths } from "./schema";
import { csrfToken } from "./session";

export type { Schemas } from "./problem";
export type ApiClient = Client<paths>;

/** A client that sends the API key with every request. */
export function createApiClient(baseUrl: string, apiKey: string): ApiClient {
  return createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${apiKey}` } });
}

type Answer<T> = { data?: T; error?: unknown; response: Response };

/** The body of a successful response; an error response is thrown as a problem. */
export async function unwrap<T>(call: Promise<Answer<T>>): Promise<Exclude<T, undefined>> {
  const { data, error, response } = await call;
  if (!response.ok) throw new ApiProblem(toProblem(error, response), requestId(response));
  return data as Exclude<T, undefined>;
}

const SAFE_METHODS = ["GET", "HEAD", "OPTIONS"];

const csrf: Middleware = {
  onRequest({ request }) {
    const token = csrfToken();
    if (token !== undefined && !SAFE_METHODS.includes(request.method)) request.headers.set("X-CSRF-Token", token);
    return request;
  },
};

/** The client of the pages, which is authenticated by the cookie of the session. */
export const api: ApiClient = createClient<paths>({ baseUrl: globalThis.location?.origin ?? "" });
api.use(csrf);
