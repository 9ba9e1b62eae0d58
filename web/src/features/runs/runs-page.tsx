// The list of training runs.
import { Button, Group, Progress, Select, TextInput } from "@mantine/core";
import { IconBan, IconPlus, IconRefresh } from "@tabler/icons-react";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { useTranslation } from "react-i18next";

import type { Schemas } from "../../api/problem";
import { RUN_KINDS, RUN_STATUSES } from "../../app/search";
import * as searchParams from "../../app/search";
import { useCan } from "../../app/session";
import { type Column, DataTable } from "../../components/data-table";
import { formatDuration, useFormat } from "../../components/format";
import { EmptyState, ErrorNote, Loaded, Page, Time } from "../../components/page";
import { LinkButton } from "../../components/link-button";
import { useShortcuts } from "../../components/shortcuts";
import { StateBadge } from "../../components/state-badge";
import { showToast } from "../../components/toast";
import { modelsQuery } from "../models/queries";
import { mergeRuns } from "./merge-runs";
import { cancelRun, forEachRun, kindsQuery, liveRunsQuery, retryRun, runsQuery, useRunAction } from "./queries";
import { canCancel, canRetry, elapsedSeconds, fraction } from "./status";

type Run = Schemas["ListedRun"];

const route = getRouteApi("/app/runs");
const SORTS = ["metric:accuracy", "metric:macro_f1", "metric:coverage"] as const;

export function RunsPage() {
  const { t } = useTranslation();
  const filter = route.useSearch({ select: searchParams.runs });
  const navigate = useNavigate();
  const canOperate = useCan("operator");
  const list = useInfiniteQuery(runsQuery(filter));
  const live = useQuery(liveRunsQuery(filter));
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const [isPointerOver, setPointerOver] = useState(false);
  const [heldFrom, setHeldFrom] = useState<ReadonlySet<string> | undefined>(undefined);
  const listed = useMemo(() => list.data?.pages.flatMap((page) => page.items), [list.data]);
  const merged = useMemo(
    () => mergeRuns(listed ?? [], filter.sort === undefined ? (live.data?.items ?? []) : [], heldFrom),
    [listed, live.data, heldFrom, filter.sort],
  );
  const columns = useRunColumns(filter.sort);

  useShortcuts(
    [
      {
        keys: "c",
        label: t("start.title"),
        run: () => {
          if (canOperate) void navigate({ to: "/runs/new" });
        },
      },
    ],
    canOperate,
  );

  return (
    <Page
      wide
      title={t("runs.title")}
      actions={
        canOperate && (
          <LinkButton leftSection={<IconPlus size={15} />} to="/runs/new">
            {t("start.title")}
          </LinkButton>
        )
      }
    >
      <Filters />
      {canOperate && selected.size > 0 && (
        <BulkActions
          runs={merged.rows.filter((run) => selected.has(run.id))}
          done={() => {
            setSelected(new Set());
          }}
        />
      )}
      {live.error !== null && list.data !== undefined && <ErrorNote error={live.error} retry={() => void live.refetch()} />}
      <Loaded query={{ data: listed, error: list.error, refetch: list.refetch }}>
        {() =>
          merged.rows.length === 0 ? (
            <EmptyState
              title={Object.keys(filter).length > 0 ? t("runs.noneMatch") : t("runs.none")}
              text={Object.keys(filter).length > 0 ? t("runs.noneMatchText") : t("runs.noneText")}
              {...(Object.keys(filter).length > 0 ? {} : { command: "aprendiz run create --model contracts --kind linear" })}
              action={
                Object.keys(filter).length > 0 && (
                  <LinkButton variant="default" to="/runs" search={{}}>
                    {t("common.clearFilters")}
                  </LinkButton>
                )
              }
            />
          ) : (
            <div
              onPointerEnter={() => {
                setPointerOver(true);
                setHeldFrom(new Set(merged.rows.map((run) => run.id)));
              }}
              onPointerLeave={() => {
                setPointerOver(false);
                setHeldFrom(undefined);
              }}
            >
              {isPointerOver && merged.held > 0 && (
                <Button
                  variant="light"
                  fullWidth
                  mb="xs"
                  onClick={() => {
                    setHeldFrom(new Set([...merged.rows, ...(live.data?.items ?? [])].map((run) => run.id)));
                  }}
                >
                  {t("runs.showNew", { count: merged.held })}
                </Button>
              )}
              <DataTable
                label={t("runs.title")}
                columns={columns}
                rows={merged.rows}
                rowKey={(run) => run.id}
                selection={canOperate ? { selected, change: setSelected, name: (run) => `${run.model} ${run.id}` } : undefined}
                more={{ available: list.hasNextPage, loading: list.isFetchingNextPage, load: () => void list.fetchNextPage() }}
              />
            </div>
          )
        }
      </Loaded>
    </Page>
  );
}

function Filters() {
  const { t } = useTranslation();
  const filter = route.useSearch({ select: searchParams.runs });
  const navigate = useNavigate({ from: "/runs" });
  const models = useQuery(modelsQuery);
  const kinds = useQuery(kindsQuery);
  const set = (change: Partial<Record<keyof typeof filter, string | undefined>>): void => {
    const next = { ...filter, ...change };
    void navigate({
      search: Object.fromEntries(Object.entries(next).filter(([, value]) => value !== undefined && value !== "")),
      replace: true,
    });
  };
  return (
    <Group gap="xs" align="flex-end" role="search" aria-label={t("common.filters")}>
      <Select
        label={t("runs.state")}
        w={150}
        clearable
        clearButtonProps={{ "aria-label": t("common.clear") }}
        placeholder={t("common.all")}
        data={RUN_STATUSES.map((status) => ({ value: status, label: t(`state.${status}`) }))}
        value={filter.status ?? null}
        onChange={(status) => {
          set({ status: status ?? undefined });
        }}
      />
      <Select
        label={t("runs.model")}
        w={190}
        clearable
        searchable
        clearButtonProps={{ "aria-label": t("common.clear") }}
        placeholder={t("common.all")}
        data={[
          ...new Set([...(models.data?.items.map((model) => model.name) ?? []), ...(filter.model === undefined ? [] : [filter.model])]),
        ]}
        value={filter.model ?? null}
        onChange={(model) => {
          set({ model: model ?? undefined });
        }}
      />
      <Select
        label={t("runs.kind")}
        w={180}
        clearable
        clearButtonProps={{ "aria-label": t("common.clear") }}
        placeholder={t("common.all")}
        data={kinds.data?.items.map((kind) => kind.kind) ?? [...RUN_KINDS]}
        value={filter.kind ?? null}
        onChange={(kind) => {
          set({ kind: kind ?? undefined });
        }}
      />
      <TextInput
        key={filter.tag ?? ""}
        label={t("runs.tag")}
        w={150}
        placeholder="stage=candidate"
        defaultValue={filter.tag ?? ""}
        onBlur={(event) => {
          if (event.currentTarget.value !== (filter.tag ?? "")) set({ tag: event.currentTarget.value });
        }}
        onKeyDown={(event) => {
          if (event.key === "Enter") set({ tag: event.currentTarget.value });
        }}
      />
      <Select
        label={t("runs.sort")}
        w={170}
        allowDeselect={false}
        data={[
          { value: "", label: t("runs.newest") },
          ...SORTS.map((sort) => ({
            value: sort,
            label: t(`metric.${sort === "metric:accuracy" ? "accuracy" : sort === "metric:coverage" ? "coverage" : "macro_f1"}`),
          })),
        ]}
        value={filter.sort ?? ""}
        onChange={(sort) => {
          set({ sort: sort ?? undefined });
        }}
      />
      {Object.keys(filter).length > 0 && (
        <LinkButton variant="subtle" to="/runs" search={{}}>
          {t("common.clearFilters")}
        </LinkButton>
      )}
    </Group>
  );
}

function BulkActions({ runs, done }: { runs: readonly Run[]; done: () => void }) {
  const { t } = useTranslation();
  const cancellable = runs.filter(canCancel);
  const retriable = runs.filter(canRetry);
  const cancel = useRunAction(
    (ids: readonly string[]) => forEachRun(ids, cancelRun),
    (result) => {
      showToast(t("runs.cancelled", { count: result.done }));
      if (result.failures.length === 0) done();
    },
  );
  const retry = useRunAction(
    (ids: readonly string[]) => forEachRun(ids, retryRun),
    (result) => {
      showToast(t("runs.retried", { count: result.done }));
      if (result.failures.length === 0) done();
    },
  );
  const failures = [...(cancel.data?.failures ?? []), ...(retry.data?.failures ?? [])];
  return (
    <>
      <Group gap="xs">
        <span>{t("runs.selected", { count: runs.length })}</span>
        <Button
          variant="default"
          leftSection={<IconBan size={14} />}
          disabled={cancellable.length === 0}
          loading={cancel.isPending}
          onClick={() => {
            cancel.mutate(cancellable.map((run) => run.id));
          }}
        >
          {t("runs.cancelSome", { count: cancellable.length })}
        </Button>
        <Button
          variant="default"
          leftSection={<IconRefresh size={14} />}
          disabled={retriable.length === 0}
          loading={retry.isPending}
          onClick={() => {
            retry.mutate(retriable.map((run) => run.id));
          }}
        >
          {t("runs.retrySome", { count: retriable.length })}
        </Button>
        <Button variant="subtle" onClick={done}>
          {t("common.clearSelection")}
        </Button>
      </Group>
      {failures.map((failure) => (
        <ErrorNote key={failure.id} error={failure.error} />
      ))}
    </>
  );
}

function useRunColumns(sort: string | undefined): readonly Column<Run>[] {
  const { t } = useTranslation();
  const format = useFormat();
  return useMemo((): readonly Column<Run>[] => {
    const metric: Column<Run>[] =
      sort === undefined
        ? []
        : [{ key: "metric", label: sort.replace("metric:", ""), numeric: true, cell: (run) => format.ratio(run.sort_value) }];
    return [
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
      { key: "who", label: t("runs.createdBy"), optional: true, cell: (run) => run.created_by },
    ];
  }, [t, format, sort]);
}

function RunProgress({ run }: { run: Run }) {
  const { t } = useTranslation();
  if (run.error_code !== null && run.error_code !== undefined) {
    return (
      <span title={run.error_text ?? undefined} className="dimmed">
        {run.error_code}
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
