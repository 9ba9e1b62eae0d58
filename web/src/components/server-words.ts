// Words that the server sends as codes or in English, in the language of the page.
import type { TFunction } from "i18next";

/** What the code of a failed run means; an unknown code as it is. */
export function failureText(t: TFunction, code: string): string {
  return t(`failure.${code as "worker_lost"}`, { defaultValue: code });
}

/** Who did something: the name of a key, or what acts without one. */
export function actorText(t: TFunction, actor: string): string {
  if (actor === "command line") return t("actor.commandLine");
  if (actor === "rule first_version") return t("actor.firstVersion");
  return actor.startsWith("rule ") ? t("actor.rule", { rule: actor.slice("rule ".length) }) : actor;
}
