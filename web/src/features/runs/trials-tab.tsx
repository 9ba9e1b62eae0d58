// Trials of a sweep: parameters, the metric with its interval, rungs, and the winner.
import { Badge, Group, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";

import { asObject, asString } from "../../api/json";
import type { Schemas } from "../../api/problem";
import { IntervalPlot } from "../../charts/interval-plot";
import { type Column, DataTable } from "../../components/data-table";
import { formatDuration, useFormat } from "../../components/format";
import { EmptyState, Loaded, Panel } from "../../components/page";
import { StateBadge } from "../../components/state-badge";
import { trialsQuery } from "./queries";
import { isFinal, type TrainingRun } from "./status";

type Trial = Schemas["SweepChild"];

const PLOTTED = 12;

export function chosenText(trial: Pick<Trial, "chosen">): string {
  return Object.entries(asObject(trial.chosen))
    .map(([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(", ");
}

export function TrialsTab({ run }: { run: TrainingRun }) {
  const { t } = useTranslation();
  const trials = useQuery(trialsQuery(run.id, isFinal(run.status)));
  const metric = asString(asObject(run.spec.params)["metric"]) ?? "accuracy";
  return (
    <Loaded query={trials}>
      {(page) =>
        page.items.length === 0 ? (
          <EmptyState title={t("sweep.none")} text={t("sweep.noneText")} command={`aprendiz sweep trials ${run.id}`} />
        ) : (
          <Trials trials={page.items} metric={metric} />
        )
      }
    </Loaded>
  );
}

function Trials({ trials, metric }: { trials: readonly Trial[]; metric: string }) {
  const { t } = useTranslation();
  const format = useFormat();
  const measured = trials.filter((trial) => trial.role === "trial" && typeof trial.value === "number");
  const hasRungs = trials.some((trial) => trial.rung > 1);
  const columns: readonly Column<Trial>[] = [
    { key: "state", label: t("runs.state"), cell: (trial) => <StateBadge state={trial.status} /> },
    {
      key: "trial",
      label: t("sweep.trial"),
      cell: (trial) => (
        <Group gap={6} wrap="nowrap">
          <Link to="/runs/$runId" params={{ runId: trial.run_id }}>
            {t("sweep.number", { number: trial.trial })}
          </Link>
          {trial.role === "winner" && (
            <Badge variant="default" c="var(--state-succeeded)" tt="none">
              {t("sweep.winner")}
            </Badge>
          )}
        </Group>
      ),
    },
    {
      key: "chosen",
      label: t("start.params"),
      grow: true,
      cell: (trial) => <code title={chosenText(trial)}>{chosenText(trial)}</code>,
    },
    { key: "value", label: metric, numeric: true, cell: (trial) => (trial.value === null ? "–" : format.fixed(trial.value ?? NaN, 3)) },
    {
      key: "interval",
      label: t("metric.interval"),
      optional: true,
      cell: (trial) =>
        typeof trial.low === "number" && typeof trial.high === "number" ? `${format.ratio(trial.low)}–${format.ratio(trial.high)}` : "–",
    },
    { key: "split", label: t("data.split"), optional: true, cell: (trial) => trial.split ?? "–" },
    ...(hasRungs
      ? [
          {
            key: "rung",
            label: t("sweep.rung"),
            numeric: true,
            cell: (trial: Trial) =>
              `${String(trial.rung)}${typeof trial.train_fraction === "number" ? ` · ${format.percent(trial.train_fraction)}` : ""}`,
          },
        ]
      : []),
    {
      key: "duration",
      label: t("runs.duration"),
      numeric: true,
      optional: true,
      cell: (trial) =>
        typeof trial.started_at === "string" && typeof trial.finished_at === "string"
          ? formatDuration((Date.parse(trial.finished_at) - Date.parse(trial.started_at)) / 1000)
          : "–",
    },
    {
      key: "version",
      label: t("models.version"),
      cell: (trial) => (typeof trial.model_version === "number" ? `v${String(trial.model_version)}` : (trial.error_code ?? "–")),
    },
  ];
  return (
    <Stack gap="md">
      {measured.length > 1 && metric !== "log_loss" && (
        <Panel title={t("sweep.best", { metric })}>
          <IntervalPlot
            label={t("sweep.best", { metric })}
            baseline={false}
            rows={measured.slice(0, PLOTTED).map((trial) => ({
              key: trial.run_id,
              label: chosenText(trial),
              value: trial.value ?? undefined,
              interval: typeof trial.low === "number" && typeof trial.high === "number" ? { low: trial.low, high: trial.high } : undefined,
              n: undefined,
            }))}
          />
          <Text size="xs" c="dimmed" mt="xs">
            {t("sweep.biased")}
          </Text>
        </Panel>
      )}
      <DataTable label={t("runs.tab.trials")} columns={columns} rows={trials} rowKey={(trial) => `${trial.run_id} ${trial.role}`} />
    </Stack>
  );
}
