// Accuracy of what is answered over the share that is answered, with a target that can be moved.
import { useState } from "react";
import { useTranslation } from "react-i18next";

import { useFormat } from "../components/format";
import { Axes, type Frame } from "./axes";
import classes from "./chart.module.css";
import { ChartTable } from "./chart-table";
import { linear, path } from "./scale";

interface Point {
  threshold: number;
  coverage: number;
  accuracy: number;
}

const FRAME: Frame = { width: 520, height: 260, left: 46, right: 10, bottom: 38, below: 6 };

/** The point with the greatest coverage whose accuracy is at least `target`. */
export function bestCoverage(points: readonly Point[], target: number): Point | undefined {
  return points
    .filter((point) => point.accuracy >= target)
    .reduce<Point | undefined>((best, point) => (best === undefined || point.coverage > best.coverage ? point : best), undefined);
}

export function CoverageChart({ points, target }: { points: readonly Point[]; target: number }) {
  const { t } = useTranslation();
  const format = useFormat();
  const [chosen, setChosen] = useState(target);
  const lowest = Math.floor(Math.min(chosen, target, ...points.map((point) => point.accuracy)) * 10) / 10;
  const x = linear([0, 1], [FRAME.left, FRAME.width - FRAME.right]);
  const y = linear([lowest, 1], [FRAME.height - FRAME.bottom, 10]);
  const reached = bestCoverage(points, chosen);
  return (
    <figure aria-label={t("metric.coverageCurve")}>
      <svg
        viewBox={`0 0 ${String(FRAME.width)} ${String(FRAME.height)}`}
        className={classes["chart"]}
        role="img"
        aria-label={t("metric.coverageCurve")}
      >
        <Axes frame={FRAME} x={x} y={y} xLabel={t("metric.coverage")} formatX={format.percent} formatY={format.ratio} />
        <line
          x1={FRAME.left}
          x2={FRAME.width - FRAME.right}
          y1={y(chosen)}
          y2={y(chosen)}
          stroke="var(--chart-2)"
          strokeDasharray="5 4"
          strokeWidth={1.5}
        />
        <path
          d={path(points.map((point) => ({ x: x(point.coverage), y: y(point.accuracy) })))}
          fill="none"
          stroke="var(--chart-1)"
          strokeWidth={2}
        />
        {reached !== undefined && <circle cx={x(reached.coverage)} cy={y(reached.accuracy)} r={5} fill="var(--chart-2)" />}
      </svg>
      <label className={classes["handle"]}>
        {t("metric.target")}
        <input
          type="range"
          min={0.5}
          max={1}
          step={0.01}
          value={chosen}
          onChange={(event) => {
            setChosen(Number(event.currentTarget.value));
          }}
        />
        <output>{format.ratio(chosen)}</output>
      </label>
      <div role="status" className="dimmed">
        {reached === undefined
          ? t("metric.targetMissed", { target: format.ratio(chosen) })
          : t("metric.targetReached", {
              target: format.ratio(chosen),
              coverage: format.percent(reached.coverage),
              threshold: format.fixed(reached.threshold, 3),
            })}
      </div>
      <ChartTable
        label={t("metric.coverageCurve")}
        columns={[t("metric.coverage"), t("metric.accuracy"), t("metric.threshold")]}
        rows={points.map((point) => [format.percent(point.coverage), format.ratio(point.accuracy), format.fixed(point.threshold, 4)])}
      />
    </figure>
  );
}
