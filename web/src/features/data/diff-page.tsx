// Differences of two snapshots: what changed, label drift per field, and every change.
import { Badge, Group, Select, Stack, Text } from "@mantine/core";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";

import type { Schemas } from "../../api/problem";
import { type Column, DataTable } from "../../components/data-table";
import { useFormat } from "../../components/format";
import { EmptyState, Figure, Figures, Loaded, Page, Panel } from "../../components/page";
import { ScrollRegion } from "../../components/scroll-region";
import { datasetQuery, diffQuery } from "./queries";
import { useSnapshotOptions } from "./snapshot-options";

const route = getRouteApi("/app/data/diff/$from/$to");

export function DiffPage() {
  const { t } = useTranslation();
  const format = useFormat();
  const navigate = useNavigate();
  const { from, to } = route.useParams();
  const diff = useInfiniteQuery(diffQuery(from, to));
  const first = useQuery(datasetQuery(from));
  const options = useSnapshotOptions([from, to]);
  const changes = useMemo(() => diff.data?.pages.flatMap((page) => page.items), [diff.data]);
  const summary = diff.data?.pages[0]?.summary ?? undefined;
  const set = (next: { from?: string; to?: string }): void => {
    void navigate({ to: "/data/diff/$from/$to", params: { from, to, ...next }, replace: true });
  };
  return (
    <Page
      wide
      title={t("diff.title")}
      crumbs={
        <>
          <Link to="/data/datasets">{t("data.datasets")}</Link>
          <span aria-hidden>/</span>
          <Link to="/data/datasets/$datasetId" params={{ datasetId: from }}>
            {first.data === undefined ? t("runs.dataset") : format.absolute(first.data.created_at)}
          </Link>
        </>
      }
    >
      <Group gap="sm" align="flex-end">
        <Select
          label={t("diff.from")}
          data={options}
          value={from}
          allowDeselect={false}
          searchable
          w={300}
          onChange={(value) => {
            if (value !== null) set({ from: value });
          }}
        />
        <Select
          label={t("diff.to")}
          data={options}
          value={to}
          allowDeselect={false}
          searchable
          w={300}
          onChange={(value) => {
            if (value !== null) set({ to: value });
          }}
        />
      </Group>
      <Loaded query={{ data: changes, error: diff.error, refetch: diff.refetch }}>
        {(rows) => (
          <Stack gap="md">
            {summary !== undefined && <Summary summary={summary} />}
            {rows.length === 0 ? (
              <EmptyState title={t("diff.none")} text={t("diff.noneText")} />
            ) : (
              <Panel title={t("diff.changes")}>
                <Changes
                  rows={rows}
                  more={{ available: diff.hasNextPage, loading: diff.isFetchingNextPage, load: () => void diff.fetchNextPage() }}
                />
              </Panel>
            )}
          </Stack>
        )}
      </Loaded>
    </Page>
  );
}

function Summary({ summary }: { summary: Schemas["DatasetDiff"] }) {
  const { t } = useTranslation();
  const format = useFormat();
  return (
    <>
      <Figures>
        <Figure label={t("diff.inBoth")} value={format.count(summary.in_both)} />
        {summary.counts.map((count) => (
          <Figure
            key={`${count.kind} ${count.field ?? ""}`}
            label={t(`diff.kind.${count.kind}`)}
            value={format.count(count.changes)}
            {...(count.field === null || count.field === undefined ? {} : { hint: count.field })}
            {...(count.kind === "moved_split" ? { tone: "failed" as const } : {})}
          />
        ))}
      </Figures>
      {summary.fields_added.length > 0 && (
        <Text size="sm" className="wrap">{`${t("diff.fieldsAdded")}: ${summary.fields_added.join(", ")}`}</Text>
      )}
      {summary.fields_removed.length > 0 && (
        <Text size="sm" className="wrap">{`${t("diff.fieldsRemoved")}: ${summary.fields_removed.join(", ")}`}</Text>
      )}
      {summary.drift.fields.length > 0 && <Drift drift={summary.drift} />}
    </>
  );
}

/** By convention, a population stability index below 0.1 is stable and above 0.25 is a shift. */
export function driftLevel(index: number): "stable" | "moderate" | "shifted" {
  return index < 0.1 ? "stable" : index <= 0.25 ? "moderate" : "shifted";
}

const LEVEL_COLOURS = { stable: "succeeded", moderate: "retrying", shifted: "failed" } as const;

function Drift({ drift }: { drift: Schemas["Drift"] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const labels = (values: readonly (string | null)[]): string => values.map((value) => value ?? "∅").join(", ");
  return (
    <Panel title={t("diff.drift")}>
      <Text size="xs" c="dimmed" mb="xs">
        {t("diff.driftHelp")}
      </Text>
      <ScrollRegion label={t("diff.drift")}>
        <table className="plain-table">
          <thead>
            <tr>
              <th scope="col">{t("runs.field")}</th>
              <th scope="col">{t("diff.level")}</th>
              <th scope="col" className="number">
                PSI
              </th>
              <th scope="col" className="number">
                Jensen-Shannon
              </th>
              <th scope="col" className="number">
                {t("diff.totalVariation")}
              </th>
              <th scope="col" className="number">
                n
              </th>
              <th scope="col">{t("diff.newLabels")}</th>
              <th scope="col">{t("diff.vanishedLabels")}</th>
            </tr>
          </thead>
          <tbody>
            {drift.fields.map((field) => {
              const level = driftLevel(field.population_stability_index);
              return (
                <tr key={field.field}>
                  <td>{field.field}</td>
                  <td>
                    <Badge variant="default" c={`var(--state-${LEVEL_COLOURS[level]})`} tt="none">
                      {t(`diff.levels.${level}`)}
                    </Badge>
                  </td>
                  <td className="number">{format.fixed(field.population_stability_index, 3)}</td>
                  <td className="number">{format.fixed(field.jensen_shannon_distance, 3)}</td>
                  <td className="number">{format.percent(field.total_variation)}</td>
                  <td className="number">{`${format.count(field.examples_from)} → ${format.count(field.examples_to)}`}</td>
                  <td className="wrap">{labels(field.new_labels)}</td>
                  <td className="wrap">{labels(field.vanished_labels)}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </ScrollRegion>
    </Panel>
  );
}

type Change = Schemas["DiffPage"]["items"][number];

function valueText(value: unknown): string {
  if (value === null || value === undefined) return "–";
  if (Array.isArray(value)) return value.length === 0 ? "∅" : value.map(String).join(", ");
  return typeof value === "string" ? value : JSON.stringify(value);
}

function Changes({ rows, more }: { rows: readonly Change[]; more: { available: boolean; loading: boolean; load: () => void } }) {
  const { t } = useTranslation();
  const columns: readonly Column<Change>[] = [
    { key: "kind", label: t("diff.change"), cell: (row) => t(`diff.kind.${row.kind}`) },
    {
      key: "document",
      label: t("data.document"),
      grow: true,
      cell: (row) => (
        <Link to="/data/documents/$documentId" params={{ documentId: row.document_id }}>
          {row.document}
        </Link>
      ),
    },
    { key: "field", label: t("runs.field"), optional: true, cell: (row) => row.field ?? "–" },
    { key: "old", label: t("diff.old"), cell: (row) => <span title={valueText(row.old)}>{valueText(row.old)}</span> },
    { key: "new", label: t("diff.new"), cell: (row) => <span title={valueText(row.new)}>{valueText(row.new)}</span> },
  ];
  return (
    <DataTable
      label={t("diff.changes")}
      columns={columns}
      rows={rows}
      rowKey={(row) => `${row.document_id} ${row.kind} ${row.field ?? ""}`}
      more={more}
    />
  );
}
