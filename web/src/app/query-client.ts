// The cache of server data, and what happens to failed requests.
import { MutationCache, QueryCache, QueryClient } from "@tanstack/react-query";

import { ApiProblem } from "../api/problem";
import { sessionQuery } from "../api/session";

const RETRIES = 2;

function isUnauthorized(error: unknown): boolean {
  return error instanceof ApiProblem && error.problem.status === 401;
}

/** Only an outage is worth another request: the answer to a wrong request stays the same. */
function isTemporary(error: unknown): boolean {
  return !(error instanceof ApiProblem) || error.problem.status >= 502 || error.problem.status === 429;
}

export function createQueryClient(): QueryClient {
  // an expired session sends the pages to the sign-in page
  const onError = (error: unknown): void => {
    if (isUnauthorized(error)) client.setQueryData(sessionQuery.queryKey, null);
  };
  const client: QueryClient = new QueryClient({
    queryCache: new QueryCache({ onError }),
    mutationCache: new MutationCache({ onError }),
    defaultOptions: {
      queries: {
        staleTime: 5_000,
        retry: (count, error) => count < RETRIES && isTemporary(error),
        refetchOnWindowFocus: true,
      },
    },
  });
  return client;
}
