// Places in a text: matches, and offsets as the API counts them.

export interface Range {
  start: number;
  end: number;
}

export interface Segment {
  text: string;
  /** Position of the mark that the segment belongs to; undefined outside of marks. */
  mark: number | undefined;
}

const MATCH_LIMIT = 500;

function pattern(phrase: string): string {
  const words = phrase
    .trim()
    .split(/\s+/)
    .filter((word) => word !== "");
  return words.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("\\s+");
}

/** All places of any of the phrases, whatever their case and white space, in order. Offsets are in UTF-16 units. */
export function findAll(text: string, ...phrases: readonly string[]): Range[] {
  const patterns = phrases
    .map(pattern)
    .filter((source) => source !== "")
    .sort((left, right) => right.length - left.length);
  if (patterns.length === 0) return [];
  const found: Range[] = [];
  for (const match of text.matchAll(new RegExp(patterns.join("|"), "giu"))) {
    found.push({ start: match.index, end: match.index + match[0].length });
    if (found.length === MATCH_LIMIT) break;
  }
  return found;
}

/** The text cut at the marks, which are in order and do not overlap. */
export function segments(text: string, marks: readonly Range[]): Segment[] {
  const parts: Segment[] = [];
  let position = 0;
  marks.forEach((mark, index) => {
    if (mark.start < position) return;
    if (mark.start > position) parts.push({ text: text.slice(position, mark.start), mark: undefined });
    parts.push({ text: text.slice(mark.start, mark.end), mark: index });
    position = mark.end;
  });
  if (position < text.length) parts.push({ text: text.slice(position), mark: undefined });
  return parts;
}

/** Offset in code points, as the API counts, of one in UTF-16 units. */
export function toCodePoints(text: string, offset: number): number {
  let count = 0;
  for (const character of text.slice(0, offset)) if (character !== "") count += 1;
  return count;
}

/** Offset in UTF-16 units of one in code points; beyond the text, its length. */
export function fromCodePoints(text: string, offset: number): number {
  let units = 0;
  let count = 0;
  for (const character of text) {
    if (count === offset) break;
    units += character.length;
    count += 1;
  }
  return units;
}

const DATE = /^(\d{4})-(\d{2})-(\d{2})$/;
const MONTH_LANGUAGES = ["en", "pt-BR", "de", "es", "fr"];

/** How a value may be written in a text: a date also with dots, slashes, and the name of its month. */
export function spellings(value: string): string[] {
  const match = DATE.exec(value);
  const [, year, month, day] = match ?? [];
  if (year === undefined || month === undefined || day === undefined) return [value];
  const d = String(Number(day));
  const m = String(Number(month));
  const numeric = [".", "/", "-"].flatMap((mark) => [
    `${day}${mark}${month}${mark}${year}`,
    `${d}${mark}${m}${mark}${year}`,
    `${month}${mark}${day}${mark}${year}`,
  ]);
  const date = new Date(Date.UTC(Number(year), Number(month) - 1, Number(day)));
  const named = MONTH_LANGUAGES.flatMap((language) => {
    const name = new Intl.DateTimeFormat(language, { month: "long", timeZone: "UTC" }).format(date);
    return [`${name} ${d}, ${year}`, `${d} ${name} ${year}`, `${d}. ${name} ${year}`, `${d} de ${name} de ${year}`];
  });
  return [...new Set([value, ...numeric, ...named])];
}

/** Places of any of the values in the text, in order. */
export function findValues(text: string, values: readonly string[]): Range[] {
  return findAll(text, ...values.flatMap(spellings));
}

const BLOCK_CHARS = 8_000;

/** Segments in blocks that end with a line, so that the browser lays out only the visible ones of a long text. */
export function blocks(parts: readonly Segment[], size = BLOCK_CHARS): Segment[][] {
  const result: Segment[][] = [[]];
  let length = 0;
  for (const part of parts) {
    let rest = part.text;
    while (rest !== "") {
      const isCut = part.mark === undefined && length + rest.length > size;
      const end = isCut ? rest.indexOf("\n", Math.max(0, size - length)) + 1 : 0;
      const text = end === 0 ? rest : rest.slice(0, end);
      result.at(-1)?.push({ text, mark: part.mark });
      length += text.length;
      rest = rest.slice(text.length);
      if (end !== 0 && rest !== "") {
        result.push([]);
        length = 0;
      }
    }
  }
  return result;
}
