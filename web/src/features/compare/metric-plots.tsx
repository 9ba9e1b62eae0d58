// The metrics of all compared runs: per field one plot with intervals.
import { SegmentedControl, Text } from "@mantine/core";
import { useQueries } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import { IntervalPlot, type IntervalRow } from "../../charts/interval-plot";
import { Panel, SkeletonRows } from "../../components/page";
import { type FieldSummary, fieldSummaries } from "../metrics/metrics";
import { metricsQuery } from "../runs/queries";
import classes from "../metrics/metrics.module.css";
import type { ComparedItem } from "./items";

const METRICS = ["accuracy", "macro_f1", "coverage"] as const;
type MetricName = (typeof METRICS)[number];

function valueOf(summary: FieldSummary | undefined, metric: MetricName): number | undefined {
  switch (metric) {
    case "accuracy":
      return summary?.accuracy;
    case "macro_f1":
      return summary?.macroF1;
    case "coverage":
      return summary?.coverage;
  }
}

export function MetricPlots({ items }: { items: readonly ComparedItem[] }) {
  const { t } = useTranslation();
  const [metric, setMetric] = useState<MetricName>("accuracy");
  const queries = useQueries({ queries: items.map((item) => metricsQuery(item.run.id)) });
  if (queries.some((query) => query.data === undefined && query.error === null)) return <SkeletonRows rows={4} />;
  const summaries = queries.map((query) => fieldSummaries(query.data?.items ?? []));
  const fields = [...new Set(summaries.flatMap((rows) => rows.map((row) => row.field)))].sort();
  return (
    <Panel
      title={t("compare.metrics")}
      actions={
        <SegmentedControl
          aria-label={t("compare.metric")}
          data={METRICS.map((name) => ({ value: name, label: t(`metric.${name}`) }))}
          value={metric}
          onChange={setMetric}
        />
      }
    >
      <Text size="xs" c="dimmed" mb="xs">
        {t("compare.metricsHelp")}
      </Text>
      {fields.length === 0 && (
        <Text size="sm" c="dimmed">
          {t("metric.noneText")}
        </Text>
      )}
      <div className={classes["columns"]}>
        {fields.map((field) => {
          const rows = items.map((item, index): IntervalRow => {
            const summary = summaries[index]?.find((row) => row.field === field);
            return {
              key: item.text,
              label: item.name,
              value: valueOf(summary, metric),
              interval: metric === "accuracy" ? summary?.interval : undefined,
              n: summary?.n,
            };
          });
          return (
            <div key={field}>
              <Text size="sm" fw={600}>
                {field}
              </Text>
              <IntervalPlot label={`${field}: ${t(`metric.${metric}`)}`} rows={rows} />
            </div>
          );
        })}
      </div>
    </Panel>
  );
}
