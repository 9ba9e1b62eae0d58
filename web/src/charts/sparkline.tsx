// A small line without axes: the course of one number.
import { extent, linear, path } from "./scale";

export function Sparkline({
  values,
  label,
  width = 120,
  height = 26,
}: {
  values: readonly number[];
  label: string;
  width?: number;
  height?: number;
}) {
  const x = linear([0, Math.max(values.length - 1, 1)], [4, width - 4]);
  const y = linear(extent(values), [height - 4, 4]);
  const points = values.map((value, index) => ({ x: x(index), y: y(value) }));
  const last = points.at(-1);
  return (
    <svg
      width={width}
      height={height}
      viewBox={`0 0 ${String(width)} ${String(height)}`}
      role="img"
      aria-label={`${label}: ${values.map((value) => value.toFixed(2)).join(", ")}`}
    >
      <path d={path(points)} fill="none" stroke="var(--chart-1)" strokeWidth={1.5} />
      {last !== undefined && <circle cx={last.x} cy={last.y} r={2.5} fill="var(--chart-1)" />}
    </svg>
  );
}
