import { expect, test } from "vitest";

import { providerLink, readProviders } from "../../api/session";
import { deviceName } from "./user-agent";

test("a browser is named by its user agent", () => {
  expect(deviceName("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")).toBe("Firefox · Linux");
  expect(deviceName("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140 Safari/537.36 Edg/140.0")).toBe("Edge · Windows");
  expect(deviceName("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605 Version/18 Safari/604")).toBe("Safari · iOS");
  expect(deviceName("curl/8.5.0")).toBe("curl/8.5.0");
});

test("providers begin on this site only", () => {
  const provider = { name: "corp", title: "Corp", start: "/auth/oidc/start" };
  expect(readProviders([provider, { name: "x", start: "https://evil.example/" }, { name: "y", start: "//evil" }, 7])).toEqual([provider]);
  expect(readProviders({})).toEqual([]);
  expect(providerLink(provider, "/runs?status=failed")).toBe("/auth/oidc/start?return=%2Fruns%3Fstatus%3Dfailed");
});
