// The typed client of the HTTP API. Its types are generated from the OpenAPI document: see schema.ts.
import createClient, { type Client } from "openapi-fetch";

import type { components, paths } from "./schema.js";

export type Schemas = components["schemas"];
export type ApiClient = Client<paths>;

/** A client that sends the API key with every request. */
export function createApiClient(baseUrl: string, apiKey: string): ApiClient {
  return createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${apiKey}` } });
}

/** An error response of the API, with its stable code. */
export class ApiProblem extends Error {
  readonly problem: Schemas["Problem"];

  constructor(problem: Schemas["Problem"]) {
    super(`${problem.code}: ${problem.detail}`);
    this.name = "ApiProblem";
    this.problem = problem;
  }
}
