// Starts the browser that all tests share, and creates the data of all views.
import { chromium } from "playwright-core";
import type { TestProject } from "vitest/node";

import { CHROMIUM, CHROMIUM_ARGS } from "./chromium";
import { createData } from "./data";
import type { ViewData } from "./views";

declare module "vitest" {
  export interface ProvidedContext {
    browser: string;
    data: ViewData;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await chromium.launchServer({ executablePath: CHROMIUM, headless: true, args: CHROMIUM_ARGS });
  project.provide("browser", server.wsEndpoint());
  project.provide("data", await createData());
  return () => server.close();
}
