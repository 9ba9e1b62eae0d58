// The list of training runs.
import { Button } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { useTranslation } from "react-i18next";

import * as searchParams from "../../app/search";
import { useCan } from "../../app/session";
import { DataTable } from "../../components/data-table";
import { LinkButton } from "../../components/link-button";
import { EmptyState, ErrorNote, Loaded, Page } from "../../components/page";
import { useShortcuts } from "../../components/shortcuts";
import { BulkActions } from "./bulk-actions";
import { mergeRuns } from "./merge-runs";
import { liveRunsQuery, runsQuery } from "../runs/queries";
import { ColumnMenu, useChosenColumns, useRunColumns } from "./run-columns";
import { RunFilters } from "./run-filters";
import { RunViews } from "./run-views";

const route = getRouteApi("/app/runs");

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
  const [columnKeys, setColumnKeys] = useChosenColumns();
  const columns = useRunColumns(filter.sort, columnKeys);

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
        <>
          <RunViews search={filter} />
          <ColumnMenu keys={columnKeys} onChange={setColumnKeys} />
          {canOperate && (
            <LinkButton leftSection={<IconPlus size={15} />} to="/runs/new">
              {t("start.title")}
            </LinkButton>
          )}
        </>
      }
    >
      <RunFilters />
      {selected.size > 0 && (
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
                // without the role to cancel and retry, runs are selected to compare them
                selection={{ selected, change: setSelected, name: (run) => `${run.model} ${run.id}`, all: canOperate }}
                more={{ available: list.hasNextPage, loading: list.isFetchingNextPage, load: () => void list.fetchNextPage() }}
              />
            </div>
          )
        }
      </Loaded>
    </Page>
  );
}
