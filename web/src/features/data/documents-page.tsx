// Documents: list with filters, and search.
import { Badge, Button, Group, SegmentedControl, TextInput } from "@mantine/core";
import { IconSearch } from "@tabler/icons-react";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";

import { REVIEW_STATUSES, SPLITS } from "../../app/search";
import * as searchParams from "../../app/search";
import { FilterSelect } from "../../components/filter-select";
import { type Column, DataTable } from "../../components/data-table";
import { EmptyState, Loaded, Page, Time } from "../../components/page";
import { LinkButton } from "../../components/link-button";
import { useShortcuts } from "../../components/shortcuts";
import { projectsQuery } from "../start/queries";
import { DataTabs } from "./data-tabs";
import { documentsQuery, fieldsQuery, type ListedDocument } from "./queries";

const route = getRouteApi("/app/data/documents");

export function DocumentsPage() {
  const { t } = useTranslation();
  const filter = route.useSearch({ select: searchParams.documents });
  const documents = useInfiniteQuery(documentsQuery(filter));
  const rows = useMemo(() => documents.data?.pages.flatMap((page) => page.items), [documents.data]);
  const isFiltered = Object.keys(filter).length > 0;
  useShortcuts([
    {
      keys: "/",
      label: t("data.search"),
      run: () => {
        document.querySelector<HTMLInputElement>("#document-search")?.focus();
      },
    },
  ]);
  const columns: readonly Column<ListedDocument>[] = [
    {
      key: "name",
      label: t("data.document"),
      grow: true,
      cell: (row) => (
        <>
          <Link to="/data/documents/$documentId" params={{ documentId: row.id }}>
            {row.file_name ?? row.task_id}
          </Link>
          {row.excerpt !== null && row.excerpt !== undefined && <span className="dimmed"> · {row.excerpt}</span>}
        </>
      ),
    },
    { key: "task", label: t("data.name"), optional: true, cell: (row) => `${row.source}/${row.project}/${row.task_id}` },
    { key: "split", label: t("data.split"), cell: (row) => row.split ?? "–" },
    {
      key: "state",
      label: t("runs.state"),
      optional: true,
      cell: (row) =>
        row.archived_at !== null && row.archived_at !== undefined ? (
          <Badge variant="default" tt="none">
            {t("data.archived")}
          </Badge>
        ) : (
          row.withdrawn_at !== null &&
          row.withdrawn_at !== undefined && (
            <Badge variant="default" tt="none">
              {t("data.withdrawn")}
            </Badge>
          )
        ),
    },
    { key: "updated", label: t("data.updated"), cell: (row) => <Time at={row.updated_at} /> },
  ];
  return (
    <Page wide title={t("data.documents")}>
      <DataTabs />
      <Filters />
      <Loaded query={{ data: rows, error: documents.error, refetch: documents.refetch }}>
        {(items) =>
          items.length === 0 && !documents.hasNextPage ? (
            <EmptyState
              title={isFiltered ? t("data.noneMatch") : t("data.none")}
              text={isFiltered ? t("data.noneMatchText") : t("data.noneText")}
              {...(isFiltered ? {} : { command: "aprendiz import export.json.gz" })}
              action={
                isFiltered && (
                  <LinkButton variant="default" to="/data/documents" search={{}}>
                    {t("common.clearFilters")}
                  </LinkButton>
                )
              }
            />
          ) : (
            <>
              <DataTable
                label={t("data.documents")}
                columns={columns}
                rows={items}
                rowKey={(row) => row.id}
                more={{
                  available: documents.hasNextPage,
                  loading: documents.isFetchingNextPage,
                  load: () => void documents.fetchNextPage(),
                }}
              />
              {/* a page of a search may be empty although documents follow */}
              {documents.hasNextPage && items.length < 10 && (
                <Button variant="default" loading={documents.isFetchingNextPage} onClick={() => void documents.fetchNextPage()}>
                  {t("data.searchOn")}
                </Button>
              )}
            </>
          )
        }
      </Loaded>
    </Page>
  );
}

function Filters() {
  const { t } = useTranslation();
  const filter = route.useSearch({ select: searchParams.documents });
  const navigate = useNavigate({ from: "/data/documents" });
  const projects = useQuery(projectsQuery);
  const fields = useQuery(fieldsQuery);
  const set = (change: Record<string, string | undefined>): void => {
    void navigate({
      search: Object.fromEntries(Object.entries({ ...filter, ...change }).filter(([, value]) => value !== undefined && value !== "")),
      replace: true,
    });
  };
  const project = filter.source === undefined || filter.project === undefined ? undefined : `${filter.source}/${filter.project}`;
  return (
    <Group gap="xs" align="flex-end" role="search" aria-label={t("common.filters")}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          const text = new FormData(event.currentTarget).get("q");
          set({ q: typeof text === "string" ? text.trim() : undefined, field: undefined, status: undefined });
        }}
      >
        <Group gap={6} align="flex-end">
          <TextInput
            id="document-search"
            key={filter.q ?? ""}
            name="q"
            label={t("data.search")}
            placeholder={t("data.searchHelp")}
            defaultValue={filter.q ?? ""}
            w={260}
            leftSection={<IconSearch size={14} aria-hidden />}
          />
          <SegmentedControl
            aria-label={t("data.searchIn")}
            value={filter.in ?? "names"}
            onChange={(where) => {
              set({ in: where === "texts" ? "texts" : undefined });
            }}
            data={[
              { value: "names", label: t("data.inNames") },
              { value: "texts", label: t("data.inTexts") },
            ]}
          />
        </Group>
      </form>
      <FilterSelect
        label={t("data.project")}
        width={190}
        options={(projects.data?.items ?? []).map((entry) => `${entry.source}/${entry.project}`)}
        value={project}
        onChange={(value) => {
          const [source, ...rest] = (value ?? "").split("/");
          set(value === undefined ? { source: undefined, project: undefined } : { source, project: rest.join("/") });
        }}
      />
      <FilterSelect
        label={t("data.split")}
        width={130}
        options={SPLITS}
        value={filter.split}
        onChange={(split) => {
          set({ split });
        }}
      />
      {filter.q === undefined && (
        <>
          <FilterSelect
            label={t("runs.field")}
            width={180}
            searchable
            options={(fields.data?.items ?? []).map((field) => field.name)}
            value={filter.field}
            onChange={(field) => {
              set({ field });
            }}
          />
          <FilterSelect
            label={t("data.reviewStatus")}
            width={150}
            options={REVIEW_STATUSES.map((status) => ({ value: status, label: t(`reviewStatus.${status}`) }))}
            value={filter.status}
            onChange={(status) => {
              set({ status });
            }}
          />
        </>
      )}
      {Object.keys(filter).length > 0 && (
        <LinkButton variant="subtle" to="/data/documents" search={{}}>
          {t("common.clearFilters")}
        </LinkButton>
      )}
    </Group>
  );
}
