// Values that were typed but not saved. They survive a reload, a failed request and an expired session.

const PREFIX = "aprendiz-draft";

function name(document: string, field: string): string {
  return `${PREFIX} ${document} ${field}`;
}

/** All drafts of a document, by field. */
export function loadDrafts(document: string): Record<string, string> {
  const start = name(document, "");
  const found: Record<string, string> = {};
  for (let index = 0; index < sessionStorage.length; index += 1) {
    const key = sessionStorage.key(index) ?? "";
    if (key.startsWith(start)) found[key.slice(start.length)] = sessionStorage.getItem(key) ?? "";
  }
  return found;
}

export function storeDraft(document: string, field: string, text: string): void {
  sessionStorage.setItem(name(document, field), text);
}

export function removeDraft(document: string, field: string): void {
  sessionStorage.removeItem(name(document, field));
}
