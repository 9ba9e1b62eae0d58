// The data of a chart as a table: the alternative for people who do not see it.
import { useTranslation } from "react-i18next";

import classes from "./chart.module.css";

export function ChartTable({
  columns,
  rows,
  label,
}: {
  columns: readonly string[];
  rows: readonly (readonly (string | number)[])[];
  label: string;
}) {
  const { t } = useTranslation();
  return (
    <details className={classes["details"]}>
      <summary>{t("chart.asTable")}</summary>
      {/* the table scrolls, also by keyboard */}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <div className={classes["table"]} role="region" aria-label={label} tabIndex={0}>
        <table className="plain-table">
          <thead>
            <tr>
              {columns.map((column) => (
                <th key={column} scope="col" className="number">
                  {column}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((row, index) => (
              <tr key={index}>
                {row.map((cell, column) => (
                  <td key={column} className="number">
                    {cell}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}
