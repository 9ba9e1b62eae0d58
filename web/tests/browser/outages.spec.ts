// What the pages show while Redis or the object store is away: they say so, work with the database, and stop saying it afterwards.
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";

import { required, startRun, until } from "./environment";
import { Forwarder } from "./forwarder";
import { start, stop } from "./processes";
import { browserPerTest, loaded, SITE } from "./site";

const browser = browserPerTest("operator");
const redis = new Forwarder(required("REDIS_URL"));
const store = new Forwarder(required("AWS_ENDPOINT_URL_S3"));

beforeAll(async () => {
  const variables = { REDIS_URL: await redis.listen(), AWS_ENDPOINT_URL_S3: await store.listen() };
  await stop("serve");
  await start("serve", variables);
});

afterEach(() => {
  redis.isOpen = true;
  store.isOpen = true;
});

afterAll(async () => {
  await stop("serve");
  await start("serve");
  await redis.close();
  await store.close();
});

test.each([
  { service: "redis", forwarder: redis, consequence: "Runs start all the same, when workers poll." },
  { service: "bucket", forwarder: store, consequence: "Downloads, training and publishing wait for the object store." },
])("without $service, every page says so, and lists work", async ({ service, forwarder, consequence }) => {
  const { page } = browser;
  const notice = page.getByText(`Not working at present: ${service}.`);
  await page.goto(`${SITE}/data/documents`);
  await loaded(page);
  expect(await notice.count()).toBe(0);
  forwarder.isOpen = false;
  await reported(service, false);
  // a page asks every 15 seconds; a new one asks at once
  await page.goto(`${SITE}/review`);
  await notice.waitFor();
  await page.getByText(consequence).waitFor();
  // lists need the database only
  await page.locator("main tbody tr").first().waitFor();
  if (service === "redis") {
    const run = await startRun("without-redis", { data: { fields: ["contract_type"] } });
    await page.goto(`${SITE}/runs?model=without-redis`);
    await page.locator(`main a[href="/runs/${run.id}"]`).waitFor();
  }
  forwarder.isOpen = true;
  await reported(service, true);
  await page.goto(`${SITE}/models`);
  await loaded(page);
  await notice.waitFor({ state: "detached" });
});

/** Waits until the server reports the service as working, or as not working. */
async function reported(service: string, isOk: boolean): Promise<void> {
  await until(`${service} is ${isOk ? "back" : "away"}`, async () => {
    const response = await fetch(`${SITE}/readyz`);
    const { checks } = (await response.json()) as { checks: { name: string; state: string }[] };
    return checks.some((check) => check.name === service && (check.state === "ok") === isOk) ? true : undefined;
  });
}
