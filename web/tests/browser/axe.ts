// Rules of accessibility, checked by axe.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

import type { Page } from "playwright-core";

interface Axe {
  run: (
    options: object,
  ) => Promise<{ violations: { id: string; impact: string; nodes: { target: string[]; failureSummary: string }[] }[] }>;
}

let source: string | undefined;

// what a theme changes: nothing but colors
const COLOR_RULES = ["color-contrast", "link-in-text-block"];

/** Serious and critical violations of the page as it is: all rules, or those that depend on the theme. */
export async function violations(page: Page, rules: "all" | "colors" = "all"): Promise<string[]> {
  source ??= `${readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8")}; undefined`;
  // axe is no part of the page: its policy would refuse it as a script element
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(source);
  return page.evaluate(
    async (only) => {
      const { axe } = window as unknown as { axe: Axe };
      const found = await axe.run({ resultTypes: ["violations"], ...(only === undefined ? {} : { runOnly: only }) });
      return found.violations
        .filter(({ impact }) => impact === "serious" || impact === "critical")
        .map(({ id, nodes }) => {
          const places = nodes.slice(0, 3).map((node) => `${node.target.join(" ")} ${node.failureSummary.split("\n")[1]?.trim() ?? ""}`);
          return `${id}: ${places.join(" | ")}`;
        });
    },
    rules === "colors" ? COLOR_RULES : undefined,
  );
}
