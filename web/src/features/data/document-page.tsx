// One document: text, values with their history, split, near-duplicates, lineage.
import { Badge, Button, Modal, Text } from "@mantine/core";
import { IconChecklist, IconDownload } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import { asObject } from "../../api/json";
import type { Schemas } from "../../api/problem";
import { useCan } from "../../app/session";
import { useFormat } from "../../components/format";
import { CopyId, Facts, Loaded, Page, Panel, Time, ValueText } from "../../components/page";
import { LinkButton } from "../../components/link-button";
import { DocumentText } from "../review/document-text";
import { documentQuery, historyQuery } from "../review/queries";
import classes from "./data.module.css";
import { DocumentActions } from "./document-actions";
import { lineageQuery, overviewQuery } from "./queries";

const NO_PLACE = [] as const;
const route = getRouteApi("/app/data/documents/$documentId");

export function DocumentPage() {
  const { t } = useTranslation();
  const { documentId } = route.useParams();
  const canReview = useCan("reviewer");
  const overview = useQuery(overviewQuery(documentId));
  const text = useQuery(documentQuery(documentId));
  const name = overview.data === undefined ? t("data.document") : (overview.data.file_name ?? overview.data.task_id);
  return (
    <Page
      wide
      title={name}
      badge={
        overview.data !== undefined && (
          <>
            <Badge variant="default" tt="none">
              {overview.data.split ?? "–"}
            </Badge>
            <CopyId id={documentId} label={t("data.id")} />
          </>
        )
      }
      crumbs={
        <>
          <Link to="/data/documents">{t("data.documents")}</Link>
          {overview.data !== undefined && (
            <>
              <span aria-hidden>/</span>
              <span>{`${overview.data.source}/${overview.data.project}/${overview.data.task_id}`}</span>
            </>
          )}
        </>
      }
      actions={
        <>
          {overview.data !== undefined && (
            <DocumentActions
              id={documentId}
              name={name}
              isArchived={overview.data.archived_at !== null && overview.data.archived_at !== undefined}
            />
          )}
          <Button
            variant="default"
            leftSection={<IconDownload size={14} />}
            component="a"
            href={`/v1/documents/${documentId}/text`}
            download
          >
            {t("data.downloadText")}
          </Button>
          <LinkButton leftSection={<IconChecklist size={14} />} to="/review/$documentId" params={{ documentId }}>
            {canReview ? t("data.review") : t("data.openReview")}
          </LinkButton>
        </>
      }
    >
      <div className={classes["columns"]}>
        <div className={classes["stack"]}>
          <Loaded query={text}>{(data) => <DocumentText text={data.text} place={NO_PLACE} />}</Loaded>
        </div>
        <div className={classes["stack"]}>
          <Loaded query={overview}>{(data) => <Details overview={data} />}</Loaded>
          <Lineage id={documentId} />
        </div>
      </div>
    </Page>
  );
}

function Details({ overview }: { overview: Schemas["DocumentOverview"] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const [field, setField] = useState<string | undefined>(undefined);
  const metadata = Object.entries(asObject(overview.metadata));
  const { explanation } = overview;
  return (
    <>
      <Panel title={t("data.values")}>
        <table className="plain-table">
          <tbody>
            {overview.fields.map((annotation) => (
              <tr key={annotation.field}>
                <td>
                  <button
                    type="button"
                    className="link-button"
                    onClick={() => {
                      setField(annotation.field);
                    }}
                    title={t("data.showHistory")}
                  >
                    {annotation.field}
                  </button>
                </td>
                <td>
                  <ValueText value={annotation.accepted_value ?? annotation.predicted_value} />
                </td>
                <td className="dimmed">{t(`reviewStatus.${annotation.review_status}`)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Panel>
      <Panel title={t("data.splitTitle")}>
        <SplitText explanation={explanation} />
        {explanation.near_duplicates.length > 0 && (
          <table className="plain-table">
            <thead>
              <tr>
                <th scope="col">{t("data.nearDuplicate")}</th>
                <th scope="col" className="number">
                  {t("data.containment")}
                </th>
                <th scope="col">{t("data.split")}</th>
              </tr>
            </thead>
            <tbody>
              {explanation.near_duplicates.map((near) => (
                <tr key={near.document_id}>
                  <td>
                    <Link
                      to="/data/documents/$documentId"
                      params={{ documentId: near.document_id }}
                    >{`${near.source}/${near.project}/${near.task_id}`}</Link>
                  </td>
                  <td className="number">{format.ratio(near.containment)}</td>
                  <td>{near.split ?? "–"}</td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
      </Panel>
      <Panel title={t("data.details")}>
        <Facts
          items={[
            [t("data.created"), <Time key="created" at={overview.created_at} />],
            [t("data.updated"), <Time key="updated" at={overview.updated_at} />],
            [
              t("data.textVersions"),
              overview.texts.map((version) => t("data.characters", { version: version.version, count: version.characters })).join("; "),
            ],
            ...(overview.archived_at === null || overview.archived_at === undefined
              ? []
              : [[t("data.archived"), <Time key="archived" at={overview.archived_at} />] as const]),
            ...metadata.map(([key, value]) => [key, typeof value === "string" ? value : JSON.stringify(value)] as const),
          ]}
        />
      </Panel>
      <Modal
        opened={field !== undefined}
        onClose={() => {
          setField(undefined);
        }}
        size="lg"
        title={t("data.historyOf", { field: field ?? "" })}
        closeButtonProps={{ "aria-label": t("common.close") }}
      >
        {field !== undefined && <History id={overview.id} field={field} />}
      </Modal>
    </>
  );
}

function History({ id, field }: { id: string; field: string }) {
  const { t } = useTranslation();
  const format = useFormat();
  const history = useQuery(historyQuery(id, field));
  return (
    <Loaded query={history}>
      {(data) => (
        <table className="plain-table">
          <thead>
            <tr>
              <th scope="col">{t("data.when")}</th>
              <th scope="col">{t("data.who")}</th>
              <th scope="col">{t("try.value")}</th>
              <th scope="col">{t("runs.state")}</th>
            </tr>
          </thead>
          <tbody>
            {[...data.events].reverse().map((event) => (
              <tr key={event.position}>
                <td>
                  <Time at={event.occurred_at} />
                </td>
                <td className="wrap">{event.reviewer ?? event.actor ?? event.source}</td>
                <td>
                  <ValueText value={event.value} />
                  {event.note !== null && event.note !== undefined && <div className="dimmed wrap">{event.note}</div>}
                </td>
                <td>
                  {t(`reviewStatus.${event.review_status}`)}
                  {event.is_current && <span className="dimmed"> · {t("data.inEffect")}</span>}
                </td>
              </tr>
            ))}
            {[...data.predictions].reverse().map((prediction) => (
              <tr key={`${prediction.extractor_version} ${prediction.recorded_at}`}>
                <td>
                  <Time at={prediction.predicted_at} />
                </td>
                <td className="wrap">{prediction.extractor_version}</td>
                <td>
                  <ValueText value={prediction.value} />
                </td>
                <td className="dimmed">
                  {t("data.prediction")} {format.ratio(prediction.confidence)}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Loaded>
  );
}

/** Why the document is in its split. What this page has no words for is shown in those of the server. */
function SplitText({ explanation }: { explanation: Schemas["SplitExplanation"] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const current = explanation.splits.at(-1);
  const reason = (["hash", "inherited", "bridge"] as const).find((known) => known === current?.reason);
  const sentences =
    current === undefined || reason === undefined
      ? explanation.in_words
      : [
          t("data.splitSince", { split: current.split, at: format.absolute(current.since), position: format.count(current.position) }),
          t(`data.splitReason.${reason}`),
          explanation.indexed ? t("data.nearDuplicates", { count: explanation.near_duplicates_total }) : t("data.notIndexed"),
        ];
  return sentences.map((sentence) => (
    <Text key={sentence} size="sm" className="wrap">
      {sentence}
    </Text>
  ));
}

// an old document is in every snapshot since
const SHOWN_SNAPSHOTS = 20;
const SHOWN_RUNS = 5;

function Lineage({ id }: { id: string }) {
  const { t } = useTranslation();
  const format = useFormat();
  const lineage = useQuery(lineageQuery(id));
  return (
    <Panel title={t("data.lineage")}>
      <Loaded query={lineage}>
        {(data) =>
          data.snapshots.length === 0 ? (
            <Text size="sm" c="dimmed">
              {t("data.noLineage")}
            </Text>
          ) : (
            <table className="plain-table">
              <thead>
                <tr>
                  <th scope="col">{t("runs.dataset")}</th>
                  <th scope="col">{t("data.split")}</th>
                  <th scope="col">{t("nav.runs")}</th>
                </tr>
              </thead>
              <tbody>
                {data.snapshots.slice(-SHOWN_SNAPSHOTS).map((snapshot) => (
                  <tr key={snapshot.dataset_id}>
                    <td>
                      <Link to="/data/datasets/$datasetId" params={{ datasetId: snapshot.dataset_id }}>
                        <Time at={snapshot.created_at} />
                      </Link>
                    </td>
                    <td>{snapshot.split}</td>
                    <td className="wrap">
                      {snapshot.runs.slice(-SHOWN_RUNS).map((run, index) => (
                        <span key={run.id}>
                          {index > 0 && ", "}
                          <Link to="/runs/$runId" params={{ runId: run.id }}>
                            {run.model}
                          </Link>
                        </span>
                      ))}
                      {snapshot.runs.length > SHOWN_RUNS && ` +${format.count(snapshot.runs.length - SHOWN_RUNS)}`}
                    </td>
                  </tr>
                ))}
              </tbody>
              {data.snapshots.length > SHOWN_SNAPSHOTS && (
                <caption className="dimmed">{t("data.olderSnapshots", { count: data.snapshots.length - SHOWN_SNAPSHOTS })}</caption>
              )}
            </table>
          )
        }
      </Loaded>
    </Panel>
  );
}
