// Lines over a common axis.
import { useFormat } from "../components/format";
import { Axes, type Frame } from "./axes";
import classes from "./chart.module.css";
import { ChartTable } from "./chart-table";
import { extent, linear, path } from "./scale";

export interface Series {
  name: string;
  points: readonly { x: number; y: number }[];
}

const FRAME: Frame = { width: 560, height: 200, left: 46, right: 8, bottom: 34, below: 4 };
const COLOURS = ["--chart-1", "--chart-2", "--chart-3"];

interface LineChartProps {
  label: string;
  xLabel: string;
  yLabel: string;
  series: readonly Series[];
  /** The vertical axis begins at zero and counts whole things. */
  counts?: boolean;
}

export function LineChart({ label, xLabel, yLabel, series, counts = false }: LineChartProps) {
  const format = useFormat();
  const all = series.flatMap((line) => line.points);
  if (all.length === 0) return null;
  const x = linear(extent(all.map((point) => point.x)), [FRAME.left, FRAME.width - FRAME.right]);
  const values = all.map((point) => point.y);
  const y = linear(counts ? [0, Math.max(4, ...values)] : extent(values), [FRAME.height - FRAME.bottom, 8], 4);
  return (
    <figure aria-label={label}>
      <svg viewBox={`0 0 ${String(FRAME.width)} ${String(FRAME.height)}`} className={classes["chart"]} role="img" aria-label={label}>
        <Axes
          frame={FRAME}
          x={x}
          y={y}
          xLabel={xLabel}
          formatX={format.count}
          formatY={counts ? format.count : (tick) => tick.toPrecision(2)}
        />
        <text x={FRAME.left + 6} y={16}>
          {yLabel}
        </text>
        {series.map((line, index) => (
          <path
            key={line.name}
            d={path(line.points.map((point) => ({ x: x(point.x), y: y(point.y) })))}
            fill="none"
            stroke={`var(${COLOURS[index] ?? "--chart-1"})`}
            strokeWidth={2}
          />
        ))}
      </svg>
      {series.length > 1 && (
        <div className={classes["legend"]}>
          {series.map((line, index) => (
            <span key={line.name}>
              <span aria-hidden style={{ background: `var(${COLOURS[index] ?? "--chart-1"})` }} />
              {line.name}
            </span>
          ))}
        </div>
      )}
      <ChartTable
        label={label}
        columns={series.length > 1 ? [xLabel, yLabel, ""] : [xLabel, yLabel]}
        rows={series.flatMap((line) =>
          line.points.map((point) => [
            format.count(point.x),
            counts ? format.count(point.y) : point.y.toPrecision(4),
            ...(series.length > 1 ? [line.name] : []),
          ]),
        )}
      />
    </figure>
  );
}
