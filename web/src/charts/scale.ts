// Linear scales of charts.
import { ticks } from "d3-array";

export interface Scale {
  (value: number): number;
  ticks: number[];
}

export function linear(domain: readonly [number, number], range: readonly [number, number], count = 5): Scale {
  const [low, high] = domain;
  const width = high === low ? 1 : high - low;
  const scale = (value: number): number => range[0] + ((value - low) / width) * (range[1] - range[0]);
  return Object.assign(scale, { ticks: ticks(low, high, count) });
}

export function path(points: readonly { x: number; y: number }[]): string {
  return points.map((point, index) => `${index === 0 ? "M" : "L"}${point.x.toFixed(1)} ${point.y.toFixed(1)}`).join("");
}

/** Smallest range that contains all values, with a little room. */
export function extent(values: readonly number[]): [number, number] {
  const low = Math.min(...values);
  const high = Math.max(...values);
  return low === high ? [low - 0.5, high + 0.5] : [low, high];
}
