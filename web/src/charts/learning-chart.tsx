// Accuracy over the number of labels: measured points with intervals, and the forecast as a dashed line.
import { useTranslation } from "react-i18next";

import { useFormat } from "../components/format";
import { Axes, type Frame } from "./axes";
import classes from "./chart.module.css";
import { ChartTable } from "./chart-table";
import { linear, path } from "./scale";

interface LearningChartProps {
  label: string;
  points: readonly { labels: number; accuracy: number; interval: { low: number; high: number } | undefined }[];
  forecasts: readonly { labels: number; accuracy: number }[];
}

const FRAME: Frame = { width: 560, height: 220, left: 46, right: 12, bottom: 36, below: 4 };

export function LearningChart({ label, points, forecasts }: LearningChartProps) {
  const { t } = useTranslation();
  const format = useFormat();
  const last = points.at(-1);
  if (last === undefined) return null;
  const all = [...points, ...forecasts];
  const lows = points.map((point) => point.interval?.low ?? point.accuracy);
  const highs = [...points.map((point) => point.interval?.high ?? point.accuracy), ...forecasts.map((point) => point.accuracy)];
  const x = linear([0, Math.max(...all.map((point) => point.labels))], [FRAME.left, FRAME.width - FRAME.right]);
  const y = linear(
    [Math.floor(Math.min(...lows) * 20) / 20, Math.min(1, Math.ceil(Math.max(...highs) * 20) / 20)],
    [FRAME.height - FRAME.bottom, 8],
  );
  const place = (point: { labels: number; accuracy: number }) => ({ x: x(point.labels), y: y(point.accuracy) });
  return (
    <figure aria-label={label}>
      <svg viewBox={`0 0 ${String(FRAME.width)} ${String(FRAME.height)}`} className={classes["chart"]} role="img" aria-label={label}>
        <Axes frame={FRAME} x={x} y={y} xLabel={t("learning.labels")} formatX={format.count} formatY={format.ratio} />
        <path d={path(points.map(place))} fill="none" stroke="var(--chart-1)" strokeWidth={2} />
        <path d={path([last, ...forecasts].map(place))} fill="none" stroke="var(--chart-2)" strokeWidth={2} strokeDasharray="4 4" />
        {points.map((point) => (
          <g key={point.labels}>
            {point.interval !== undefined && (
              <line
                x1={x(point.labels)}
                x2={x(point.labels)}
                y1={y(point.interval.low)}
                y2={y(point.interval.high)}
                stroke="var(--chart-1)"
                strokeWidth={1.5}
              />
            )}
            <circle cx={x(point.labels)} cy={y(point.accuracy)} r={4} fill="var(--chart-1)">
              <title>{`${format.count(point.labels)}: ${format.ratio(point.accuracy)}`}</title>
            </circle>
          </g>
        ))}
        {forecasts.map((point) => (
          <circle key={point.labels} cx={x(point.labels)} cy={y(point.accuracy)} r={3.5} fill="var(--surface)" stroke="var(--chart-2)">
            <title>{`${t("learning.forecast")}: ${format.count(point.labels)}: ${format.ratio(point.accuracy)}`}</title>
          </circle>
        ))}
      </svg>
      <ChartTable
        label={label}
        columns={[t("learning.labels"), t("metric.accuracy"), t("metric.interval")]}
        rows={[
          ...points.map((point) => [
            format.count(point.labels),
            format.ratio(point.accuracy),
            point.interval === undefined ? "–" : `${format.ratio(point.interval.low)}–${format.ratio(point.interval.high)}`,
          ]),
          ...forecasts.map((point) => [format.count(point.labels), format.ratio(point.accuracy), t("learning.forecast")]),
        ]}
      />
    </figure>
  );
}
