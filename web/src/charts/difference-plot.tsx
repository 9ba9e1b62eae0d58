// A difference with its interval around zero; the dashed line is the margin that a loss may not exceed.
import { useTranslation } from "react-i18next";

import { useFormat } from "../components/format";
import { linear } from "./scale";

interface DifferencePlotProps {
  value: number;
  interval: { low: number; high: number } | undefined;
  margin: number;
  limit: number;
}

export function DifferencePlot({ value, interval, margin, limit }: DifferencePlotProps) {
  const { t } = useTranslation();
  const format = useFormat();
  const x = linear([-limit, limit], [4, 136]);
  const text =
    interval === undefined
      ? format.signed(value)
      : t("gate.interval", { value: format.signed(value), low: format.signed(interval.low), high: format.signed(interval.high) });
  return (
    <svg width={140} height={18} viewBox="0 0 140 18" role="img" aria-label={text}>
      <title>{text}</title>
      <line x1={4} x2={136} y1={9} y2={9} stroke="var(--chart-grid)" />
      <line x1={x(0)} x2={x(0)} y1={1} y2={17} stroke="var(--mantine-color-dimmed)" />
      {margin < limit && <line x1={x(-margin)} x2={x(-margin)} y1={1} y2={17} stroke="var(--chart-2)" strokeDasharray="2 2" />}
      {interval !== undefined && (
        <line x1={x(interval.low)} x2={x(interval.high)} y1={9} y2={9} stroke="var(--chart-1)" strokeWidth={3} strokeLinecap="round" />
      )}
      <circle cx={x(value)} cy={9} r={4} fill="var(--chart-1)" />
    </svg>
  );
}
