// Measures every view with much data: the slowest request, the time until the view shows its data, and the longest frame while it scrolls.
// `./dev bench web` fills a database and runs it: tsx scripts/scale.ts [VIEW]
import { readFile } from "node:fs/promises";
import { loadavg } from "node:os";

import { type Browser, chromium, type Page } from "playwright-core";

import { CHROMIUM, CHROMIUM_ARGS } from "../tests/browser/chromium";
import { createData } from "../tests/browser/data";
import { api, KEYS, SITE } from "../tests/browser/environment";
import { allViews, openView, type View, type ViewData } from "../tests/browser/views";

const LIMIT_MILLIS = 300;
const REPETITIONS = 3;

interface Request {
  path: string;
  millis: number;
}

interface Measured {
  requests: Request[];
  content: number;
  frame: number;
}

/** Opens a view as a link does, in a page that nobody has seen before, and scrolls it. */
async function measure(browser: Browser, view: View): Promise<Measured> {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, reducedMotion: "reduce" });
  try {
    const page = await context.newPage();
    await page.request.post(`${SITE}/v1/session`, { data: { api_key: KEYS.admin } });
    const requests: Request[] = [];
    page.on("requestfinished", (request) => {
      const { pathname, search } = new URL(request.url());
      const { responseEnd, requestStart } = request.timing();
      // a stream stays open
      if (pathname.startsWith("/v1/") && !pathname.endsWith("/events"))
        requests.push({ path: pathname + search, millis: responseEnd - requestStart });
    });
    const started = performance.now();
    await openView(page, SITE, view);
    const content = performance.now() - started;
    return { content, frame: await scroll(page), requests };
  } finally {
    await context.close();
  }
}

/** Scrolls the longest part of the page by steps, and returns the longest time between two frames. */
function scroll(page: Page): Promise<number> {
  return page.evaluate(async () => {
    const boxes = [...document.querySelectorAll("main *")].filter((box) => /auto|scroll/.test(getComputedStyle(box).overflowY));
    const box = [document.documentElement, ...boxes].sort((left, right) => right.scrollHeight - left.scrollHeight)[0];
    let last = await new Promise<number>((resolve) => requestAnimationFrame(resolve));
    let longest = 0;
    for (let step = 0; step < 60; step += 1) {
      box?.scrollBy(0, 400);
      // tsx wraps named functions into a helper that the page lacks
      const now = await new Promise<number>((resolve) => requestAnimationFrame(resolve));
      longest = Math.max(longest, now - last);
      last = now;
    }
    return longest;
  });
}

const median = (values: number[]): number => values.sort((left, right) => left - right)[Math.floor(values.length / 2)] ?? 0;

/** The request with the highest median over the repetitions, each of which may have sent it several times. */
function slowest(measured: readonly Measured[]): Request {
  const times = new Map<string, number[]>();
  for (const { path, millis } of measured.flatMap((one) => one.requests)) times.set(path, [...(times.get(path) ?? []), millis]);
  const medians = [...times].map(([path, all]) => ({ path, millis: median(all) }));
  return medians.sort((left, right) => right.millis - left.millis)[0] ?? { path: "", millis: 0 };
}

/** The views of the tests, and those that much data makes slow. */
async function views(): Promise<View[]> {
  // before much data is there, `tsx scripts/scale.ts --create` has created what the views show
  const file = process.env["SCALE_DATA"] ?? "";
  const data = file === "" ? await createData() : (JSON.parse(await readFile(file, "utf8")) as ViewData);
  const large = await api<{ items: { id: string }[] }>("GET", "/v1/documents?project=large&limit=1");
  const id = large.items[0]?.id ?? "";
  return [
    ...allViews(data),
    { name: "runs-of-a-model", path: "/runs?model=model-7" },
    { name: "runs-failed", path: "/runs?status=failed" },
    { name: "runs-of-a-tag", path: "/runs?tag=team%3Dteam-3" },
    { name: "runs-by-accuracy", path: "/runs?sort=metric%3Aaccuracy" },
    { name: "model-of-190-versions", path: "/models/model-7" },
    { name: "documents-of-a-project", path: "/data/documents?project=project-7" },
    { name: "documents-by-name", path: "/data/documents?q=contract-0700007" },
    { name: "documents-by-customer", path: "/data/documents?q=customer" },
    { name: "documents-by-text", path: "/data/documents?q=agreement&in=texts" },
    { name: "documents-by-rare-text", path: "/data/documents?q=unheard&in=texts" },
    { name: "documents-unreviewed", path: "/data/documents?field=contract_type&status=UNREVIEWED" },
    { name: "documents-rejected", path: "/data/documents?field=sow_currency&status=REJECTED" },
    { name: "documents-of-a-split", path: "/data/documents?split=test" },
    { name: "documents-excluded", path: "/data/documents?split=excluded" },
    { name: "review-of-a-field", path: "/review?field=contract_type&order=uncertain" },
    { name: "review-of-a-project", path: "/review?project=project-7&order=uncertain" },
    { name: "review-by-document", path: "/review?order=document" },
    { name: "audit-of-an-actor", path: "/operations?tab=audit&actor=admin" },
    { name: "audit-of-an-action", path: "/operations?tab=audit&action=model.alias" },
    { name: "document-of-10-mb", path: `/data/documents/${id}` },
    { name: "review-of-10-mb", path: `/review/${id}` },
  ];
}

async function measureAll(wanted: string): Promise<void> {
  const browser = await chromium.launch({ executablePath: CHROMIUM, headless: true, args: CHROMIUM_ARGS });
  let slow = 0;
  console.log(
    `${"view".padEnd(24)} ${"request".padStart(8)} ${"data".padStart(8)} ${"frame".padStart(6)} ${"load".padStart(5)}  slowest request (ms)`,
  );
  for (const view of (await views()).filter(({ name }) => name.includes(wanted))) {
    const measured: Measured[] = [];
    for (let repetition = 0; repetition < REPETITIONS; repetition += 1) measured.push(await measure(browser, view));
    const request = slowest(measured);
    const isSlow = request.millis > LIMIT_MILLIS;
    if (isSlow) slow += 1;
    const content = median(measured.map((one) => one.content));
    const frame = median(measured.map((one) => one.frame));
    const times = [request.millis.toFixed(0).padStart(8), content.toFixed(0).padStart(8), frame.toFixed(0).padStart(6)].join(" ");
    console.log(`${view.name.padEnd(24)} ${times} ${(loadavg()[0] ?? 0).toFixed(1).padStart(5)}  ${request.path}${isSlow ? "  SLOW" : ""}`);
  }
  await browser.close();
  console.log(`${String(slow)} views have a request above ${String(LIMIT_MILLIS)} ms (median of ${String(REPETITIONS)})`);
  process.exitCode = slow > 0 ? 1 : 0;
}

if (process.argv[2] === "--create") console.log(JSON.stringify(await createData()));
else await measureAll(process.argv[2] ?? "");
