// Origin of a version: review events, snapshot, runs that read it, their versions and aliases.
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";

import type { Schemas } from "../../api/problem";
import { LineageGraph, type LineageNode } from "../../charts/lineage-graph";
import { useFormat } from "../../components/format";
import { Loaded, Panel } from "../../components/page";
import { datasetLineageQuery } from "../data/queries";
import { versionsQuery } from "./queries";

const SHOWN = 6;

export function VersionLineage({ version }: { version: Schemas["MeasuredVersion"] }) {
  const { t } = useTranslation();
  const lineage = useQuery(datasetLineageQuery(version.dataset_id));
  const versions = useQuery(versionsQuery(version.model));
  return (
    <Panel title={t("data.lineage")}>
      <Loaded query={lineage}>{(data) => <Graph version={version} lineage={data} versions={versions.data?.items ?? []} />}</Loaded>
    </Panel>
  );
}

/** The newest runs that read the snapshot, with the run of the version among them. */
export function shownRuns(runs: readonly Schemas["DatasetRun"][], runId: string, limit = SHOWN): Schemas["DatasetRun"][] {
  const own = runs.filter((run) => run.id === runId);
  const others = runs.filter((run) => run.id !== runId).slice(-Math.max(0, limit - own.length));
  return runs.filter((run) => own.includes(run) || others.includes(run));
}

interface GraphProps {
  version: Schemas["MeasuredVersion"];
  lineage: Schemas["DatasetLineage"];
  versions: readonly Schemas["MeasuredVersion"][];
}

function Graph({ version, lineage, versions }: GraphProps) {
  const { t } = useTranslation();
  const format = useFormat();
  const runs = shownRuns(lineage.runs, version.run_id);
  const published = lineage.versions.filter((entry) => runs.some((run) => run.id === entry.run_id));
  const aliases = versions.flatMap((entry) =>
    published.some((other) => other.model === entry.model && other.number === entry.number)
      ? entry.aliases.map((alias) => ({ alias, number: entry.number }))
      : [],
  );
  const eventNodes: LineageNode[] = lineage.values.map((source) => ({
    key: `event ${source.source}`,
    active: true,
    content: source.source,
    detail: t("lineage.values", { count: source.values }),
  }));
  const snapshot: LineageNode = {
    key: "snapshot",
    active: true,
    content: (
      <Link to="/data/datasets/$datasetId" params={{ datasetId: lineage.dataset_id }}>
        {format.absolute(lineage.created_at)}
      </Link>
    ),
    detail: t("lineage.documents", { count: lineage.documents.reduce((sum, source) => sum + source.documents, 0) }),
  };
  const runNodes: LineageNode[] = runs.map((run) => ({
    key: `run ${run.id}`,
    active: run.id === version.run_id,
    content: (
      <Link to="/runs/$runId" params={{ runId: run.id }}>
        {run.model}
      </Link>
    ),
    detail: `${run.kind} · ${run.created_by}`,
  }));
  const isThis = (entry: { model: string; number: number }): boolean => entry.model === version.model && entry.number === version.number;
  const versionNodes: LineageNode[] = published.map((entry) => ({
    key: `version ${entry.model} ${String(entry.number)}`,
    active: isThis(entry),
    content: (
      <Link to="/models/$name/versions/$number" params={{ name: entry.model, number: String(entry.number) }}>
        {`${entry.model} v${String(entry.number)}`}
      </Link>
    ),
    detail: format.absolute(entry.published_at),
  }));
  const aliasNodes: LineageNode[] = aliases.map((entry) => ({
    key: `alias ${entry.alias}`,
    active: entry.number === version.number,
    content: (
      <Link to="/models/$name" params={{ name: version.model }} search={{ tab: "aliases" }}>
        {entry.alias}
      </Link>
    ),
  }));
  return (
    <>
      <LineageGraph
        label={t("data.lineage")}
        columns={[
          { title: t("lineage.events"), nodes: eventNodes },
          { title: t("runs.dataset"), nodes: [snapshot] },
          { title: t("nav.runs"), nodes: runNodes },
          { title: t("models.versions"), nodes: versionNodes },
          { title: t("models.aliases"), nodes: aliasNodes },
        ]}
        edges={[
          ...eventNodes.map((node) => [node.key, snapshot.key] as const),
          ...runNodes.map((node) => [snapshot.key, node.key] as const),
          ...published.map((entry) => [`run ${entry.run_id}`, `version ${entry.model} ${String(entry.number)}`] as const),
          ...aliases.map((entry) => [`version ${version.model} ${String(entry.number)}`, `alias ${entry.alias}`] as const),
        ]}
      />
      {runs.length < lineage.runs.length && <p className="dimmed">{t("lineage.moreRuns", { count: lineage.runs.length - runs.length })}</p>}
    </>
  );
}
