// One snapshot: labels per field and split, warnings, conflicts, agreement, origin, files.
import { Alert, Button, Modal, Select, Stack, Text } from "@mantine/core";
import { IconShieldCheck } from "@tabler/icons-react";
import { useMutation, useQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";

import { asNumber, asObject, asString } from "../../api/json";
import type { Schemas } from "../../api/problem";
import { useFormat } from "../../components/format";
import { CopyId, ErrorNote, Facts, Loaded, Page, Panel, Time } from "../../components/page";
import { ScrollRegion } from "../../components/scroll-region";
import { datasetLineageQuery, datasetQuery, reportQuery, verifyDataset } from "./queries";
import { useSnapshotOptions } from "./snapshot-options";

const route = getRouteApi("/app/data/datasets/$datasetId");

export function DatasetPage() {
  const { t } = useTranslation();
  const format = useFormat();
  const { datasetId } = route.useParams();
  const dataset = useQuery(datasetQuery(datasetId));
  const report = useQuery(reportQuery(datasetId));
  const lineage = useQuery(datasetLineageQuery(datasetId));
  return (
    <Page
      title={dataset.data === undefined ? t("runs.dataset") : t("datasets.title", { date: format.absolute(dataset.data.created_at) })}
      badge={<CopyId id={datasetId} label={t("datasets.id")} />}
      crumbs={<Link to="/data/datasets">{t("data.datasets")}</Link>}
      actions={<Actions id={datasetId} />}
    >
      <Stack gap="md">
        <Loaded query={dataset}>
          {(data) => (
            <Panel>
              <Facts
                items={[
                  [t("datasets.examples"), format.count(data.examples)],
                  [t("datasets.position"), format.count(data.position)],
                  [
                    t("datasets.hash"),
                    <span key="hash" title={data.canonical_hash}>
                      {data.canonical_hash.slice(0, 16)}…
                    </span>,
                  ],
                  [t("runs.created"), <Time key="created" at={data.created_at} />],
                ]}
              />
            </Panel>
          )}
        </Loaded>
        <Loaded query={report}>{(data) => <Report report={data} />}</Loaded>
        <Loaded query={lineage}>{(data) => <Lineage lineage={data} />}</Loaded>
        {dataset.data !== undefined && (
          <Panel title={t("models.files")}>
            <ScrollRegion label={t("models.files")}>
              <table className="plain-table">
                <tbody>
                  {dataset.data.files.map((entry) => {
                    const file = asObject(entry);
                    const path = asString(file["path"]) ?? "";
                    return (
                      <tr key={path}>
                        <td className="wrap">
                          <a href={`/v1/datasets/${datasetId}/files/${path}`} download>
                            {path}
                          </a>
                        </td>
                        <td className="number">{format.bytes(asNumber(file["bytes"]) ?? 0)}</td>
                      </tr>
                    );
                  })}
                </tbody>
              </table>
            </ScrollRegion>
          </Panel>
        )}
      </Stack>
    </Page>
  );
}

function Actions({ id }: { id: string }) {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const others = useSnapshotOptions().filter((option) => option.value !== id);
  const verify = useMutation({ mutationFn: verifyDataset });
  return (
    <>
      {others.length > 0 && (
        <Select
          aria-label={t("datasets.compareWith")}
          placeholder={t("datasets.compareWith")}
          data={others}
          value={null}
          searchable
          w={230}
          onChange={(other) => {
            if (other !== null) void navigate({ to: "/data/diff/$from/$to", params: { from: other, to: id } });
          }}
        />
      )}
      <Button
        variant="default"
        leftSection={<IconShieldCheck size={14} />}
        loading={verify.isPending}
        title={t("datasets.verifyText")}
        onClick={() => {
          verify.mutate(id);
        }}
      >
        {t("datasets.verify")}
      </Button>
      <Modal
        opened={verify.data !== undefined || verify.error !== null}
        onClose={() => {
          verify.reset();
        }}
        title={t("datasets.verifyTitle")}
        closeButtonProps={{ "aria-label": t("common.close") }}
      >
        {verify.error !== null && <ErrorNote error={verify.error} />}
        {verify.data !== undefined && <Verification result={verify.data} />}
      </Modal>
    </>
  );
}

function Verification({ result }: { result: Schemas["FullVerification"] }) {
  const { t } = useTranslation();
  const files = result.files ?? [];
  const intact = files.filter((file) => file.state === "same").length;
  const broken = files.flatMap((file) => (file.state === "same" ? [] : [{ path: file.path, state: file.state }]));
  return (
    <Stack gap="xs">
      <Alert color={result.verdict === "same" ? "green" : result.verdict === "other_builder_version" ? "yellow" : "red"}>
        {t(`datasets.verdict.${result.verdict}`)}
      </Alert>
      {result.differences.map((difference) => (
        <Text key={difference.what} size="sm" className="wrap">
          {`${difference.what}: ${JSON.stringify(difference.recorded)} → ${JSON.stringify(difference.rebuilt)}`}
        </Text>
      ))}
      {result.erased.map((erasure) => (
        <Text key={erasure.document_id} size="sm" className="wrap">
          {erasure.document} · {erasure.actor} · <Time at={erasure.erased_at} /> · {erasure.reason}
        </Text>
      ))}
      {files.length > 0 && <Text size="sm">{t("datasets.filesSame", { count: intact })}</Text>}
      {broken.map((file) => (
        <Text key={file.path} size="sm" className="wrap">
          {`${file.path}: ${t(`datasets.fileState.${file.state}`)}`}
        </Text>
      ))}
    </Stack>
  );
}

function Report({ report }: { report: Schemas["DatasetReport"] }) {
  const { t } = useTranslation();
  const format = useFormat();
  return (
    <>
      {report.warnings.map((warning) => (
        <Alert key={warning} color="yellow">
          <span className="wrap">{warning}</span>
        </Alert>
      ))}
      {Object.entries(report.fields).map(([name, field]) => (
        <Panel key={name} title={name}>
          <ScrollRegion label={name}>
            <table className="plain-table">
              <thead>
                <tr>
                  <th scope="col">{t("metric.label")}</th>
                  <th scope="col" className="number">
                    train
                  </th>
                  <th scope="col" className="number">
                    validation
                  </th>
                  <th scope="col" className="number">
                    test
                  </th>
                </tr>
              </thead>
              <tbody>
                {field.labels.map((label) => (
                  <tr key={label.label ?? "∅"}>
                    <td className="wrap">
                      {label.label ?? "∅"}
                      {label.rare && <span className="dimmed"> · {t("start.rare")}</span>}
                    </td>
                    <td className="number">{format.count(label.train)}</td>
                    <td className="number">{format.count(label.validation)}</td>
                    <td className="number">{format.count(label.test)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </ScrollRegion>
        </Panel>
      ))}
      {report.conflicts_total > 0 && (
        <Panel title={t("datasets.conflicts", { count: report.conflicts_total })}>
          <ScrollRegion label={t("datasets.conflicts", { count: report.conflicts_total })}>
            <table className="plain-table">
              <tbody>
                {report.conflicts.map((conflict) => (
                  <tr key={`${conflict.field} ${conflict.text_key}`}>
                    <td>{conflict.field}</td>
                    <td className="wrap">
                      {conflict.values.map((value, index) => (
                        <span key={index}>
                          {index > 0 && " · "}
                          {value.value.length === 0 ? "∅" : value.value.join(", ")}{" "}
                          {value.examples.map((id, example) => (
                            <Link key={id} to="/data/documents/$documentId" params={{ documentId: id }}>
                              {value.example_names[example] ?? t("data.document")}{" "}
                            </Link>
                          ))}
                        </span>
                      ))}
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </ScrollRegion>
        </Panel>
      )}
      {report.agreement.fields.length > 0 && (
        <Panel title={t("datasets.agreement")}>
          <ScrollRegion label={t("datasets.agreement")}>
            <table className="plain-table">
              <thead>
                <tr>
                  <th scope="col">{t("runs.field")}</th>
                  <th scope="col" className="number">
                    {t("datasets.pairs")}
                  </th>
                  <th scope="col" className="number">
                    {t("datasets.observed")}
                  </th>
                  <th scope="col" className="number">
                    Krippendorff α
                  </th>
                </tr>
              </thead>
              <tbody>
                {report.agreement.fields.map((field) => (
                  <tr key={field.field}>
                    <td>{field.field}</td>
                    <td className="number">{format.count(field.pairs)}</td>
                    <td className="number">{format.ratio(field.observed_agreement)}</td>
                    <td className="number">{format.ratio(field.krippendorff_alpha)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </ScrollRegion>
        </Panel>
      )}
    </>
  );
}

function Lineage({ lineage }: { lineage: Schemas["DatasetLineage"] }) {
  const { t } = useTranslation();
  const format = useFormat();
  return (
    <Panel title={t("data.lineage")}>
      <Facts
        items={[
          [
            t("datasets.documents"),
            lineage.documents.map((source) => `${source.source}/${source.project}: ${format.count(source.documents)}`).join("; "),
          ],
          [
            t("datasets.reviewers"),
            lineage.reviewers.map((reviewer) => `${reviewer.reviewer ?? "–"} (${format.count(reviewer.values)})`).join(", "),
          ],
          [
            t("nav.runs"),
            <>
              {lineage.runs.map((run, index) => (
                <span key={run.id}>
                  {index > 0 && ", "}
                  <Link to="/runs/$runId" params={{ runId: run.id }}>{`${run.model} ${run.kind}`}</Link>
                </span>
              ))}
            </>,
          ],
          [
            t("models.versions"),
            <>
              {lineage.versions.map((version, index) => (
                <span key={version.run_id}>
                  {index > 0 && ", "}
                  <Link
                    to="/models/$name/versions/$number"
                    params={{ name: version.model, number: String(version.number) }}
                  >{`${version.model} v${String(version.number)}`}</Link>
                </span>
              ))}
            </>,
          ],
        ]}
      />
    </Panel>
  );
}
