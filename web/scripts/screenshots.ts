// Takes a picture of every view (themes, widths, languages) and checks each with axe: ./dev browser --screenshots [VIEW [LOOK]]
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { type BrowserContext, chromium, type Page } from "playwright-core";

import { violations } from "../tests/browser/axe";
import { CHROMIUM, CHROMIUM_ARGS } from "../tests/browser/chromium";
import { createData } from "../tests/browser/data";
import { KEYS, SITE } from "../tests/browser/environment";
import { allViews, openView, overflow, type View } from "../tests/browser/views";

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

const wanted = process.argv[2] ?? "";
const problems: string[] = [];

async function signIn(page: Page): Promise<void> {
  await page.goto(`${SITE}/sign-in`);
  await page.locator("input[type=password]").fill(KEYS.admin);
  await page.locator("button[type=submit]").click();
  await page.waitForURL("**/runs");
}

async function take(context: BrowserContext, look: Look, views: readonly View[]): Promise<void> {
  const page = await context.newPage();
  page.on("console", (message) => {
    if (message.type() === "error" && !message.text().includes("status of 4")) problems.push(`${look.name}: console: ${message.text()}`);
  });
  page.on("pageerror", (error) => problems.push(`${look.name}: ${error.message}`));
  page.on("request", (request) => {
    if (!request.url().startsWith(SITE) && !request.url().startsWith("data:")) problems.push(`${look.name}: request to ${request.url()}`);
  });
  for (const view of views) {
    const name = `${look.name} ${view.name}`;
    await openView(page, SITE, view).catch((error: unknown) => problems.push(`${name}: ${String(error).split("\n")[0] ?? ""}`));
    for (const violation of await violations(page)) problems.push(`${name}: ${violation}`);
    const wider = await overflow(page);
    if (wider > 1) problems.push(`${name}: the page is ${String(wider)} px wider than the window`);
    const height = await pictureHeight(page, view, look);
    await page.setViewportSize({ width: look.width, height });
    await page.screenshot({ path: `screenshots/${view.name}--${look.name}.png` });
    await page.setViewportSize({ width: look.width, height: look.height });
  }
  await page.close();
}

/**
 * Dialogs and long lists, of which only the visible rows exist, are pictured as the window shows them. For other pages the window grows:
 * in a picture beyond the window, the navigation would end in the middle.
 */
async function pictureHeight(page: Page, view: View, look: Look): Promise<number> {
  const height = await page.evaluate(() => document.documentElement.scrollHeight);
  return height > 2_600 || view.dialog === true ? look.height : Math.max(height, look.height);
}

async function main(): Promise<void> {
  await mkdir("screenshots", { recursive: true });
  const views = allViews(await createData()).filter((view) => view.name.includes(wanted));
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
      await page.goto(`${SITE}/sign-in`);
      await page.locator("h1").waitFor();
      await page.screenshot({ path: `screenshots/sign-in--${look.name}.png` });
    }
    await signIn(page);
    await take(context, look, views);
    await context.close();
    await rm(profile, { recursive: true, force: true });
    console.log(`${look.name}: ${String(views.length)} views`);
  }
  for (const problem of [...new Set(problems)]) console.error(`problem: ${problem}`);
  process.exitCode = problems.length > 0 ? 1 : 0;
}

await main();
