// One training run: what it does or did, its results, and what can be done with it.
import { Anchor, Button, Group, Menu, Modal, Tabs, Text } from "@mantine/core";
import { IconBan, IconChevronDown, IconCopy, IconDownload, IconHelpCircle, IconRefresh } from "@tabler/icons-react";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { useCallback, useState } from "react";
import { useTranslation } from "react-i18next";

import type { Schemas } from "../../api/problem";
import { RUN_TABS } from "../../app/search";
import * as searchParams from "../../app/search";
import { useCan } from "../../app/session";
import { ConfirmDialog } from "../../components/confirm-dialog";
import { CodeBlock, CopyId, ErrorNote, Loaded, Page } from "../../components/page";
import { LinkButton } from "../../components/link-button";
import { useVisibleTab } from "../../components/use-visible-tab";
import { useShortcuts } from "../../components/shortcuts";
import { StateBadge } from "../../components/state-badge";
import { showToast } from "../../components/toast";
import { AttemptsTab } from "./attempts-tab";
import { ErrorsTab } from "./errors-tab";
import { useRunEvents } from "./events";
import { LogsTab } from "./logs-tab";
import { MetricsTab } from "../metrics/metrics-tab";
import { OverviewTab } from "./overview-tab";
import { TrialsTab } from "./trials-tab";
import { PhaseStepper } from "./phase-stepper";
import { cancelRun, explainQuery, retryRun, runQuery, useRunAction } from "./queries";
import { canCancel, canRetry, isFinal, type TrainingRun } from "./status";

const route = getRouteApi("/app/runs/$runId");

export function RunPage() {
  const { runId } = route.useParams();
  const run = useQuery(runQuery(runId));
  const { t } = useTranslation();
  if (run.data === undefined) {
    return (
      <Page title={t("runs.run")} crumbs={<Link to="/runs">{t("runs.title")}</Link>}>
        <Loaded query={run}>{() => null}</Loaded>
      </Page>
    );
  }
  return <Run key={runId} run={run.data} error={run.error} />;
}

function Run({ run, error }: { run: TrainingRun; error: unknown }) {
  const { t } = useTranslation();
  const { tab = "overview" } = route.useSearch({ select: searchParams.run });
  const navigate = useNavigate({ from: "/runs/$runId" });
  useVisibleTab(tab);
  const client = useQueryClient();
  const refresh = useCallback(
    (kind: Schemas["EventKind"]) => {
      if (kind === "log") return;
      void client.invalidateQueries({ queryKey: ["runs", "one", run.id] });
      if (kind === "metric") return;
      void client.invalidateQueries({ queryKey: ["runs", "attempts", run.id] });
      void client.invalidateQueries({ queryKey: ["runs", "explain", run.id] });
    },
    [client, run.id],
  );
  const live = useRunEvents(run.id, isFinal(run.status), refresh);
  const tabs = RUN_TABS.filter((name) => name !== "trials" || run.kind === "sweep");
  useShortcuts(
    tabs.map((name, index) => ({
      keys: String(index + 1),
      label: t(`runs.tab.${name}`),
      run: () => void navigate({ search: { tab: name }, replace: true }),
    })),
  );
  return (
    <Page
      title={run.model_version === null || run.model_version === undefined ? run.model : `${run.model} v${String(run.model_version)}`}
      badge={
        <>
          <StateBadge state={run.status} />
          <CopyId id={run.id} label={t("runs.id")} />
        </>
      }
      crumbs={
        <>
          <Link to="/runs">{t("runs.title")}</Link>
          <span aria-hidden>/</span>
          <Link to="/models/$name" params={{ name: run.model }}>
            {run.model}
          </Link>
        </>
      }
      actions={<Actions run={run} />}
    >
      {error !== null && <ErrorNote error={error} />}
      {live.connection === "broken" && !isFinal(run.status) && (
        <Text size="sm" c="dimmed" role="status">
          {t("runs.streamBroken")}
        </Text>
      )}
      {/* a sweep has trials instead of phases */}
      {run.kind !== "sweep" && <PhaseStepper run={run} events={live.events} />}
      <Tabs
        value={tabs.includes(tab) ? tab : "overview"}
        keepMounted={false}
        onChange={(value) => void navigate({ search: { tab: RUN_TABS.find((name) => name === value) ?? "overview" }, replace: true })}
      >
        <Tabs.List mb="md">
          {tabs.map((name) => (
            <Tabs.Tab key={name} value={name}>
              {t(`runs.tab.${name}`)}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value="overview">
          <OverviewTab run={run} events={live.events} />
        </Tabs.Panel>
        {run.kind === "sweep" && (
          <Tabs.Panel value="trials">
            <TrialsTab run={run} />
          </Tabs.Panel>
        )}
        <Tabs.Panel value="metrics">
          <MetricsTab run={run} />
        </Tabs.Panel>
        <Tabs.Panel value="errors">
          <ErrorsTab run={run} />
        </Tabs.Panel>
        <Tabs.Panel value="logs">
          <LogsTab run={run} live={live} />
        </Tabs.Panel>
        <Tabs.Panel value="spec">
          <SpecTab run={run} />
        </Tabs.Panel>
        <Tabs.Panel value="attempts">
          <AttemptsTab run={run} />
        </Tabs.Panel>
      </Tabs>
    </Page>
  );
}

function SpecTab({ run }: { run: TrainingRun }) {
  const { t } = useTranslation();
  return <CodeBlock code={JSON.stringify(run.spec, null, 2)} label={t("runs.tab.spec")} />;
}

function Actions({ run }: { run: TrainingRun }) {
  const { t } = useTranslation();
  const canOperate = useCan("operator");
  const [asking, setAsking] = useState(false);
  const [explaining, setExplaining] = useState(false);
  const cancel = useRunAction(cancelRun, () => {
    setAsking(false);
    showToast(t("runs.cancelled", { count: 1 }));
  });
  const retry = useRunAction(retryRun, () => {
    showToast(t("runs.retried", { count: 1 }));
  });
  const base = `/v1/training-runs/${run.id}`;
  return (
    <>
      <Button
        variant="default"
        leftSection={<IconHelpCircle size={14} />}
        onClick={() => {
          setExplaining(true);
        }}
      >
        {t("runs.explain")}
      </Button>
      {run.dataset_id !== null && run.dataset_id !== undefined && (
        <Menu>
          <Menu.Target>
            <Button variant="default" leftSection={<IconDownload size={14} />} rightSection={<IconChevronDown size={14} />}>
              {t("common.download")}
            </Button>
          </Menu.Target>
          <Menu.Dropdown>
            <Menu.Label>{t("runs.dataset")}</Menu.Label>
            {["tar", "parquet", "jsonl"].map((format) => (
              <Menu.Item
                key={format}
                component="a"
                href={`${base}/dataset?format=${format}${format === "tar" ? "" : "&split=train"}`}
                download
              >
                {format === "tar" ? t("runs.datasetTar") : t("runs.datasetTrain", { format })}
              </Menu.Item>
            ))}
            {run.model_version !== null && run.model_version !== undefined && (
              <>
                <Menu.Label>{t("runs.model")}</Menu.Label>
                <Menu.Item component="a" href={`${base}/model?format=tar`} download>
                  {t("runs.modelTar")}
                </Menu.Item>
              </>
            )}
          </Menu.Dropdown>
        </Menu>
      )}
      {canOperate && (
        <LinkButton variant="default" leftSection={<IconCopy size={14} />} to="/runs/new" search={{ clone: run.id }}>
          {t("runs.clone")}
        </LinkButton>
      )}
      {canOperate && canRetry(run) && (
        <Button
          leftSection={<IconRefresh size={14} />}
          loading={retry.isPending}
          onClick={() => {
            retry.mutate(run.id);
          }}
        >
          {t("runs.retry")}
        </Button>
      )}
      {canOperate && canCancel(run) && (
        <Button
          color="red"
          variant="outline"
          leftSection={<IconBan size={14} />}
          onClick={() => {
            setAsking(true);
          }}
        >
          {t("runs.cancel")}
        </Button>
      )}
      {retry.error !== null && <ErrorNote error={retry.error} />}
      <ConfirmDialog
        opened={asking}
        title={t("runs.cancelTitle")}
        text={t("runs.cancelText")}
        confirm={t("runs.cancel")}
        danger
        busy={cancel.isPending}
        error={cancel.error}
        onConfirm={() => {
          cancel.mutate(run.id);
        }}
        onClose={() => {
          setAsking(false);
        }}
      />
      <Modal
        opened={explaining}
        onClose={() => {
          setExplaining(false);
        }}
        title={t("runs.explainTitle")}
        size="lg"
        closeButtonProps={{ "aria-label": t("common.close") }}
      >
        {explaining && <Explanation id={run.id} />}
      </Modal>
    </>
  );
}

function Explanation({ id }: { id: string }) {
  const { t } = useTranslation();
  const explanation = useQuery(explainQuery(id));
  return (
    <Loaded query={explanation}>
      {(data) => (
        <>
          <Text fw={600} mb="xs" className="wrap">
            {data.summary}
          </Text>
          <ul>
            {data.facts.map((fact) => (
              <li key={fact} className="wrap">
                {fact}
              </li>
            ))}
          </ul>
          {data.next_steps.length > 0 && (
            <>
              <Text size="sm" fw={600}>
                {t("runs.nextSteps")}
              </Text>
              <ul>
                {data.next_steps.map((step) => (
                  <li key={step} className="wrap">
                    {step}
                  </li>
                ))}
              </ul>
            </>
          )}
          <Group>
            <Anchor href={`/v1/training-runs/${id}/explain`} size="sm">
              JSON
            </Anchor>
          </Group>
        </>
      )}
    </Loaded>
  );
}
