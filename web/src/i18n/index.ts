// Languages of the interface. A language is loaded when it is chosen.
import i18next from "i18next";
import { initReactI18next } from "react-i18next";

import type { en, Plurals } from "./en";

export const LANGUAGES = ["en", "pt-BR"] as const;
export type Language = (typeof LANGUAGES)[number];
export type Dictionary = Plurals<typeof en>;

const STORAGE_KEY = "aprendiz-language";

declare module "i18next" {
  interface CustomTypeOptions {
    resources: { translation: typeof en };
  }
}

function isLanguage(value: string | null): value is Language {
  return LANGUAGES.some((language) => language === value);
}

/** The stored choice, else the first language of the browser that has a translation. */
export function preferredLanguage(stored: string | null, browser: readonly string[]): Language {
  if (isLanguage(stored)) return stored;
  for (const language of browser) {
    if (language.toLowerCase().startsWith("pt")) return "pt-BR";
    if (language.toLowerCase().startsWith("en")) return "en";
  }
  return "en";
}

async function load(language: Language): Promise<void> {
  if (i18next.hasResourceBundle(language, "translation")) return;
  const dictionary = language === "en" ? (await import("./en")).en : (await import("./pt")).pt;
  i18next.addResourceBundle(language, "translation", withMany(dictionary));
}

/** Portuguese has a plural form of its own for millions, which is spelled like the other plurals here. */
export function withMany(dictionary: object): object {
  return Object.fromEntries(
    Object.entries(dictionary).flatMap(([key, value]: [string, unknown]) => {
      if (typeof value === "object" && value !== null) return [[key, withMany(value)]];
      return key.endsWith("_other")
        ? [
            [key, value],
            [key.replace(/_other$/, "_many"), value],
          ]
        : [[key, value]];
    }),
  );
}

export async function startI18n(): Promise<void> {
  const language = preferredLanguage(localStorage.getItem(STORAGE_KEY), navigator.languages);
  await i18next.use(initReactI18next).init({
    lng: language,
    fallbackLng: false,
    resources: {},
    interpolation: { escapeValue: false },
    returnNull: false,
  });
  await load(language);
  await i18next.changeLanguage(language);
  document.documentElement.lang = language;
}

export async function chooseLanguage(language: Language): Promise<void> {
  await load(language);
  localStorage.setItem(STORAGE_KEY, language);
  await i18next.changeLanguage(language);
  document.documentElement.lang = language;
}
