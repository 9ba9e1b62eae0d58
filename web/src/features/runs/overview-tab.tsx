// Overview of a run: facts, warnings or the failure, live progress, and its main metrics.
import { Alert, Stack, Text } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";

import { asNumber, asString } from "../../api/json";
import { LineChart } from "../../charts/line-chart";
import { useCan } from "../../app/session";
import { formatDuration, useFormat } from "../../components/format";
import { LabelsPanel } from "../../components/labels-panel";
import { Facts, Panel, Time } from "../../components/page";
import { failureText } from "../../components/server-words";
import type { RunEvent } from "./events";
import { FieldMetricsTable } from "../metrics/field-metrics-table";
import { fieldSummaries } from "../metrics/metrics";
import { changeRunNote, changeRunTags, explainQuery, metricsQuery, useRunAction } from "./queries";
import { elapsedSeconds, isFinal, type TrainingRun } from "./status";

export function OverviewTab({ run, events }: { run: TrainingRun; events: readonly RunEvent[] }) {
  const { t } = useTranslation();
  const metrics = useQuery({ ...metricsQuery(run.id), enabled: run.status === "succeeded" });
  const summaries = fieldSummaries(metrics.data?.items ?? []);
  const seconds = elapsedSeconds(run, Date.now());
  const facts: [string, ReactNode][] = [
    [t("runs.kind"), run.dataset_only ? t("runs.datasetOnly") : run.kind],
    [t("runs.createdBy"), run.created_by],
    [t("runs.created"), <Time key="created" at={run.created_at} />],
    [t("runs.started"), <Time key="started" at={run.started_at} />],
    [t("runs.duration"), seconds === undefined ? "–" : formatDuration(seconds)],
    [t("runs.attempts"), t("runs.attemptsOf", { used: run.attempts_used, max: run.max_attempts })],
    [t("runs.fields"), (run.spec.data?.fields ?? []).join(", ") || t("runs.allFields")],
    [
      t("runs.dataset"),
      run.dataset_id === null || run.dataset_id === undefined ? (
        "–"
      ) : (
        <Link key="dataset" to="/data/datasets/$datasetId" params={{ datasetId: run.dataset_id }}>
          {t("runs.openDataset")}
        </Link>
      ),
    ],
    ...(run.model_version === null || run.model_version === undefined
      ? []
      : [
          [
            t("runs.published"),
            <Link
              key="version"
              to="/models/$name/versions/$number"
              params={{ name: run.model, number: String(run.model_version) }}
            >{`${run.model} v${String(run.model_version)}`}</Link>,
          ] as [string, ReactNode],
        ]),
    ...(run.parent_run_id === null || run.parent_run_id === undefined
      ? []
      : [
          [
            t("runs.parent"),
            <Link key="parent" to="/runs/$runId" params={{ runId: run.parent_run_id }}>
              {t("runs.openParent")}
            </Link>,
          ] as [string, ReactNode],
        ]),
  ];
  return (
    <Stack gap="md">
      {run.error_code !== null && run.error_code !== undefined && (
        <Alert color="red" icon={<IconAlertTriangle size={18} />} title={failureText(t, run.error_code)}>
          <span className="wrap">{run.error_text}</span> <code className="dimmed">{run.error_code}</code>
        </Alert>
      )}
      {!isFinal(run.status) && <Waiting run={run} />}
      <Panel>
        <Facts items={facts} />
      </Panel>
      <Labels run={run} />
      {summaries.length > 0 && (
        <Panel title={t("runs.tab.metrics")}>
          <FieldMetricsTable runId={run.id} summaries={summaries} encoder={run.kind === "sentence-transformer"} />
        </Panel>
      )}
      <LiveCurves events={events} />
      {run.warnings.length > 0 && (
        <Panel title={t("runs.warnings", { count: run.warnings.length })}>
          <ul>
            {run.warnings.map((warning) => (
              <li key={warning} className="wrap">
                {warning}
              </li>
            ))}
          </ul>
        </Panel>
      )}
    </Stack>
  );
}

function Labels({ run }: { run: TrainingRun }) {
  const canEdit = useCan("operator");
  const tags = useRunAction(changeRunTags);
  const note = useRunAction(changeRunNote);
  return (
    <LabelsPanel
      tags={run.tags}
      note={run.note}
      canEdit={canEdit}
      onTags={(body) => tags.mutateAsync({ id: run.id, body })}
      onNote={(text) => note.mutateAsync({ id: run.id, note: text })}
    />
  );
}

function Waiting({ run }: { run: TrainingRun }) {
  const explanation = useQuery({ ...explainQuery(run.id), refetchInterval: 5_000 });
  return explanation.data === undefined ? null : (
    <Alert color="blue">
      <span className="wrap">{explanation.data.summary}</span>
    </Alert>
  );
}

/** Loss, and throughput, as training reports them. */
function LiveCurves({ events }: { events: readonly RunEvent[] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const reports = events.filter((event) => event.kind === "metric");
  const losses = reports.flatMap((event, index) => {
    const loss = asNumber(event.payload["loss"]);
    return loss === undefined ? [] : [{ x: asNumber(event.payload["step"]) ?? index, y: loss }];
  });
  const last = reports.at(-1);
  const speed = asNumber(last?.payload["examples_per_second"]);
  const stage = asString(last?.payload["stage"]);
  if (losses.length < 2 && speed === undefined) return null;
  return (
    <Panel title={t("runs.training")}>
      {losses.length > 1 && (
        <LineChart
          label={t("runs.loss")}
          xLabel={t("runs.step")}
          yLabel={t("runs.loss")}
          series={[{ name: t("runs.loss"), points: losses }]}
        />
      )}
      {speed !== undefined && (
        <Text size="sm" c="dimmed">
          {stage !== undefined && `${stage} · `}
          {t("runs.speed", { speed: format.count(Math.round(speed)) })}
        </Text>
      )}
    </Panel>
  );
}
