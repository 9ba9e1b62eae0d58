// Metrics per field: summary, confusion, coverage and accuracy, reliability, classes.
import { Group, SegmentedControl, Select, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import * as searchParams from "../../app/search";
import type { Schemas } from "../../api/problem";
import { CoverageChart } from "../../charts/coverage-chart";
import { LearningChart } from "../../charts/learning-chart";
import { ReliabilityChart } from "../../charts/reliability-chart";
import { ScrollRegion } from "../../components/scroll-region";
import { useFormat } from "../../components/format";
import { useMetricName } from "../../components/metric-name";
import { EmptyState, Loaded, Panel } from "../../components/page";
import { ConfusionMatrix } from "./confusion-matrix";
import { FieldMetricsTable } from "./field-metrics-table";
import { learningCurve } from "./learning";
import { type ClassScore, confusion, curve, fieldNames, fieldSummaries, mainSplit, overall, perClass, reliability } from "./metrics";
import classes from "./metrics.module.css";
import { metricsQuery } from "../runs/queries";
import { SlicesPanel } from "./slices-panel";
import type { TrainingRun } from "../runs/status";

const route = getRouteApi("/app/runs/$runId");

export function MetricsTab({ run }: { run: TrainingRun }) {
  const { t } = useTranslation();
  const metrics = useQuery(metricsQuery(run.id));
  return (
    <Loaded query={metrics}>
      {(page) =>
        fieldNames(page.items).length === 0 ? (
          <EmptyState title={t("metric.none")} text={t("metric.noneText")} command={`aprendiz run explain ${run.id}`} />
        ) : (
          <Metrics run={run} metrics={page.items} />
        )
      }
    </Loaded>
  );
}

function Metrics({ run, metrics }: { run: TrainingRun; metrics: readonly Schemas["Metric"][] }) {
  const { t } = useTranslation();
  const search = route.useSearch({ select: searchParams.run });
  const navigate = useNavigate({ from: "/runs/$runId" });
  const fields = fieldNames(metrics);
  const field = fields.find((name) => name === search.field) ?? fields[0] ?? "";
  const splits = ["test", "reviewed", "validation"].filter((split) =>
    metrics.some((metric) => metric.field === field && metric.split === split && metric.name === "accuracy"),
  );
  const [chosenSplit, setSplit] = useState<string | undefined>(undefined);
  const split = chosenSplit !== undefined && splits.includes(chosenSplit) ? chosenSplit : mainSplit(metrics);
  const matrix = confusion(metrics, field, split);
  const points = curve(metrics, field, split);
  const examples = metrics.findLast((metric) => metric.field === field && metric.split === split && metric.name === "examples")?.value ?? 0;
  const scores = perClass(metrics, field, split);
  return (
    <Stack gap="md">
      <Panel>
        <FieldMetricsTable
          runId={run.id}
          summaries={fieldSummaries(metrics)}
          active={field}
          encoder={run.kind === "sentence-transformer"}
        />
      </Panel>
      <Group gap="sm" align="flex-end">
        <Select
          label={t("runs.field")}
          data={fields}
          value={field}
          allowDeselect={false}
          w={240}
          searchable
          onChange={(name) => {
            if (name !== null) void navigate({ search: { tab: "metrics", field: name }, replace: true });
          }}
        />
        {splits.length > 1 && (
          <SegmentedControl
            data={splits.map((name) => ({ value: name, label: name }))}
            value={split}
            onChange={setSplit}
            aria-label={t("data.split")}
          />
        )}
      </Group>
      {matrix !== undefined && (
        <Panel title={t("metric.confusion")}>
          <ConfusionMatrix runId={run.id} field={field} split={split} confusion={matrix} />
        </Panel>
      )}
      <div className={classes["columns"]}>
        {points.length > 0 && (
          <Panel title={t("metric.coverageCurve")}>
            <CoverageChart points={points} target={run.spec.target_accuracy ?? 0.95} />
          </Panel>
        )}
        {points.length > 0 && (
          <Panel title={t("metric.reliability")}>
            <ReliabilityChart bins={reliability(points, examples)} />
          </Panel>
        )}
      </div>
      {scores.length > 0 && (
        <Panel title={t("metric.perClass")}>
          <ClassTable scores={scores} />
        </Panel>
      )}
      <LearningPanel metrics={metrics} field={field} />
      <SlicesPanel runId={run.id} field={field} metrics={metrics} />
      <Overall metrics={metrics} />
    </Stack>
  );
}

function LearningPanel({ metrics, field }: { metrics: readonly Schemas["Metric"][]; field: string }) {
  const { t } = useTranslation();
  const format = useFormat();
  const curves = learningCurve(metrics, field);
  if (curves === undefined) return null;
  const twice = curves.forecasts.find((forecast) => forecast.factor === 2);
  return (
    <Panel title={t("learning.title")}>
      {curves.undefinedReason !== undefined && (
        <Text size="sm" c="dimmed" className="wrap">
          {curves.undefinedReason}
        </Text>
      )}
      {twice !== undefined && (
        <Text size="sm" mb="xs">
          {t("learning.twice", { gain: format.signed(twice.gain), accuracy: format.ratio(twice.accuracy) })}
        </Text>
      )}
      <LearningChart label={`${t("learning.title")}: ${field}`} points={curves.points} forecasts={curves.forecasts} />
      {curves.remark !== undefined && (
        <Text size="xs" c="dimmed" mt="xs" maw={640} className="wrap">
          {curves.remark}
        </Text>
      )}
    </Panel>
  );
}

function Overall({ metrics }: { metrics: readonly Schemas["Metric"][] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const metricName = useMetricName();
  const rows = overall(metrics);
  if (rows.length === 0) return null;
  return (
    <Panel title={t("metric.overall")}>
      <ScrollRegion label={t("metric.overall")}>
        <table className="plain-table">
          <thead>
            <tr>
              <th scope="col">{t("metric.name")}</th>
              <th scope="col" className="number">
                {t("metric.value")}
              </th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr key={row.name}>
                <td>{metricName(row.name)}</td>
                <td className="number">{Number.isInteger(row.value) ? format.count(row.value) : format.ratio(row.value)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </ScrollRegion>
    </Panel>
  );
}

type SortKey = "label" | "precision" | "recall" | "f1" | "support";

function ClassTable({ scores }: { scores: readonly ClassScore[] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const [sort, setSort] = useState<SortKey>("support");
  const rows = [...scores].sort((left, right) =>
    sort === "label" ? (left.label ?? "").localeCompare(right.label ?? "") : (right[sort] ?? -1) - (left[sort] ?? -1),
  );
  const header = (key: SortKey, label: string) => (
    <th
      scope="col"
      className={key === "label" ? undefined : "number"}
      aria-sort={sort === key ? (key === "label" ? "ascending" : "descending") : "none"}
    >
      <button
        type="button"
        className="sort-button"
        onClick={() => {
          setSort(key);
        }}
      >
        {label}
        {sort === key && " ↓"}
      </button>
    </th>
  );
  return (
    <ScrollRegion label={t("metric.perClass")}>
      <table className="plain-table">
        <thead>
          <tr>
            {header("label", t("metric.label"))}
            {header("precision", t("metric.precision"))}
            {header("recall", t("metric.recall"))}
            {header("f1", "F1")}
            {header("support", t("metric.support"))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.label ?? "∅"} className={row.support < 30 ? classes["few"] : undefined}>
              <td className="wrap">{row.label ?? "∅"}</td>
              <td className="number">{format.ratio(row.precision)}</td>
              <td className="number">{format.ratio(row.recall)}</td>
              <td className="number">{format.ratio(row.f1)}</td>
              <td className="number">{format.count(row.support)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </ScrollRegion>
  );
}
