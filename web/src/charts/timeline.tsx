// Bars on a time axis: running time is filled, waiting time is a thin line.
import { formatDuration } from "../components/format";
import classes from "./chart.module.css";
import { linear } from "./scale";

export interface TimelineBar {
  key: string;
  label: string;
  from: number;
  to: number;
  tone: "queued" | "running" | "succeeded" | "failed" | "cancelled" | "lost";
}

const WIDTH = 900;
const ROW = 30;
const LEFT = 90;

export function Timeline({
  label,
  waitingLabel,
  from,
  to,
  bars,
}: {
  label: string;
  waitingLabel: string;
  from: number;
  to: number;
  bars: readonly TimelineBar[];
}) {
  const end = Math.max(to, from + 1, ...bars.map((bar) => bar.to));
  const x = linear([0, (end - from) / 1000], [LEFT, WIDTH - 20]);
  const at = (time: number): number => x((time - from) / 1000);
  const height = bars.length * ROW + 26;
  return (
    <svg
      viewBox={`0 0 ${String(WIDTH)} ${String(height)}`}
      className={classes["chart"]}
      style={{ maxWidth: WIDTH, minWidth: 760 }}
      role="img"
      aria-label={label}
    >
      {x.ticks.map((tick) => (
        <g key={tick}>
          <line x1={x(tick)} x2={x(tick)} y1={4} y2={height - 22} className={classes["grid"]} />
          <text x={x(tick)} y={height - 6} textAnchor="middle">
            {Number.isInteger(tick) ? formatDuration(tick) : `${String(Math.round(tick * 1000))} ms`}
          </text>
        </g>
      ))}
      {bars.map((bar, index) => {
        const waitingFrom = index === 0 ? from : (bars[index - 1]?.to ?? from);
        const middle = index * ROW + 18;
        return (
          <g key={bar.key}>
            <text x={LEFT - 8} y={middle + 4} textAnchor="end">
              {bar.label}
            </text>
            <line x1={at(waitingFrom)} x2={at(bar.from)} y1={middle} y2={middle} stroke="var(--state-queued)" strokeDasharray="3 3">
              <title>{`${waitingLabel}: ${formatDuration((bar.from - waitingFrom) / 1000)}`}</title>
            </line>
            <rect
              x={at(bar.from)}
              y={middle - 8}
              width={Math.max(3, at(bar.to) - at(bar.from))}
              height={16}
              rx={3}
              fill={`var(--state-${bar.tone})`}
            >
              <title>{`${bar.label}: ${formatDuration((bar.to - bar.from) / 1000)}`}</title>
            </rect>
          </g>
        );
      })}
    </svg>
  );
}
