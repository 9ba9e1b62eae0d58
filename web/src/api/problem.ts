// Error responses of the API.
import type { components } from "./schema";

export type Schemas = components["schemas"];

/** An error response of the API, with its stable code and the id under which the server logged the request. */
export class ApiProblem extends Error {
  readonly problem: Schemas["Problem"];
  readonly requestId: string | undefined;

  constructor(problem: Schemas["Problem"], requestId?: string) {
    super(`${problem.code}: ${problem.detail}`);
    this.name = "ApiProblem";
    this.problem = problem;
    this.requestId = requestId;
  }

  static async fromResponse(response: Response): Promise<ApiProblem> {
    const body: unknown = await response.json().catch(() => undefined);
    return new ApiProblem(toProblem(body, response), requestId(response));
  }
}

export function requestId(response: Response): string | undefined {
  return response.headers.get("X-Request-Id") ?? undefined;
}

function isProblem(value: unknown): value is Schemas["Problem"] {
  return typeof value === "object" && value !== null && "code" in value && "detail" in value;
}

/** A proxy between browser and server may answer with something else than a problem. */
export function toProblem(body: unknown, response: Response): Schemas["Problem"] {
  if (isProblem(body)) return body;
  const title = response.statusText === "" ? `HTTP ${String(response.status)}` : response.statusText;
  return { type: "about:blank", title, status: response.status, code: "http_error", detail: title };
}
