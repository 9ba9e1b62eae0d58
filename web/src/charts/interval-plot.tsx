// Values with their intervals, one row per item on a common axis.
import { useTranslation } from "react-i18next";

import { useFormat } from "../components/format";
import classes from "./chart.module.css";
import { ChartTable } from "./chart-table";
import { linear } from "./scale";

export interface IntervalRow {
  key: string;
  label: string;
  value: number | undefined;
  interval: { low: number; high: number } | undefined;
  /** Independent examples; with few of them the row is pale. */
  n: number | undefined;
}

const WIDTH = 560;
const ROW = 24;
const LEFT = 170;
const RIGHT = 56;
const FEW = 30;
const LABEL_CHARS = 26;

/** With `baseline`, a dashed line marks the value of the first row. */
export function IntervalPlot({ label, rows, baseline = true }: { label: string; rows: readonly IntervalRow[]; baseline?: boolean }) {
  const { t } = useTranslation();
  const format = useFormat();
  const values = rows.flatMap((row) => [row.value ?? [], row.interval === undefined ? [] : [row.interval.low, row.interval.high]].flat());
  if (values.length === 0) return null;
  const low = Math.max(0, Math.floor(Math.min(...values) * 20) / 20);
  const high = Math.min(1, Math.max(Math.ceil(Math.max(...values) * 20) / 20, low + 0.05));
  const x = linear([low, high], [LEFT, WIDTH - RIGHT]);
  const height = rows.length * ROW + 24;
  const first = baseline ? rows[0]?.value : undefined;
  return (
    <figure aria-label={label}>
      <svg viewBox={`0 0 ${String(WIDTH)} ${String(height)}`} className={classes["chart"]} role="img" aria-label={label}>
        {x.ticks.map((tick) => (
          <g key={tick}>
            <line x1={x(tick)} x2={x(tick)} y1={2} y2={height - 20} className={classes["grid"]} />
            <text x={x(tick)} y={height - 6} textAnchor="middle">
              {format.ratio(tick)}
            </text>
          </g>
        ))}
        {first !== undefined && (
          <line x1={x(first)} x2={x(first)} y1={2} y2={height - 20} stroke="var(--mantine-color-dimmed)" strokeDasharray="3 3" />
        )}
        {rows.map((row, index) => {
          const y = index * ROW + 14;
          return (
            <g key={row.key} opacity={row.n !== undefined && row.n < FEW ? 0.6 : 1}>
              <title>{describe(row, format.ratio)}</title>
              <text x={LEFT - 8} y={y + 4} textAnchor="end">
                {row.label.length > LABEL_CHARS ? `${row.label.slice(0, LABEL_CHARS - 1)}…` : row.label}
              </text>
              {row.interval !== undefined && (
                <line
                  x1={x(row.interval.low)}
                  x2={x(row.interval.high)}
                  y1={y}
                  y2={y}
                  stroke="var(--chart-1)"
                  strokeWidth={3}
                  strokeLinecap="round"
                />
              )}
              {row.value !== undefined && <circle cx={x(row.value)} cy={y} r={4.5} fill="var(--chart-1)" />}
              <text x={WIDTH - RIGHT + 10} y={y + 4}>
                {format.ratio(row.value)}
              </text>
            </g>
          );
        })}
      </svg>
      <ChartTable
        label={label}
        columns={[t("compare.item"), t("metric.value"), t("metric.interval"), "n"]}
        rows={rows.map((row) => [
          row.label,
          format.ratio(row.value),
          row.interval === undefined ? "–" : `${format.ratio(row.interval.low)}–${format.ratio(row.interval.high)}`,
          row.n === undefined ? "–" : format.count(row.n),
        ])}
      />
    </figure>
  );
}

function describe(row: IntervalRow, ratio: (value: number | undefined) => string): string {
  const interval = row.interval === undefined ? "" : ` (${ratio(row.interval.low)}–${ratio(row.interval.high)})`;
  return `${row.label}: ${ratio(row.value)}${interval}, n ${row.n === undefined ? "–" : String(row.n)}`;
}
