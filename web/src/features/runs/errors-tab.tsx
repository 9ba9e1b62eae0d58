// Wrong predictions of a run, with their documents.
import { Group, Text } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";

import * as searchParams from "../../app/search";
import { ApiProblem, type Schemas } from "../../api/problem";
import { type Column, DataTable } from "../../components/data-table";
import { useFormat } from "../../components/format";
import { EmptyState, Loaded, ValueText } from "../../components/page";
import { LinkButton } from "../../components/link-button";
import { errorsQuery } from "./queries";
import type { TrainingRun } from "./status";

const route = getRouteApi("/app/runs/$runId");

type ErrorRow = Schemas["ErrorPage"]["items"][number];

export function ErrorsTab({ run }: { run: TrainingRun }) {
  const { t } = useTranslation();
  const format = useFormat();
  const search = route.useSearch({ select: searchParams.run });
  const filter = {
    ...(search.field === undefined ? {} : { field: search.field }),
    ...(search.split === undefined ? {} : { split: search.split }),
    ...(search.slice === undefined ? {} : { slice: search.slice }),
    ...(search.noGold === "1" ? { gold: "" } : search.gold === undefined ? {} : { gold: search.gold }),
    ...(search.noPredicted === "1" ? { predicted: "" } : search.predicted === undefined ? {} : { predicted: search.predicted }),
  };
  const errors = useInfiniteQuery(errorsQuery(run.id, filter));
  const rows = useMemo(() => errors.data?.pages.flatMap((page) => page.items), [errors.data]);
  const counts = errors.data?.pages[0]?.counts ?? [];
  const columns: readonly Column<ErrorRow>[] = [
    {
      key: "document",
      label: t("data.document"),
      cell: (row) => (
        <Link
          to="/data/documents/$documentId"
          params={{ documentId: row.document_id }}
          title={`${row.source}/${row.project}/${row.task_id}`}
        >
          {row.file_name ?? `${row.project}/${row.task_id}`}
        </Link>
      ),
    },
    { key: "field", label: t("runs.field"), cell: (row) => row.field },
    { key: "gold", label: t("metric.gold"), grow: true, cell: (row) => <ValueText value={row.gold} /> },
    { key: "predicted", label: t("metric.predicted"), cell: (row) => <ValueText value={row.predicted} /> },
    { key: "confidence", label: t("metric.confidence"), numeric: true, cell: (row) => format.ratio(row.confidence) },
    { key: "loss", label: t("metric.loss"), numeric: true, optional: true, cell: (row) => format.ratio(row.loss) },
    { key: "split", label: t("data.split"), optional: true, cell: (row) => row.split },
  ];
  if (errors.error instanceof ApiProblem && errors.error.problem.code === "errors_not_recorded") {
    return <EmptyState title={t("metric.noErrors")} text={errors.error.problem.detail} />;
  }
  return (
    <>
      <Group gap="sm" mb="sm">
        {Object.entries(filter).map(([key, value]) => (
          <Text key={key} size="sm">
            {t(`metric.filter.${key as "field" | "slice" | "split" | "gold" | "predicted"}`, { value: value === "" ? "∅" : value })}
          </Text>
        ))}
        {Object.keys(filter).length > 0 && (
          <LinkButton variant="subtle" to="/runs/$runId" params={{ runId: run.id }} search={{ tab: "errors" }}>
            {t("common.clearFilters")}
          </LinkButton>
        )}
        {counts.map((count) => (
          <Text key={count.split} size="sm" c="dimmed">
            {t("metric.recorded", { split: count.split, recorded: format.count(count.recorded), total: format.count(count.total) })}
          </Text>
        ))}
      </Group>
      <Loaded query={{ data: rows, error: errors.error, refetch: errors.refetch }}>
        {(items) =>
          items.length === 0 ? (
            <EmptyState title={t("metric.noErrors")} text={t("metric.noErrorsText")} />
          ) : (
            <DataTable
              label={t("runs.tab.errors")}
              columns={columns}
              rows={items}
              rowKey={(row) => `${row.document_id} ${row.field} ${row.split}`}
              more={{ available: errors.hasNextPage, loading: errors.isFetchingNextPage, load: () => void errors.fetchNextPage() }}
            />
          )
        }
      </Loaded>
    </>
  );
}
