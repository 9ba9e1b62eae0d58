// A table of many rows: only the visible ones are in the page, and the next ones load when the end comes into view.
import { Checkbox } from "@mantine/core";
import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { type ReactNode, useEffect, useLayoutEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";

import classes from "./data-table.module.css";

export interface Column<Row> {
  key: string;
  label: string;
  cell: (row: Row) => ReactNode;
  /** Numbers are aligned to the right. */
  numeric?: boolean;
  /** Hidden on narrow screens. */
  optional?: boolean;
  grow?: boolean;
}

interface Selection<Row> {
  selected: ReadonlySet<string>;
  change: (selected: ReadonlySet<string>) => void;
  name: (row: Row) => string;
  /** Whether all rows can be selected at once. */
  all: boolean;
}

interface DataTableProps<Row> {
  label: string;
  columns: readonly Column<Row>[];
  rows: readonly Row[];
  rowKey: (row: Row) => string;
  selection?: Selection<Row> | undefined;
  more?: { available: boolean; loading: boolean; load: () => void };
}

const ROW_HEIGHT = 37;

export function DataTable<Row>({ label, columns, rows, rowKey, selection, more }: DataTableProps<Row>) {
  const { t } = useTranslation();
  const body = useRef<HTMLDivElement>(null);
  const [offset, setOffset] = useState(0);
  useLayoutEffect(() => {
    setOffset(body.current?.offsetTop ?? 0);
  }, []);
  const virtualizer = useWindowVirtualizer({ count: rows.length, estimateSize: () => ROW_HEIGHT, overscan: 12, scrollMargin: offset });
  const items = virtualizer.getVirtualItems();
  const last = items.at(-1)?.index ?? 0;
  const isNearEnd = last >= rows.length - 10;
  const load = more?.load;
  const canLoad = more?.available === true && !more.loading;
  useEffect(() => {
    if (isNearEnd && canLoad) load?.();
  }, [isNearEnd, canLoad, load]);

  const before = (items[0]?.start ?? offset) - offset;
  const after = virtualizer.getTotalSize() - (items.at(-1)?.end ?? offset) + offset;
  const span = columns.length + (selection === undefined ? 0 : 1);
  const toggle = (key: string): void => {
    const next = new Set(selection?.selected);
    if (!next.delete(key)) next.add(key);
    selection?.change(next);
  };
  return (
    <div ref={body} className={classes["scroll"]}>
      <table className={classes["table"]} aria-label={label} aria-rowcount={rows.length}>
        <thead>
          <tr>
            {selection !== undefined && (
              <th scope="col" className={classes["select"]}>
                {selection.all && (
                  <Checkbox
                    aria-label={t("common.selectAll")}
                    checked={rows.length > 0 && selection.selected.size === rows.length}
                    indeterminate={selection.selected.size > 0 && selection.selected.size < rows.length}
                    onChange={(event) => {
                      selection.change(new Set(event.currentTarget.checked ? rows.map(rowKey) : []));
                    }}
                  />
                )}
              </th>
            )}
            {columns.map((column) => (
              <th key={column.key} scope="col" data-numeric={column.numeric} data-optional={column.optional} data-grow={column.grow}>
                {column.label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {before > 0 && (
            <tr aria-hidden="true" className={classes["spacer"]}>
              <td colSpan={span} style={{ height: before }} />
            </tr>
          )}
          {items.map((item) => {
            const row = rows[item.index];
            if (row === undefined) return null;
            const key = rowKey(row);
            return (
              <tr key={key} data-selected={selection?.selected.has(key)} data-row={key}>
                {selection !== undefined && (
                  <td className={classes["select"]}>
                    <Checkbox
                      aria-label={t("common.select", { name: selection.name(row) })}
                      checked={selection.selected.has(key)}
                      onChange={() => {
                        toggle(key);
                      }}
                    />
                  </td>
                )}
                {columns.map((column) => (
                  <td key={column.key} data-numeric={column.numeric} data-optional={column.optional} data-grow={column.grow}>
                    {column.cell(row)}
                  </td>
                ))}
              </tr>
            );
          })}
          {after > 0 && (
            <tr aria-hidden="true" className={classes["spacer"]}>
              <td colSpan={span} style={{ height: after }} />
            </tr>
          )}
        </tbody>
      </table>
      {more?.loading === true && (
        <div className={classes["loading"]} aria-live="polite">
          {t("common.loading")}
        </div>
      )}
    </div>
  );
}
