// Axes of a chart: horizontal lines, the labels of both axes, and the name of the horizontal one.
import classes from "./chart.module.css";
import type { Scale } from "./scale";

/** Size of a chart and its margins, in units of the drawing. */
export interface Frame {
  width: number;
  height: number;
  left: number;
  right: number;
  bottom: number;
  /** Space below the name of the horizontal axis. */
  below: number;
}

interface AxesProps {
  frame: Frame;
  x: Scale;
  y: Scale;
  xLabel: string;
  formatX: (value: number) => string;
  formatY: (value: number) => string;
}

export function Axes({ frame, x, y, xLabel, formatX, formatY }: AxesProps) {
  const { width, height, left, right, bottom, below } = frame;
  return (
    <>
      {y.ticks.map((tick) => (
        <g key={tick}>
          <line x1={left} x2={width - right} y1={y(tick)} y2={y(tick)} className={classes["grid"]} />
          <text x={left - 6} y={y(tick) + 4} textAnchor="end">
            {formatY(tick)}
          </text>
        </g>
      ))}
      {x.ticks.map((tick) => (
        <text key={tick} x={x(tick)} y={height - bottom + 15} textAnchor="middle">
          {formatX(tick)}
        </text>
      ))}
      <text x={(left + width) / 2} y={height - below} textAnchor="middle">
        {xLabel}
      </text>
    </>
  );
}
