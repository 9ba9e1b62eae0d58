// Fields that wait for review.
import { Button, Group, Select } from "@mantine/core";
import { IconChecks, IconPlayerPlay } from "@tabler/icons-react";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { useTranslation } from "react-i18next";

import * as searchParams from "../../app/search";
import type { Schemas } from "../../api/problem";
import { useCan, useSession } from "../../app/session";
import { FilterSelect } from "../../components/filter-select";
import { type Column, DataTable } from "../../components/data-table";
import { useFormat } from "../../components/format";
import { EmptyState, Loaded, Page, ValueText } from "../../components/page";
import { useShortcuts } from "../../components/shortcuts";
import { fieldsQuery } from "../data/queries";
import { projectsQuery } from "../start/queries";
import { AcceptDialog } from "./accept-dialog";
import { queueQuery } from "./queries";

const route = getRouteApi("/app/review");

export function QueuePage() {
  const { t } = useTranslation();
  const format = useFormat();
  const filter = route.useSearch({ select: searchParams.review });
  const navigate = useNavigate({ from: "/review" });
  const session = useSession();
  const canReview = useCan("reviewer");
  const queue = useInfiniteQuery(queueQuery(filter, session?.actor.name ?? ""));
  const fields = useQuery(fieldsQuery);
  const projects = useQuery(projectsQuery);
  const [accepting, setAccepting] = useState(false);
  const rows = useMemo(() => queue.data?.pages.flatMap((page) => page.items), [queue.data]);
  const first = rows?.[0];
  const set = (change: Record<string, string | undefined>): void => {
    void navigate({
      search: Object.fromEntries(Object.entries({ ...filter, ...change }).filter(([, value]) => value !== undefined && value !== "")),
      replace: true,
    });
  };
  const start = (): void => {
    if (first !== undefined) void navigate({ to: "/review/$documentId", params: { documentId: first.document_id }, search: filter });
  };
  useShortcuts([{ keys: "Enter", label: t("review.start"), run: start }]);
  const columns: readonly Column<Schemas["WaitingField"]>[] = [
    {
      key: "document",
      label: t("data.document"),
      cell: (row) => (
        <Link
          to="/review/$documentId"
          params={{ documentId: row.document_id }}
          search={filter}
          title={`${row.source}/${row.project}/${row.task_id}`}
        >
          {row.file_name ?? `${row.project}/${row.task_id}`}
        </Link>
      ),
    },
    { key: "field", label: t("runs.field"), cell: (row) => row.field },
    { key: "predicted", label: t("metric.predicted"), grow: true, cell: (row) => <ValueText value={row.predicted_value} /> },
    { key: "confidence", label: t("metric.confidence"), numeric: true, cell: (row) => format.ratio(row.confidence) },
    { key: "version", label: t("review.extractor"), optional: true, cell: (row) => row.extractor_version ?? "–" },
    { key: "lease", label: t("review.leasedBy"), optional: true, cell: (row) => row.leased_by ?? <span className="dimmed">–</span> },
  ];
  return (
    <Page
      wide
      title={t("nav.review")}
      actions={
        canReview &&
        first !== undefined && (
          <>
            <Button
              variant="default"
              leftSection={<IconChecks size={15} />}
              onClick={() => {
                setAccepting(true);
              }}
            >
              {t("review.acceptMany")}
            </Button>
            <Button leftSection={<IconPlayerPlay size={15} />} onClick={start}>
              {t("review.start")}
            </Button>
          </>
        )
      }
    >
      <Group gap="xs" align="flex-end" role="search" aria-label={t("common.filters")}>
        <FilterSelect
          label={t("runs.field")}
          width={220}
          searchable
          options={(fields.data?.items ?? []).map((field) => field.name)}
          value={filter.field}
          onChange={(field) => {
            set({ field });
          }}
        />
        <FilterSelect
          label={t("data.project")}
          width={220}
          options={(projects.data?.items ?? []).map((project) => `${project.source}/${project.project}`)}
          value={filter.project}
          onChange={(project) => {
            set({ project });
          }}
        />
        <Select
          label={t("review.order")}
          w={190}
          allowDeselect={false}
          value={filter.order ?? "uncertain"}
          data={[
            { value: "uncertain", label: t("review.uncertain") },
            { value: "document", label: t("review.byDocument") },
          ]}
          onChange={(order) => {
            set({ order: order === "document" ? "document" : undefined });
          }}
        />
      </Group>
      <Loaded query={{ data: rows, error: queue.error, refetch: queue.refetch }}>
        {(items) =>
          items.length === 0 ? (
            <EmptyState title={t("review.empty")} text={t("review.emptyText")} command="aprendiz import export.json.gz" />
          ) : (
            <DataTable
              label={t("nav.review")}
              columns={columns}
              rows={items}
              rowKey={(row) => `${row.document_id} ${row.field}`}
              more={{ available: queue.hasNextPage, loading: queue.isFetchingNextPage, load: () => void queue.fetchNextPage() }}
            />
          )
        }
      </Loaded>
      <AcceptDialog
        opened={accepting}
        fields={(fields.data?.items ?? []).map((field) => field.name)}
        initial={filter.field}
        onClose={() => {
          setAccepting(false);
        }}
      />
    </Page>
  );
}
