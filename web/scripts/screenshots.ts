// Takes a picture of every view (themes, widths, languages) and checks each with axe. Needs a running site with data:
//   APRENDIZ_SITE=http://127.0.0.1:4173 APRENDIZ_API_KEY=apz_… npm run screenshots -- [part of a view's name]
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { type BrowserContext, chromium, type Page } from "playwright-core";

import { CHROMIUM, CHROMIUM_ARGS } from "../tests/browser/chromium";

interface View {
  name: string;
  path: string;
  ready?: string;
  act?: (page: Page) => Promise<void>;
}

interface Look {
  name: string;
  width: number;
  height: number;
  scheme: "light" | "dark";
  language: "en" | "pt-BR";
}

const LOOKS: readonly Look[] = [
  { name: "desktop-light-en", width: 1440, height: 900, scheme: "light", language: "en" },
  { name: "desktop-dark-pt", width: 1440, height: 900, scheme: "dark", language: "pt-BR" },
  { name: "phone-light-pt", width: 390, height: 844, scheme: "light", language: "pt-BR" },
  { name: "phone-dark-en", width: 390, height: 844, scheme: "dark", language: "en" },
];

const site = required("APRENDIZ_SITE");
const key = required("APRENDIZ_API_KEY");
const wanted = process.argv[2] ?? "";
const axeSource = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const problems: string[] = [];

function required(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === "") throw new Error(`${name} is not set`);
  return value;
}

async function json<T>(page: Page, path: string): Promise<T> {
  return (await (await page.request.get(site + path)).json()) as T;
}

interface Items {
  items: { id: string; status?: string; kind?: string; model?: string; name?: string; document_id?: string }[];
}

/** Views with the ids of the data that is there. */
async function findViews(page: Page): Promise<View[]> {
  const runs = (await json<Items>(page, "/v1/training-runs?limit=100")).items;
  const trained = runs.filter((run) => run.status === "succeeded" && run.kind === "linear");
  const done = (trained.find((run) => run.model === "contracts") ?? trained[0])?.id ?? "";
  const failed = runs.find((run) => run.status === "failed")?.id ?? done;
  const document = (await json<Items>(page, "/v1/documents?limit=1")).items[0]?.id ?? "";
  const waiting = (await json<Items>(page, "/v1/annotations/waiting?order=uncertain&limit=1")).items[0]?.document_id ?? document;
  const imported = (await json<Items>(page, "/v1/imports")).items[0]?.id ?? "";
  const dataset = (await json<Items>(page, "/v1/datasets")).items[0]?.id ?? "";
  const model = (await json<Items>(page, "/v1/models")).items.find((entry) => entry.name === "contracts")?.name ?? "contracts";
  return [
    { name: "runs", path: "/runs" },
    {
      name: "runs-selected",
      path: "/runs",
      act: async (view) => {
        await view.locator("tbody input[type=checkbox]").first().check();
      },
    },
    { name: "runs-empty", path: "/runs?model=unknown" },
    ...["overview", "metrics", "errors", "logs", "spec", "attempts"].map((tab) => ({
      name: `run-${tab}`,
      path: `/runs/${done}?tab=${tab}`,
    })),
    { name: "run-failed", path: `/runs/${failed}` },
    {
      name: "start",
      path: "/runs/new",
      act: async (view) => {
        await view.locator("input[required]").first().fill("contracts");
        await view.waitForTimeout(900);
      },
    },
    { name: "models", path: "/models" },
    ...["versions", "compare", "aliases", "thresholds", "try"].map((tab) => ({
      name: `model-${tab}`,
      path: `/models/${model}?tab=${tab}`,
      ...(tab === "try"
        ? {
            act: async (view: Page) => {
              await view.locator("textarea").first().fill("Statement of work. All amounts are in USD.");
              await view.locator("form button[type=submit]").click();
              await view.locator("table").first().waitFor();
            },
          }
        : {}),
    })),
    {
      name: "model-promote",
      path: `/models/${model}`,
      act: async (view) => {
        await view.locator("tbody button").first().click();
        await view.waitForTimeout(1200);
      },
    },
    { name: "version", path: `/models/${model}/versions/1` },
    { name: "review", path: "/review" },
    { name: "review-document", path: `/review/${waiting}` },
    { name: "documents", path: "/data/documents" },
    { name: "document", path: `/data/documents/${document}` },
    { name: "imports", path: "/data/imports" },
    { name: "import", path: `/data/imports/${imported}` },
    { name: "datasets", path: "/data/datasets" },
    { name: "dataset", path: `/data/datasets/${dataset}` },
    { name: "fields", path: "/data/fields" },
    ...["overview", "failures", "audit"].map((tab) => ({ name: `operations-${tab}`, path: `/operations?tab=${tab}` })),
    {
      name: "palette",
      path: "/runs",
      act: async (view) => {
        await view.keyboard.press("Control+k");
        await view.waitForTimeout(600);
      },
    },
    {
      name: "help",
      path: "/runs",
      act: async (view) => {
        await view.keyboard.press("?");
        await view.waitForTimeout(300);
      },
    },
    { name: "missing", path: "/no-such-page" },
  ];
}

async function signIn(page: Page): Promise<void> {
  await page.goto(`${site}/sign-in`);
  await page.locator("input[type=password]").fill(key);
  await page.locator("button[type=submit]").click();
  await page.waitForURL("**/runs");
}

async function check(page: Page, name: string): Promise<void> {
  const found = await page.evaluate(async () => {
    const { axe } = window as unknown as {
      axe: {
        run: (
          options: object,
        ) => Promise<{ violations: { id: string; impact: string; nodes: { target: string[]; failureSummary: string }[] }[] }>;
      };
    };
    const result = await axe.run({ resultTypes: ["violations"] });
    return result.violations
      .filter((violation) => violation.impact === "serious" || violation.impact === "critical")
      .map(
        (violation) =>
          `${violation.id}: ${violation.nodes
            .slice(0, 3)
            .map((node) => `${node.target.join(" ")} ${node.failureSummary.split("\n")[1] ?? ""}`)
            .join(" | ")}`,
      );
  });
  for (const violation of found) problems.push(`${name}: ${violation}`);
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  if (overflow > 1) problems.push(`${name}: the page is ${String(overflow)} px wider than the window`);
}

async function take(context: BrowserContext, look: Look, views: readonly View[]): Promise<void> {
  const page = await context.newPage();
  page.on("console", (message) => {
    if (message.type() === "error" && !message.text().includes("status of 4")) problems.push(`${look.name}: console: ${message.text()}`);
  });
  page.on("pageerror", (error) => problems.push(`${look.name}: ${error.message}`));
  page.on("request", (request) => {
    if (!request.url().startsWith(site) && !request.url().startsWith("data:")) problems.push(`${look.name}: request to ${request.url()}`);
  });
  for (const view of views) {
    await page.goto(site + view.path);
    await page.locator("h1").first().waitFor();
    await page
      .waitForFunction(() => document.querySelector("[aria-busy=true]") === null)
      .catch(() => problems.push(`${look.name} ${view.name}: still loading`));
    await page.waitForTimeout(250);
    await view.act?.(page).catch((error: unknown) => problems.push(`${look.name} ${view.name}: ${String(error).split("\n")[0] ?? ""}`));
    // axe is no part of the page: its policy would refuse it as a script element
    await page.evaluate(await axeText());
    await check(page, `${look.name} ${view.name}`);
    await page.screenshot({ path: `screenshots/${view.name}--${look.name}.png`, fullPage: await isWhole(page, view) });
  }
  await page.close();
}

/** Dialogs and long lists, of which only the visible rows exist, are pictured as the window shows them. */
async function isWhole(page: Page, view: View): Promise<boolean> {
  const height = await page.evaluate(() => document.documentElement.scrollHeight);
  return height < 2_600 && !["palette", "help", "model-promote"].includes(view.name);
}

let axe: string | undefined;
async function axeText(): Promise<string> {
  const { readFile } = await import("node:fs/promises");
  axe ??= `${await readFile(axeSource, "utf8")}; undefined`;
  return axe;
}

async function main(): Promise<void> {
  await mkdir("screenshots", { recursive: true });
  const looks = LOOKS.filter((look) => (process.argv[3] ?? "") === "" || look.name.includes(process.argv[3] ?? ""));
  for (const look of looks) {
    const profile = await mkdtemp(join(tmpdir(), "aprendiz-browser-"));
    const context = await chromium.launchPersistentContext(profile, {
      executablePath: CHROMIUM,
      headless: true,
      args: CHROMIUM_ARGS,
      viewport: { width: look.width, height: look.height },
      colorScheme: look.scheme,
      locale: look.language,
      reducedMotion: "reduce",
    });
    const page = await context.newPage();
    if (wanted === "" || "sign-in".includes(wanted)) {
      await page.goto(`${site}/sign-in`);
      await page.locator("h1").waitFor();
      await page.screenshot({ path: `screenshots/sign-in--${look.name}.png` });
    }
    await signIn(page);
    const views = (await findViews(page)).filter((view) => view.name.includes(wanted));
    await take(context, look, views);
    await context.close();
    await rm(profile, { recursive: true, force: true });
    console.log(`${look.name}: ${String(views.length)} views`);
  }
  for (const problem of [...new Set(problems)]) console.error(`problem: ${problem}`);
  process.exitCode = problems.length > 0 ? 1 : 0;
}

await main();
