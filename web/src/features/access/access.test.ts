import { expect, test } from "vitest";

import { providerLink, readProviders } from "../../api/session";
import { endOfDay, keyState } from "./key-state";
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

test("a key is valid until it expires or is revoked", () => {
  const key = { id: "1", name: "spa", role: "viewer", created_at: "2026-01-01T00:00:00Z", created_by: "ana" } as const;
  const now = Date.parse("2026-06-01T00:00:00Z");
  expect(keyState(key, now)).toBe("valid");
  expect(keyState({ ...key, expires_at: "2026-06-01T00:00:00Z" }, now)).toBe("expired");
  expect(keyState({ ...key, expires_at: "2026-06-02T00:00:00Z" }, now)).toBe("valid");
  expect(keyState({ ...key, expires_at: "2026-05-01T00:00:00Z", revoked_at: "2026-04-01T00:00:00Z" }, now)).toBe("revoked");
  expect(endOfDay("")).toBeUndefined();
  expect(endOfDay("2026-06-02")).toBe(new Date(2026, 5, 2, 23, 59, 59).toISOString());
});
