// Both languages have the same keys and the same placeholders.
import { expect, test } from "vitest";

import { en } from "./en";
import { preferredLanguage, withMany } from "./index";
import { pt } from "./pt";

function entries(value: object, prefix = ""): [string, string][] {
  return Object.entries(value).flatMap(([key, entry]: [string, unknown]) =>
    typeof entry === "object" && entry !== null ? entries(entry, `${prefix}${key}.`) : [[prefix + key, String(entry)] as [string, string]],
  );
}

function placeholders(text: string): string[] {
  return [...text.matchAll(/\{\{(\w+)\}\}/g)].map((match) => match[1] ?? "").sort();
}

test("both languages have every key", () => {
  expect(entries(pt).map(([key]) => key)).toEqual(entries(en).map(([key]) => key));
});

test("no text is empty, and translations keep the placeholders", () => {
  const translated = new Map(entries(pt));
  for (const [key, text] of entries(en)) {
    expect(text, key).not.toBe("");
    expect(translated.get(key), key).not.toBe("");
    expect(placeholders(translated.get(key) ?? ""), key).toEqual(placeholders(text));
  }
});

test("every plural has both forms", () => {
  const keys = new Set(entries(en).map(([key]) => key));
  for (const key of keys) {
    if (key.endsWith("_one")) expect(keys, key).toContain(key.replace(/_one$/, "_other"));
    if (key.endsWith("_other")) expect(keys, key).toContain(key.replace(/_other$/, "_one"));
  }
});

test("the form of millions is that of the other plurals", () => {
  expect(withMany({ a: { n_one: "1 x", n_other: "{{count}} y" } })).toEqual({
    a: { n_one: "1 x", n_other: "{{count}} y", n_many: "{{count}} y" },
  });
});

test("the stored language wins over the browser's, and unknown ones become English", () => {
  expect(preferredLanguage("pt-BR", ["en-US"])).toBe("pt-BR");
  expect(preferredLanguage(null, ["de", "pt-PT", "en"])).toBe("pt-BR");
  expect(preferredLanguage("xx", ["ja"])).toBe("en");
});
