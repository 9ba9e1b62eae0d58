// Lines over a common axis.
import { useFormat } from "../components/format";
import classes from "./chart.module.css";
import { ChartTable } from "./chart-table";
import { extent, linear, path } from "./scale";

export interface Series {
  name: string;
  points: readonly { x: number; y: number }[];
}

const WIDTH = 560;
const HEIGHT = 200;
const LEFT = 46;
const BOTTOM = 34;
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
  const x = linear(extent(all.map((point) => point.x)), [LEFT, WIDTH - 8]);
  const values = all.map((point) => point.y);
  const y = linear(counts ? [0, Math.max(4, ...values)] : extent(values), [HEIGHT - BOTTOM, 8], 4);
  return (
    <figure aria-label={label}>
      <svg viewBox={`0 0 ${String(WIDTH)} ${String(HEIGHT)}`} className={classes["chart"]} role="img" aria-label={label}>
        {y.ticks.map((tick) => (
          <g key={tick}>
            <line x1={LEFT} x2={WIDTH - 8} y1={y(tick)} y2={y(tick)} className={classes["grid"]} />
            <text x={LEFT - 6} y={y(tick) + 4} textAnchor="end">
              {counts ? format.count(tick) : tick.toPrecision(2)}
            </text>
          </g>
        ))}
        {x.ticks.map((tick) => (
          <text key={tick} x={x(tick)} y={HEIGHT - BOTTOM + 15} textAnchor="middle">
            {format.count(tick)}
          </text>
        ))}
        <text x={(LEFT + WIDTH) / 2} y={HEIGHT - 4} textAnchor="middle">
          {xLabel}
        </text>
        <text x={LEFT + 6} y={16}>
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
