// One version of a model: metrics, origin, files.
import { Alert, Badge, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";

import { asNumber, asObject, asString } from "../../api/json";
import type { Schemas } from "../../api/problem";
import { useCan } from "../../app/session";
import { useFormat } from "../../components/format";
import { LabelsPanel } from "../../components/labels-panel";
import { useMetricName } from "../../components/metric-name";
import { Facts, Loaded, Page, Panel, Time } from "../../components/page";
import { ScrollRegion } from "../../components/scroll-region";
import { StateBadge } from "../../components/state-badge";
import { FieldMetricsTable } from "../metrics/field-metrics-table";
import { fieldSummaries } from "../metrics/metrics";
import { evaluationsQuery, metricsQuery } from "../runs/queries";
import { changeVersionNote, changeVersionTags, useModelAction, versionQuery } from "./queries";
import { VersionActions } from "./version-actions";
import { VersionLineage } from "./version-lineage";

const route = getRouteApi("/app/models/$name/versions/$number");

export function VersionPage() {
  const { name, number } = route.useParams();
  const { t } = useTranslation();
  const version = useQuery(versionQuery(name, Number(number)));
  return (
    <Page
      title={`${name} v${number}`}
      badge={version.data?.aliases.map((alias) => (
        <Badge key={alias} variant="light" tt="none">
          {alias}
        </Badge>
      ))}
      crumbs={
        <>
          <Link to="/models">{t("nav.models")}</Link>
          <span aria-hidden>/</span>
          <Link to="/models/$name" params={{ name }}>
            {name}
          </Link>
        </>
      }
      actions={version.data !== undefined && <VersionActions version={version.data} />}
    >
      <Loaded query={version}>{(data) => <Version version={data} />}</Loaded>
    </Page>
  );
}

function Version({ version }: { version: Schemas["MeasuredVersion"] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const card = asObject(version.card);
  const hasFiles = version.files_deleted_at === null || version.files_deleted_at === undefined;
  const facts: [string, ReactNode][] = [
    [t("runs.kind"), asString(card["kind"]) ?? "–"],
    [t("models.published"), <Time key="published" at={version.created_at} />],
    [
      t("runs.run"),
      <Link key="run" to="/runs/$runId" params={{ runId: version.run_id }}>
        {t("models.openRun")}
      </Link>,
    ],
    [
      t("runs.dataset"),
      <Link key="dataset" to="/data/datasets/$datasetId" params={{ datasetId: version.dataset_id }}>
        {t("runs.openDataset")}
      </Link>,
    ],
    ...(version.retired_at === null || version.retired_at === undefined
      ? []
      : [
          [
            t("models.retired"),
            <span key="retired">
              <Time at={version.retired_at} /> · {version.retired_by} · {version.retired_reason}
            </span>,
          ] as [string, ReactNode],
        ]),
    ...(version.files_deleted_at === null || version.files_deleted_at === undefined
      ? []
      : [
          [
            t("version.filesGone"),
            <span key="files">
              <Time at={version.files_deleted_at} /> · {version.files_deleted_by} · {version.files_deleted_reason}
            </span>,
          ] as [string, ReactNode],
        ]),
  ];
  return (
    <Stack gap="md">
      <Panel>
        <Facts items={facts} />
      </Panel>
      <Labels version={version} />
      <VersionLineage version={version} />
      <Verification version={version} />
      <Metrics version={version} />
      <Evaluations version={version} />
      <Panel title={t("models.files")}>
        <ScrollRegion label={t("models.files")}>
          <table className="plain-table">
            <tbody>
              {version.files.map((entry) => {
                const file = asObject(entry);
                const path = asString(file["path"]) ?? "";
                return (
                  <tr key={path}>
                    <td className="wrap">
                      {hasFiles ? (
                        <a
                          href={`/v1/models/${encodeURIComponent(version.model)}/versions/${String(version.number)}/files/${path}`}
                          download
                        >
                          {path}
                        </a>
                      ) : (
                        path
                      )}
                    </td>
                    <td className="number">{format.bytes(asNumber(file["bytes"]) ?? 0)}</td>
                  </tr>
                );
              })}
            </tbody>
          </table>
        </ScrollRegion>
      </Panel>
    </Stack>
  );
}

/** The metrics of each field, as its run recorded them; only the main one if the run has none by field. */
function Metrics({ version }: { version: Schemas["MeasuredVersion"] }) {
  const { t } = useTranslation();
  const metrics = useQuery(metricsQuery(version.run_id));
  if (version.metrics.length === 0) return null;
  return (
    <Panel title={t("models.onTest")}>
      <Loaded query={metrics}>
        {(page) => {
          const summaries = fieldSummaries(page.items);
          return summaries.length === 0 ? (
            <Headlines metrics={version.metrics} />
          ) : (
            <FieldMetricsTable
              runId={version.run_id}
              summaries={summaries}
              encoder={asString(asObject(version.card)["kind"]) === "sentence-transformer"}
            />
          );
        }}
      </Loaded>
    </Panel>
  );
}

function Headlines({ metrics }: { metrics: Schemas["MeasuredVersion"]["metrics"] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const metricName = useMetricName();
  return (
    <ScrollRegion label={t("models.onTest")}>
      <table className="plain-table">
        <thead>
          <tr>
            <th scope="col">{t("runs.field")}</th>
            <th scope="col">{t("compare.metric")}</th>
            <th scope="col" className="number">
              {t("try.value")}
            </th>
            <th scope="col" className="number">
              {t("metric.coverage")}
            </th>
            <th scope="col" className="number">
              n
            </th>
          </tr>
        </thead>
        <tbody>
          {metrics.map((metric) => (
            <tr key={metric.field ?? ""}>
              <td>{metric.field ?? t("models.allFields")}</td>
              <td>{metric.metric === null || metric.metric === undefined ? "–" : metricName(metric.metric)}</td>
              <td className="number">{format.ratio(metric.value)}</td>
              <td className="number">
                {metric.coverage === null || metric.coverage === undefined ? "–" : format.percent(metric.coverage)}
              </td>
              <td className="number">{metric.n ?? "–"}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </ScrollRegion>
  );
}

function Labels({ version }: { version: Schemas["MeasuredVersion"] }) {
  const canEdit = useCan("operator");
  const key = { name: version.model, number: version.number };
  const tags = useModelAction(changeVersionTags);
  const note = useModelAction(changeVersionNote);
  return (
    <LabelsPanel
      tags={version.tags}
      note={version.note}
      canEdit={canEdit}
      onTags={(body) => tags.mutateAsync({ ...key, body })}
      onNote={(text) => note.mutateAsync({ ...key, note: text })}
    />
  );
}

/** What training the version again has shown. */
function Verification({ version }: { version: Schemas["MeasuredVersion"] }) {
  const { t } = useTranslation();
  const { verification } = version;
  if (verification === null || verification === undefined) return null;
  return (
    <Panel title={t("version.verification")}>
      <Alert color={verification.result === "identical" ? "green" : "yellow"} p="xs">
        {t(`version.result.${verification.result}`)} · {t("version.comparedFiles", { count: verification.compared })} ·{" "}
        <Time at={version.verified_at} />
        {version.verified_run_id !== null && version.verified_run_id !== undefined && (
          <>
            {" · "}
            <Link to="/runs/$runId" params={{ runId: version.verified_run_id }}>
              {t("models.openRun")}
            </Link>
          </>
        )}
      </Alert>
      {verification.reasons.map((reason) => (
        <Text key={reason} size="sm" mt={4} className="wrap">
          {reason}
        </Text>
      ))}
      {verification.files.length > 0 && (
        <Text size="sm" mt={4} className="wrap">
          {t("version.differingFiles")}: {verification.files.map((file) => file.path).join(", ")}
        </Text>
      )}
    </Panel>
  );
}

/** Runs that evaluated the version again, on test documents that arrived later. */
function Evaluations({ version }: { version: Schemas["MeasuredVersion"] }) {
  const { t } = useTranslation();
  const runs = useQuery(evaluationsQuery(version.model));
  const own = (runs.data?.items ?? []).filter((run) => run.spec.model_version === version.number);
  if (own.length === 0) return null;
  return (
    <Panel title={t("version.evaluations")}>
      <ScrollRegion label={t("version.evaluations")}>
        <table className="plain-table">
          <tbody>
            {own.map((run) => (
              <tr key={run.id}>
                <td>
                  <StateBadge state={run.status} />
                </td>
                <td>
                  <Link to="/runs/$runId" params={{ runId: run.id }} search={{ tab: "metrics" }}>
                    {t("models.openRun")}
                  </Link>
                </td>
                <td>
                  <Time at={run.created_at} />
                </td>
                <td>{run.created_by}</td>
                <td>
                  <Link to="/compare" search={{ items: `${version.run_id},${run.id}` }}>
                    {t("version.compareEvaluation")}
                  </Link>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </ScrollRegion>
    </Panel>
  );
}
