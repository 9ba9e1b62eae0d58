// A graph from left to right: columns of nodes, and lines between nodes of neighbouring columns.
import type { ReactNode } from "react";

import classes from "./lineage-graph.module.css";

export interface LineageNode {
  key: string;
  content: ReactNode;
  detail?: ReactNode;
  /** Whether the node belongs to what the graph is about. */
  active?: boolean;
}

export interface LineageColumn {
  title: string;
  nodes: readonly LineageNode[];
}

const NODE_WIDTH = 190;
const NODE_HEIGHT = 54;
const GAP_X = 44;
const GAP_Y = 10;
const TOP = 26;

export function LineageGraph({
  label,
  columns,
  edges,
}: {
  label: string;
  columns: readonly LineageColumn[];
  edges: readonly (readonly [string, string])[];
}) {
  const rows = Math.max(1, ...columns.map((column) => column.nodes.length));
  const width = columns.length * NODE_WIDTH + (columns.length - 1) * GAP_X;
  const height = TOP + rows * NODE_HEIGHT + (rows - 1) * GAP_Y;
  const places = new Map<string, { x: number; y: number; active: boolean }>();
  columns.forEach((column, columnIndex) => {
    const used = column.nodes.length * NODE_HEIGHT + (column.nodes.length - 1) * GAP_Y;
    const start = TOP + (height - TOP - used) / 2;
    column.nodes.forEach((node, index) => {
      places.set(node.key, {
        x: columnIndex * (NODE_WIDTH + GAP_X),
        y: start + index * (NODE_HEIGHT + GAP_Y),
        active: node.active === true,
      });
    });
  });
  return (
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <div className={classes["scroll"]} role="region" aria-label={label} tabIndex={0}>
      <div className={classes["graph"]} style={{ width, height }}>
        <svg width={width} height={height} aria-hidden className={classes["lines"]}>
          {edges.map(([from, to]) => {
            const start = places.get(from);
            const end = places.get(to);
            if (start === undefined || end === undefined) return null;
            const [x1, y1, x2, y2] = [start.x + NODE_WIDTH, start.y + NODE_HEIGHT / 2, end.x, end.y + NODE_HEIGHT / 2];
            const middle = (x1 + x2) / 2;
            return (
              <path
                key={`${from} ${to}`}
                d={`M${String(x1)} ${String(y1)}C${String(middle)} ${String(y1)} ${String(middle)} ${String(y2)} ${String(x2)} ${String(y2)}`}
                data-active={start.active && end.active}
              />
            );
          })}
        </svg>
        {columns.map((column, index) => (
          <section key={column.title} aria-label={column.title}>
            <div className={classes["title"]} style={{ left: index * (NODE_WIDTH + GAP_X), width: NODE_WIDTH }}>
              {column.title}
            </div>
            {column.nodes.map((node) => {
              const place = places.get(node.key);
              return (
                <div
                  key={node.key}
                  className={classes["node"]}
                  data-active={node.active === true}
                  style={{ left: place?.x, top: place?.y, width: NODE_WIDTH, height: NODE_HEIGHT }}
                >
                  <div className={classes["content"]}>{node.content}</div>
                  {node.detail !== undefined && <div className={classes["detail"]}>{node.detail}</div>}
                </div>
              );
            })}
          </section>
        ))}
      </div>
    </div>
  );
}
