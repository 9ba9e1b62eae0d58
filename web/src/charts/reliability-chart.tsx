// Accuracy per bin of confidence: on the diagonal, confidences are as reliable as they claim.
import { useTranslation } from "react-i18next";

import { useFormat } from "../components/format";
import { Axes, type Frame } from "./axes";
import classes from "./chart.module.css";
import { ChartTable } from "./chart-table";
import { linear } from "./scale";

interface Bin {
  low: number;
  high: number;
  confidence: number;
  accuracy: number;
  count: number;
}

const FRAME: Frame = { width: 520, height: 260, left: 46, right: 10, bottom: 38, below: 6 };

export function ReliabilityChart({ bins }: { bins: readonly Bin[] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const x = linear([0, 1], [FRAME.left, FRAME.width - FRAME.right]);
  // the numbers above bars of full height need room
  const y = linear([0, 1], [FRAME.height - FRAME.bottom, 18]);
  const largest = Math.max(1, ...bins.map((bin) => bin.count));
  return (
    <figure aria-label={t("metric.reliability")}>
      <svg
        viewBox={`0 0 ${String(FRAME.width)} ${String(FRAME.height)}`}
        className={classes["chart"]}
        role="img"
        aria-label={t("metric.reliability")}
      >
        <Axes frame={FRAME} x={x} y={y} xLabel={t("metric.confidence")} formatX={format.ratio} formatY={format.ratio} />
        <line x1={x(0)} y1={y(0)} x2={x(1)} y2={y(1)} stroke="var(--mantine-color-dimmed)" strokeDasharray="4 4" />
        {bins.map((bin) => (
          <g key={bin.low} opacity={0.45 + 0.55 * Math.sqrt(bin.count / largest)}>
            <rect
              x={x(bin.low) + 3}
              width={x(bin.high) - x(bin.low) - 6}
              y={y(bin.accuracy)}
              height={y(0) - y(bin.accuracy)}
              fill="var(--chart-1)"
              rx={2}
            />
            <text x={(x(bin.low) + x(bin.high)) / 2} y={y(bin.accuracy) - 4} textAnchor="middle">
              {bin.count}
            </text>
          </g>
        ))}
      </svg>
      <div className="dimmed">{t("metric.reliabilityHelp")}</div>
      <ChartTable
        label={t("metric.reliability")}
        columns={[t("metric.confidence"), t("metric.meanConfidence"), t("metric.accuracy"), "n"]}
        rows={bins.map((bin) => [
          `${format.ratio(bin.low)}–${format.ratio(bin.high)}`,
          format.ratio(bin.confidence),
          format.ratio(bin.accuracy),
          bin.count,
        ])}
      />
    </figure>
  );
}
