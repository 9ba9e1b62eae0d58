import { expect, test } from "vitest";

import { ApiProblem, toProblem } from "../api/problem";
import { includesRole } from "../api/session";
import { groupFailures } from "../features/operations/failure-groups";
import type { TrainingRun } from "../features/runs/status";
import * as search from "./search";

test("unknown values of a URL are dropped", () => {
  expect(search.runs({ status: "broken", model: "contracts", other: "x" })).toEqual({ model: "contracts" });
  expect(search.run({ tab: "metrics", field: 7 })).toEqual({ tab: "metrics", field: "7" });
});

test("the sign-in leads only to pages of this site", () => {
  expect(search.localPath("/runs?status=failed")).toBe("/runs?status=failed");
  for (const target of ["//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)", ""]) {
    expect(search.localPath(target), target).toBeUndefined();
  }
});

test("a role includes the previous ones", () => {
  expect(includesRole("admin", "operator")).toBe(true);
  expect(includesRole("reviewer", "operator")).toBe(false);
});

test("an error that is no problem keeps its status", async () => {
  const response = new Response("<html>", { status: 502, statusText: "Bad Gateway" });
  expect(toProblem(undefined, response)).toMatchObject({ status: 502, code: "http_error", detail: "Bad Gateway" });
  const problem = await ApiProblem.fromResponse(
    new Response('{"code":"x","detail":"y","status":409,"title":"t","type":""}', { status: 409, headers: { "X-Request-Id": "r1" } }),
  );
  expect(problem.requestId).toBe("r1");
  expect(problem.problem.code).toBe("x");
});

test("failures are grouped by cause, the most frequent first", () => {
  const failed = (id: string, error_code: string, model: string) => ({ id, error_code, model }) as TrainingRun;
  const groups = groupFailures([failed("1", "io", "a"), failed("2", "database", "a"), failed("3", "database", "b")]);
  expect(groups.map((group) => [group.code, group.count, group.models])).toEqual([
    ["database", 2, ["a", "b"]],
    ["io", 1, ["a"]],
  ]);
});
