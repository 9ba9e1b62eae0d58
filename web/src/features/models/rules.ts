// The rules of a model as a form: what is typed, and the request that it makes.
import { asNumber, asObject } from "../../api/json";
import type { Schemas } from "../../api/problem";

export const GATE_METRICS = [
  "accuracy",
  "macro_f1",
  "weighted_f1",
  "coverage",
  "selective_accuracy",
] as const satisfies readonly Schemas["GateMetric"][];
export const POLICIES = ["manual", "automatic", "approval"] as const satisfies readonly Schemas["PromotionPolicy"][];
export const FIRST_VERSIONS = ["auto", "manual"] as const satisfies readonly Schemas["FirstVersion"][];

/** Numbers are kept as they are typed. */
export interface RulesForm {
  description: string;
  owner: string;
  promotion: Schemas["PromotionPolicy"];
  firstVersion: Schemas["FirstVersion"];
  metric: Schemas["GateMetric"];
  margin: string;
  minN: string;
  /** Empty = the coverage is not compared. */
  coverageMargin: string;
  fieldMargins: readonly { field: string; margin: string }[];
  shadowShare: string;
}

export type RulesError = "fraction" | "count" | "field" | "long";
export type RulesErrors = Partial<Record<keyof RulesForm, RulesError>>;

const DEFAULT_MARGIN = 0.02;
const DEFAULT_MIN_N = 200;

export function toRulesForm(settings: Schemas["ModelSettings"]): RulesForm {
  const gate = asObject(settings.gate);
  const metric = GATE_METRICS.find((name) => name === gate["metric"]);
  const coverage = asNumber(gate["coverage_margin"]);
  return {
    description: settings.description,
    owner: settings.owner ?? "",
    promotion: settings.promotion,
    firstVersion: settings.first_version,
    metric: metric ?? "accuracy",
    margin: String(asNumber(gate["margin"]) ?? DEFAULT_MARGIN),
    minN: String(asNumber(gate["min_n"]) ?? DEFAULT_MIN_N),
    coverageMargin: coverage === undefined ? "" : String(coverage),
    fieldMargins: Object.entries(asObject(gate["field_margins"])).map(([field, margin]) => ({ field, margin: String(margin) })),
    shadowShare: String(settings.shadow_share),
  };
}

/** A number from 0 to 1, as people type it. */
function fraction(text: string): number | undefined {
  const value = text.trim() === "" ? NaN : Number(text.trim().replace(",", "."));
  return value >= 0 && value <= 1 ? value : undefined;
}

function count(text: string): number | undefined {
  const value = text.trim() === "" ? NaN : Number(text.trim());
  return Number.isInteger(value) && value >= 1 ? value : undefined;
}

/** The request, or what is wrong with each input. */
export function readRules(form: RulesForm): { request: Schemas["SettingsRequest"] } | { errors: RulesErrors } {
  const errors: RulesErrors = {};
  const margin = fraction(form.margin);
  const minN = count(form.minN);
  const coverageMargin = form.coverageMargin.trim() === "" ? null : fraction(form.coverageMargin);
  const shadowShare = fraction(form.shadowShare);
  const fieldMargins = form.fieldMargins.map((entry) => ({ field: entry.field.trim(), margin: fraction(entry.margin) }));
  const names = fieldMargins.map((entry) => entry.field);
  if (margin === undefined) errors.margin = "fraction";
  if (minN === undefined) errors.minN = "count";
  if (coverageMargin === undefined) errors.coverageMargin = "fraction";
  if (shadowShare === undefined) errors.shadowShare = "fraction";
  if (names.some((name) => name === "") || new Set(names).size < names.length) errors.fieldMargins = "field";
  else if (fieldMargins.some((entry) => entry.margin === undefined)) errors.fieldMargins = "fraction";
  if ([...form.description].length > 4_000) errors.description = "long";
  if ([...form.owner].length > 200) errors.owner = "long";
  if (margin === undefined || minN === undefined || coverageMargin === undefined || shadowShare === undefined) return { errors };
  if (Object.keys(errors).length > 0) return { errors };
  return {
    request: {
      description: form.description,
      owner: form.owner.trim() === "" ? null : form.owner.trim(),
      promotion: form.promotion,
      first_version: form.firstVersion,
      shadow_share: shadowShare,
      gate: {
        metric: form.metric,
        margin,
        min_n: minN,
        coverage_margin: coverageMargin,
        field_margins: Object.fromEntries(fieldMargins.map((entry) => [entry.field, entry.margin ?? 0])),
      },
    },
  };
}
