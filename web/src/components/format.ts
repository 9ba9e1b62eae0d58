// Numbers, times and durations as people read them, in the language of the interface.
import { useMemo } from "react";
import { useTranslation } from "react-i18next";

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Duration with at most two units: "850 ms", "1 m 12 s", "2 h 5 m". */
export function formatDuration(seconds: number): string {
  if (seconds < 0) return formatDuration(0);
  if (seconds < 1) return `${String(Math.round(seconds * 1000))} ms`;
  const whole = Math.round(seconds);
  if (whole < MINUTE) return `${String(whole)} s`;
  if (whole < HOUR) return units(whole, MINUTE, "m", 1, "s");
  if (whole < DAY) return units(whole, HOUR, "h", MINUTE, "m");
  return units(whole, DAY, "d", HOUR, "h");
}

function units(seconds: number, large: number, largeUnit: string, small: number, smallUnit: string): string {
  const rest = Math.floor((seconds % large) / small);
  const first = `${String(Math.floor(seconds / large))} ${largeUnit}`;
  return rest === 0 ? first : `${first} ${String(rest)} ${smallUnit}`;
}

export interface Format {
  count: (value: number) => string;
  /** A metric between 0 and 1, with two decimals. */
  ratio: (value: number | null | undefined) => string;
  percent: (value: number) => string;
  signed: (value: number) => string;
  /** A number with this many decimals. */
  fixed: (value: number, decimals: number) => string;
  bytes: (value: number) => string;
  relative: (time: string) => string;
  absolute: (time: string) => string;
}

export function createFormat(language: string, now: () => number = Date.now): Format {
  const count = new Intl.NumberFormat(language);
  const ratio = new Intl.NumberFormat(language, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  const percent = new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 0 });
  const signed = new Intl.NumberFormat(language, { minimumFractionDigits: 3, maximumFractionDigits: 3, signDisplay: "exceptZero" });
  const size = new Intl.NumberFormat(language, { maximumFractionDigits: 1 });
  const relative = new Intl.RelativeTimeFormat(language, { numeric: "always", style: "short" });
  const absolute = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "medium" });
  return {
    count: (value) => count.format(value),
    ratio: (value) => (value === null || value === undefined ? "–" : ratio.format(value)),
    percent: (value) => percent.format(value),
    signed: (value) => signed.format(value),
    fixed: (value, decimals) =>
      new Intl.NumberFormat(language, { minimumFractionDigits: decimals, maximumFractionDigits: decimals }).format(value),
    bytes: (value) => {
      const names = ["B", "KiB", "MiB", "GiB", "TiB"];
      let index = 0;
      let rest = value;
      while (rest >= 1024 && index < names.length - 1) {
        rest /= 1024;
        index += 1;
      }
      return `${size.format(rest)} ${names[index] ?? ""}`;
    },
    relative: (time) => {
      const seconds = (Date.parse(time) - now()) / 1000;
      const distance = Math.abs(seconds);
      if (distance < MINUTE) return relative.format(Math.round(seconds), "second");
      if (distance < HOUR) return relative.format(Math.round(seconds / MINUTE), "minute");
      if (distance < DAY) return relative.format(Math.round(seconds / HOUR), "hour");
      if (distance < 30 * DAY) return relative.format(Math.round(seconds / DAY), "day");
      return relative.format(Math.round(seconds / (30 * DAY)), "month");
    },
    absolute: (time) => absolute.format(new Date(time)),
  };
}

export function useFormat(): Format {
  const { i18n } = useTranslation();
  return useMemo(() => createFormat(i18n.language), [i18n.language]);
}
