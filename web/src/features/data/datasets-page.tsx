// Snapshots that runs were trained on.
import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";

import { asNumber, asObject } from "../../api/json";
import type { Schemas } from "../../api/problem";
import { type Column, DataTable } from "../../components/data-table";
import { useFormat } from "../../components/format";
import { EmptyState, Loaded, Page, Time } from "../../components/page";
import { DataTabs } from "./data-tabs";
import classes from "./data.module.css";
import { datasetsQuery } from "./queries";

const SPLIT_COLOURS = [
  ["train", "--chart-1"],
  ["validation", "--chart-3"],
  ["test", "--chart-2"],
] as const;

export function SplitBar({ splits }: { splits: unknown }) {
  const counts = asObject(splits);
  const text = SPLIT_COLOURS.map(([name]) => `${name} ${String(asNumber(counts[name]) ?? 0)}`).join(", ");
  return (
    <div className={classes["splits"]} role="img" aria-label={text} title={text}>
      {SPLIT_COLOURS.map(([name, colour]) => (
        <span key={name} style={{ flexGrow: asNumber(counts[name]) ?? 0, background: `var(${colour})` }} />
      ))}
    </div>
  );
}

export function DatasetsPage() {
  const { t } = useTranslation();
  const format = useFormat();
  const datasets = useInfiniteQuery(datasetsQuery);
  const rows = useMemo(() => datasets.data?.pages.flatMap((page) => page.items), [datasets.data]);
  const columns: readonly Column<Schemas["DatasetSummary"]>[] = [
    {
      key: "created",
      label: t("runs.created"),
      cell: (row) => (
        <Link to="/data/datasets/$datasetId" params={{ datasetId: row.id }}>
          <Time at={row.created_at} />
        </Link>
      ),
    },
    { key: "examples", label: t("datasets.examples"), numeric: true, cell: (row) => format.count(row.examples) },
    { key: "splits", label: t("datasets.splits"), cell: (row) => <SplitBar splits={row.splits} /> },
    { key: "fields", label: t("runs.fields"), grow: true, optional: true, cell: (row) => row.fields?.join(", ") ?? t("runs.allFields") },
    { key: "size", label: t("imports.size"), numeric: true, optional: true, cell: (row) => format.bytes(row.bytes) },
    { key: "runs", label: t("nav.runs"), numeric: true, cell: (row) => format.count(row.runs) },
    { key: "position", label: t("datasets.position"), numeric: true, optional: true, cell: (row) => format.count(row.position) },
  ];
  return (
    <Page wide title={t("data.datasets")}>
      <DataTabs />
      <Loaded query={{ data: rows, error: datasets.error, refetch: datasets.refetch }}>
        {(items) =>
          items.length === 0 ? (
            <EmptyState
              title={t("datasets.none")}
              text={t("datasets.noneText")}
              command="aprendiz run create --model contracts --kind linear"
            />
          ) : (
            <DataTable
              label={t("data.datasets")}
              columns={columns}
              rows={items}
              rowKey={(row) => row.id}
              more={{ available: datasets.hasNextPage, loading: datasets.isFetchingNextPage, load: () => void datasets.fetchNextPage() }}
            />
          )
        }
      </Loaded>
    </Page>
  );
}
