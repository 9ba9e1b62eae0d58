// Metrics of the slices of a field: one plot per dimension, and the slices that are significantly worse.
import { Alert, Select, Text } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import type { Schemas } from "../../api/problem";
import { IntervalPlot } from "../../charts/interval-plot";
import { useFormat } from "../../components/format";
import { Panel } from "../../components/page";
import { ScrollRegion } from "../../components/scroll-region";
import { sliceDimensions, worstSlices } from "./learning";
import classes from "./metrics.module.css";

const FEW = 30;

export function SlicesPanel({ runId, field, metrics }: { runId: string; field: string; metrics: readonly Schemas["Metric"][] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const dimensions = sliceDimensions(metrics, field);
  const worst = worstSlices(metrics);
  const [chosen, setChosen] = useState<string | null>(null);
  const dimension = dimensions.find((entry) => entry.dimension === chosen) ?? dimensions[0];
  if (dimension === undefined) return null;
  const search = (slice: string, name: string = field) => ({ tab: "errors" as const, field: name, slice });
  return (
    <Panel
      title={t("slices.title")}
      actions={
        <Select
          aria-label={t("slices.dimension")}
          data={dimensions.map((entry) => entry.dimension)}
          value={dimension.dimension}
          allowDeselect={false}
          w={200}
          onChange={setChosen}
        />
      }
    >
      {worst.map((slice) => (
        <Alert key={`${slice.field} ${slice.dimension} ${slice.value}`} color="yellow" p="xs" mb="xs">
          <Link to="/runs/$runId" params={{ runId }} search={search(`${slice.dimension}:${slice.value}`, slice.field)}>
            {t("slices.worst", {
              field: slice.field,
              slice: `${slice.dimension}:${slice.value}`,
              accuracy: format.ratio(slice.accuracy),
              n: format.count(slice.n),
            })}
          </Link>
        </Alert>
      ))}
      <div className={classes["columns"]}>
        <IntervalPlot
          label={`${field}: ${dimension.dimension}`}
          baseline={false}
          rows={dimension.slices.map((slice) => ({
            key: slice.value,
            label: slice.value,
            value: slice.accuracy,
            interval: slice.interval,
            n: slice.n,
          }))}
        />
        <ScrollRegion label={dimension.dimension}>
          <table className="plain-table">
            <thead>
              <tr>
                <th scope="col">{dimension.dimension}</th>
                <th scope="col" className="number">
                  {t("metric.accuracy")}
                </th>
                <th scope="col" className="number">
                  {t("metric.coverage")}
                </th>
                <th scope="col" className="number">
                  n
                </th>
              </tr>
            </thead>
            <tbody>
              {dimension.slices.map((slice) => (
                <tr key={slice.value} className={slice.n < FEW ? classes["few"] : undefined}>
                  <td className="wrap">
                    <Link to="/runs/$runId" params={{ runId }} search={search(`${dimension.dimension}:${slice.value}`)}>
                      {slice.value}
                    </Link>
                  </td>
                  <td className="number">{format.ratio(slice.accuracy)}</td>
                  <td className="number">{slice.coverage === undefined ? "–" : format.percent(slice.coverage)}</td>
                  <td className="number">{format.count(slice.n)}</td>
                </tr>
              ))}
            </tbody>
          </table>
          {dimension.combined > 0 && (
            <Text size="xs" c="dimmed" mt={4}>
              {t("slices.combined", { count: dimension.combined })}
            </Text>
          )}
        </ScrollRegion>
      </div>
    </Panel>
  );
}
