// Columns of the run list, and which of them are shown.
import { Button, Checkbox, Group, Popover, Progress, Stack } from "@mantine/core";
import { useLocalStorage } from "@mantine/hooks";
import { IconColumns3 } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";

import type { Schemas } from "../../api/problem";
import { Sparkline } from "../../charts/sparkline";
import type { Column } from "../../components/data-table";
import { formatDuration, useFormat } from "../../components/format";
import { Time } from "../../components/page";
import { failureText } from "../../components/server-words";
import { StateBadge } from "../../components/state-badge";
import { recentVersionsQuery, versionQuery } from "../models/queries";
import { mainMetric } from "../models/main-metric";
import { elapsedSeconds, fraction } from "../runs/status";
import { DEFAULT_COLUMNS, OPTIONAL_COLUMNS, readColumns } from "./stored-views";

type Run = Schemas["ListedRun"];

const SPARKLINE_VERSIONS = 12;

/** The chosen columns, kept in this browser. */
export function useChosenColumns(): [readonly string[], (keys: readonly string[]) => void] {
  const [keys, setKeys] = useLocalStorage<readonly string[]>({
    key: "aprendiz-run-columns",
    defaultValue: DEFAULT_COLUMNS,
    getInitialValueInEffect: false,
    deserialize: readColumns,
  });
  return [keys, setKeys];
}

export function ColumnMenu({ keys, onChange }: { keys: readonly string[]; onChange: (keys: readonly string[]) => void }) {
  const { t } = useTranslation();
  return (
    <Popover position="bottom-end" trapFocus>
      <Popover.Target>
        <Button variant="default" leftSection={<IconColumns3 size={14} />}>
          {t("runs.columns")}
        </Button>
      </Popover.Target>
      <Popover.Dropdown aria-label={t("runs.columns")}>
        <Stack gap={8} p="xs">
          {OPTIONAL_COLUMNS.map((key) => (
            <Checkbox
              key={key}
              label={t(`runs.column.${key}`)}
              checked={keys.includes(key)}
              onChange={(event) => {
                onChange(event.currentTarget.checked ? [...keys, key] : keys.filter((other) => other !== key));
              }}
            />
          ))}
          <Button
            variant="subtle"
            size="compact-xs"
            onClick={() => {
              onChange(DEFAULT_COLUMNS);
            }}
          >
            {t("runs.defaultColumns")}
          </Button>
        </Stack>
      </Popover.Dropdown>
    </Popover>
  );
}

/** All columns that the list can show; `keys` names those that it does. */
export function useRunColumns(sort: string | undefined, keys: readonly string[]): readonly Column<Run>[] {
  const { t } = useTranslation();
  const format = useFormat();
  return useMemo((): readonly Column<Run>[] => {
    const metric: Column<Run>[] =
      sort === undefined
        ? []
        : [{ key: "metric", label: sort.replace("metric:", ""), numeric: true, cell: (run) => format.ratio(run.sort_value) }];
    const all: Column<Run>[] = [
      { key: "state", label: t("runs.state"), cell: (run) => <StateBadge state={run.status} /> },
      {
        key: "model",
        label: t("runs.model"),
        cell: (run) => (
          <Link to="/runs/$runId" params={{ runId: run.id }} title={run.model}>
            {run.model}
            {run.model_version !== null && run.model_version !== undefined && <span className="dimmed"> v{run.model_version}</span>}
          </Link>
        ),
      },
      ...metric,
      { key: "kind", label: t("runs.kind"), optional: true, cell: (run) => (run.dataset_only ? t("runs.datasetOnly") : run.kind) },
      {
        key: "fields",
        label: t("runs.fields"),
        optional: true,
        grow: true,
        cell: (run) => {
          const fields = run.spec.data?.fields ?? [];
          return fields.length === 0 ? (
            <span className="dimmed">{t("runs.allFields")}</span>
          ) : (
            <span title={fields.join(", ")}>{fields.join(", ")}</span>
          );
        },
      },
      { key: "started", label: t("runs.created"), cell: (run) => <Time at={run.created_at} /> },
      { key: "progress", label: t("runs.progress"), cell: (run) => <RunProgress run={run} /> },
      {
        key: "duration",
        label: t("runs.duration"),
        numeric: true,
        optional: true,
        cell: (run) => {
          const seconds = elapsedSeconds(run, Date.now());
          return seconds === undefined ? <span className="dimmed">–</span> : formatDuration(seconds);
        },
      },
      { key: "keyMetric", label: t("runs.keyMetric"), optional: true, cell: (run) => <KeyMetric run={run} /> },
      { key: "who", label: t("runs.createdBy"), optional: true, cell: (run) => run.created_by },
      {
        key: "tags",
        label: t("runs.tags"),
        optional: true,
        cell: (run) => tagsText(run.tags) || <span className="dimmed">–</span>,
      },
      { key: "attempts", label: t("runs.attempts"), numeric: true, optional: true, cell: (run) => format.count(run.attempt_number) },
      { key: "priority", label: t("start.priority"), numeric: true, optional: true, cell: (run) => format.count(run.priority) },
      { key: "seed", label: t("start.seed"), numeric: true, optional: true, cell: (run) => String(run.spec.seed ?? "–") },
      {
        key: "id",
        label: "ID",
        optional: true,
        cell: (run) => <code>{run.id.slice(-12)}</code>,
      },
    ];
    return all.filter((column) => column.key === "metric" || keys.includes(column.key));
  }, [t, format, sort, keys]);
}

function tagsText(tags: Readonly<Record<string, string>>): string {
  return Object.entries(tags)
    .map(([key, value]) => `${key}=${value}`)
    .join(", ");
}

/** The main metric of the published version, and its course over the versions before it, as far as they are among the newest. */
function KeyMetric({ run }: { run: Run }) {
  const { t } = useTranslation();
  const format = useFormat();
  const number = run.model_version ?? undefined;
  const recent = useQuery({ ...recentVersionsQuery(run.model, SPARKLINE_VERSIONS), enabled: number !== undefined, staleTime: 60_000 });
  const listed = recent.data?.items.find((entry) => entry.number === number);
  // an old run shows its metric without a course
  const own = useQuery({
    ...versionQuery(run.model, number ?? 0),
    enabled: number !== undefined && recent.data !== undefined && listed === undefined,
    staleTime: 60_000,
  });
  const version = listed ?? own.data;
  const value = version === undefined ? undefined : mainMetric(version);
  if (number === undefined || value === undefined) return <span className="dimmed">–</span>;
  const course = listed === undefined ? [] : (recent.data?.items ?? []).filter((entry) => entry.number <= number);
  const values = [...course].reverse().flatMap((entry) => mainMetric(entry) ?? []);
  return (
    <Group gap={6} wrap="nowrap">
      <span>{format.ratio(value)}</span>
      {values.length > 1 && <Sparkline values={values} width={60} height={18} label={t("runs.overVersions", { model: run.model })} />}
    </Group>
  );
}

function RunProgress({ run }: { run: Run }) {
  const { t } = useTranslation();
  if (run.error_code !== null && run.error_code !== undefined) {
    return (
      <span title={[run.error_code, run.error_text].filter(Boolean).join(": ")} className="dimmed">
        {failureText(t, run.error_code)}
      </span>
    );
  }
  if (run.phase === null || run.phase === undefined) return null;
  const part = fraction(run.progress);
  return (
    <Group gap={6} wrap="nowrap">
      <span>{t(`phase.${run.phase}`)}</span>
      {part !== undefined && <Progress value={part * 100} w={70} size="sm" aria-label={t("runs.progress")} />}
    </Group>
  );
}
