// One import: progress, report, quarantine, retry and reversion.
import { Alert, Button, Group, Progress, Stack, Text, TextInput } from "@mantine/core";
import { IconArrowBackUp, IconDownload, IconRefresh } from "@tabler/icons-react";
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";

import type { Schemas } from "../../api/problem";
import { useCan } from "../../app/session";
import { ScrollRegion } from "../../components/scroll-region";
import { ConfirmDialog } from "../../components/confirm-dialog";
import { useFormat } from "../../components/format";
import { ErrorNote, Facts, Figure, Figures, Loaded, Page, Panel, Time } from "../../components/page";
import { StateBadge } from "../../components/state-badge";
import { showToast } from "../../components/toast";
import { importQuery, quarantineQuery, retryImport, revertImport } from "./queries";

const route = getRouteApi("/app/data/imports/$importId");

export function ImportPage() {
  const { t } = useTranslation();
  const { importId } = route.useParams();
  const state = useQuery(importQuery(importId));
  return (
    <Page
      title={state.data?.file_name ?? t("imports.import")}
      badge={state.data !== undefined && <StateBadge state={state.data.status} />}
      crumbs={<Link to="/data/imports">{t("data.imports")}</Link>}
      actions={state.data !== undefined && <Revert state={state.data} />}
    >
      <Loaded query={state}>{(data) => <Import state={data} />}</Loaded>
    </Page>
  );
}

function Revert({ state }: { state: Schemas["ImportState"] }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const canRevert = useCan("operator");
  const [asking, setAsking] = useState(false);
  const revert = useMutation({
    mutationFn: revertImport,
    onSuccess: (result) => {
      showToast(t("imports.reverted", { count: result.documents_withdrawn }));
      setAsking(false);
    },
    onSettled: () => client.invalidateQueries({ queryKey: ["imports"] }),
  });
  if (!canRevert || state.status !== "succeeded" || (state.reverted_at !== null && state.reverted_at !== undefined)) return null;
  return (
    <>
      <Button
        variant="default"
        leftSection={<IconArrowBackUp size={14} />}
        onClick={() => {
          setAsking(true);
        }}
      >
        {t("imports.revert")}
      </Button>
      <ConfirmDialog
        opened={asking}
        title={t("imports.revertTitle")}
        text={t("imports.revertText")}
        confirm={t("imports.revert")}
        danger
        reason="required"
        busy={revert.isPending}
        error={revert.error}
        onClose={() => {
          setAsking(false);
        }}
        onConfirm={(reason) => {
          revert.mutate({ id: state.id, reason });
        }}
      />
    </>
  );
}

function Import({ state }: { state: Schemas["ImportState"] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const report = state.report ?? undefined;
  const facts: [string, ReactNode][] = [
    [t("imports.source"), state.source],
    [t("runs.createdBy"), state.actor],
    [t("runs.created"), <Time key="created" at={state.created_at} />],
    [t("imports.size"), format.bytes(state.bytes)],
  ];
  return (
    <Stack gap="md">
      {(state.status === "queued" || state.status === "running") && (
        <Panel>
          <Text size="sm" mb={6}>
            {state.stage === null || state.stage === undefined ? t("imports.waiting") : t(`imports.stage.${state.stage}`)} ·{" "}
            {t("imports.tasksRead", { count: state.tasks })}
          </Text>
          <Progress value={state.bytes === 0 ? 0 : (state.bytes_read / state.bytes) * 100} aria-label={t("runs.progress")} />
        </Panel>
      )}
      {state.error_code !== null && state.error_code !== undefined && (
        <Alert color="red" title={state.error_code}>
          <span className="wrap">{state.error}</span>
        </Alert>
      )}
      {state.reverted_at !== null && state.reverted_at !== undefined && (
        <Alert color="yellow">
          {t("imports.wasReverted")} <Time at={state.reverted_at} />
        </Alert>
      )}
      <Panel>
        <Facts items={facts} />
      </Panel>
      {report !== undefined && <Report report={report} />}
      {report !== undefined && report.quarantined > 0 && <Quarantine state={state} count={report.quarantined} />}
    </Stack>
  );
}

function Report({ report }: { report: Schemas["StoredReport"] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const statuses = ["OK", "CORRECTED", "NEW", "REJECTED", "MISSING", "UNREVIEWED"] as const;
  return (
    <>
      <Figures>
        <Figure label={t("imports.created")} value={format.count(report.documents_created)} />
        {"documents_updated" in report && <Figure label={t("imports.updated")} value={format.count(report.documents_updated)} />}
        {"documents_unchanged" in report && <Figure label={t("imports.unchanged")} value={format.count(report.documents_unchanged)} />}
        <Figure label={t("imports.events")} value={format.count(report.events_created)} />
        <Figure
          label={t("imports.quarantined")}
          value={format.count(report.quarantined)}
          {...(report.quarantined > 0 ? { tone: "failed" as const } : {})}
        />
      </Figures>
      {report.warnings.length > 0 && (
        <Panel title={t("runs.warnings", { count: report.warnings.length })}>
          <ul>
            {report.warnings.map((warning) => (
              <li key={warning} className="wrap">
                {warning}
              </li>
            ))}
          </ul>
        </Panel>
      )}
      {Object.keys(report.fields).length > 0 && (
        <Panel title={t("data.fields")}>
          <ScrollRegion label={t("data.fields")}>
            <table className="plain-table">
              <thead>
                <tr>
                  <th scope="col">{t("runs.field")}</th>
                  {statuses.map((status) => (
                    <th key={status} scope="col" className="number">
                      {t(`reviewStatus.${status}`)}
                    </th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {Object.entries(report.fields).map(([field, counts]) => (
                  <tr key={field}>
                    <td>{field}</td>
                    {statuses.map((status) => (
                      <td key={status} className="number">
                        {format.count(counts[status])}
                      </td>
                    ))}
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

function Quarantine({ state, count }: { state: Schemas["ImportState"]; count: number }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const canImport = useCan("reviewer");
  const quarantine = useInfiniteQuery(quarantineQuery(state.id));
  const [textKey, setTextKey] = useState("");
  const retry = useMutation({
    mutationFn: retryImport,
    onSuccess: (report) => {
      showToast(t("imports.retried", { count: report.tasks - report.quarantined }));
    },
    onSettled: () => client.invalidateQueries({ queryKey: ["imports"] }),
  });
  const items = quarantine.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <Panel
      title={t("imports.quarantineTitle", { count })}
      actions={
        <Button
          variant="default"
          leftSection={<IconDownload size={14} />}
          component="a"
          href={`/v1/imports/${state.id}/quarantine/tasks`}
          download={`quarantine-${state.id}.json`}
        >
          {t("imports.downloadTasks")}
        </Button>
      }
    >
      <Text size="sm" c="dimmed" mb="sm">
        {t("imports.quarantineText")}
      </Text>
      {canImport && (
        <Group gap="sm" align="flex-end" mb="sm">
          <TextInput
            label={t("imports.textKey")}
            placeholder="text"
            value={textKey}
            onChange={(event) => {
              setTextKey(event.currentTarget.value);
            }}
          />
          <Button
            variant="default"
            leftSection={<IconRefresh size={14} />}
            loading={retry.isPending}
            onClick={() => {
              retry.mutate({ id: state.id, textKey });
            }}
          >
            {t("imports.retry")}
          </Button>
        </Group>
      )}
      {retry.error !== null && <ErrorNote error={retry.error} />}
      <Loaded query={{ data: quarantine.data, error: quarantine.error, refetch: quarantine.refetch }}>
        {() => (
          <table className="plain-table">
            <thead>
              <tr>
                <th scope="col" className="number narrow">
                  {t("imports.position")}
                </th>
                <th scope="col">{t("imports.task")}</th>
                <th scope="col">{t("gate.reason")}</th>
              </tr>
            </thead>
            <tbody>
              {items.map((entry) => (
                <tr key={entry.task_index}>
                  <td className="number narrow">{entry.task_index}</td>
                  <td>
                    <span className="wrap">{entry.task_id ?? "–"}</span>
                  </td>
                  <td className="wrap">{entry.reason}</td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
      </Loaded>
      {quarantine.hasNextPage && (
        <Button variant="default" mt="sm" loading={quarantine.isFetchingNextPage} onClick={() => void quarantine.fetchNextPage()}>
          {t("common.more")}
        </Button>
      )}
    </Panel>
  );
}
