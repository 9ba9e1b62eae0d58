// Table of the fields with their metrics.
import { Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";

import { ScrollRegion } from "../../components/scroll-region";
import { useFormat } from "../../components/format";
import classes from "./metrics.module.css";
import type { FieldSummary } from "./metrics";

const FEW = 30;

export function FieldMetricsTable({
  runId,
  summaries,
  active,
  encoder = false,
}: {
  runId: string;
  summaries: readonly FieldSummary[];
  active?: string | undefined;
  encoder?: boolean;
}) {
  const { t } = useTranslation();
  const format = useFormat();
  return (
    <ScrollRegion label={t("runs.tab.metrics")}>
      <table className="plain-table">
        <thead>
          <tr>
            <th scope="col">{t("runs.field")}</th>
            <th scope="col" className="number">
              {encoder ? t("metric.knn") : t("metric.accuracy")}
            </th>
            <th scope="col">{t("metric.interval")}</th>
            <th scope="col" className="number">
              {t("metric.macro_f1")}
            </th>
            <th scope="col" className="number">
              {t("metric.coverage")}
            </th>
            <th scope="col" className="number">
              {t("metric.selective_accuracy")}
            </th>
            <th scope="col" className="number">
              {encoder ? t("metric.baseModel") : t("metric.baseline")}
            </th>
            <th scope="col" className="number">
              n
            </th>
          </tr>
        </thead>
        <tbody>
          {summaries.map((row) => (
            <tr
              key={row.field}
              className={row.n !== undefined && row.n < FEW ? classes["few"] : undefined}
              data-active={row.field === active}
            >
              <th scope="row" className={classes["rowHead"]}>
                <Link to="/runs/$runId" params={{ runId }} search={{ tab: "metrics", field: row.field }}>
                  {row.field}
                </Link>
              </th>
              <td className="number">{format.ratio(row.accuracy)}</td>
              <td>
                {row.interval === undefined ? (
                  "–"
                ) : (
                  <IntervalBar low={row.interval.low} high={row.interval.high} value={row.accuracy} baseline={row.baseline} />
                )}
              </td>
              <td className="number">{format.ratio(row.macroF1)}</td>
              <td className="number">{row.coverage === undefined ? "–" : format.percent(row.coverage)}</td>
              <td className="number">{format.ratio(row.selectiveAccuracy)}</td>
              <td className="number">{format.ratio(row.baseline)}</td>
              <td className="number" title={row.examples === undefined ? undefined : t("metric.examples", { count: row.examples })}>
                {row.n === undefined ? "–" : format.count(row.n)}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </ScrollRegion>
  );
}

function IntervalBar({
  low,
  high,
  value,
  baseline,
}: {
  low: number;
  high: number;
  value: number | undefined;
  baseline: number | undefined;
}) {
  const { t } = useTranslation();
  const format = useFormat();
  const text = t("metric.intervalText", { low: format.ratio(low), high: format.ratio(high) });
  return (
    <span className={classes["interval"]}>
      <svg width={110} height={14} viewBox="0 0 110 14" role="img" aria-label={text}>
        <title>{text}</title>
        <line x1={5} x2={105} y1={7} y2={7} stroke="var(--chart-grid)" />
        {baseline !== undefined && (
          <line x1={5 + baseline * 100} x2={5 + baseline * 100} y1={2} y2={12} stroke="var(--mantine-color-dimmed)" strokeDasharray="2 2" />
        )}
        <line x1={5 + low * 100} x2={5 + high * 100} y1={7} y2={7} stroke="var(--chart-1)" strokeWidth={3} strokeLinecap="round" />
        {value !== undefined && <circle cx={5 + value * 100} cy={7} r={4} fill="var(--chart-1)" />}
      </svg>
      <span>{`${format.ratio(low)}–${format.ratio(high)}`}</span>
    </span>
  );
}
