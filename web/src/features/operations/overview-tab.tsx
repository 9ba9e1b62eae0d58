// Queue numbers, workers with their runs, background tasks,.
import { Badge, Button, Group, Stack, Text } from "@mantine/core";
import { IconPlayerPause } from "@tabler/icons-react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import type { Schemas } from "../../api/problem";
import { useCan } from "../../app/session";
import { ConfirmDialog } from "../../components/confirm-dialog";
import { formatDuration, useFormat } from "../../components/format";
import { EmptyState, Facts, Figure, Figures, Loaded, Panel, Time, SkeletonRows } from "../../components/page";
import { ScrollRegion } from "../../components/scroll-region";
import { StateBadge } from "../../components/state-badge";
import { showToast } from "../../components/toast";
import { Checks } from "./checks";
import classes from "./operations.module.css";
import { QueueHistory } from "./queue-history";
import { Storage } from "./storage";
import { drainWorker, queueQuery, workersQuery } from "./queries";

export function OverviewTab() {
  const { t } = useTranslation();
  const queue = useQuery(queueQuery);
  const workers = useQuery(workersQuery);
  return (
    <Stack gap="md">
      <Loaded query={queue} skeleton={<SkeletonRows rows={7} />}>
        {(data) => <Queue queue={data} />}
      </Loaded>
      <QueueHistory />
      <Panel title={t("operations.workers")}>
        <Loaded query={workers} skeleton={<SkeletonRows rows={5} />}>
          {(page) =>
            page.items.length === 0 ? (
              <EmptyState title={t("operations.noWorkers")} text={t("operations.noWorkersText")} command="aprendiz-worker" />
            ) : (
              <div className={classes["workers"]}>
                {page.items.map((worker) => (
                  <Worker key={worker.id} worker={worker} />
                ))}
              </div>
            )
          }
        </Loaded>
      </Panel>
      <Storage />
      <Checks />
      <Loaded query={queue}>{(data) => <BackgroundTasks tasks={data.background_tasks} />}</Loaded>
    </Stack>
  );
}

function Queue({ queue }: { queue: Schemas["QueueReport"] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const oldest = queue.oldest_runnable_seconds;
  const last = queue.attempts_last_hour;
  return (
    <>
      <Figures>
        <Figure
          label={t("operations.oldest")}
          value={oldest === null || oldest === undefined ? "–" : formatDuration(oldest)}
          hint={t("operations.runnable", { count: queue.runnable })}
          {...(oldest !== null && oldest !== undefined && oldest > 600 ? { tone: "retrying" as const } : {})}
        />
        <Figure
          label={t("operations.slots")}
          value={`${format.count(queue.slots.busy)} / ${format.count(queue.slots.total)}`}
          hint={t("operations.workerCount", { count: queue.workers.alive })}
        />
        <Figure
          label={t("operations.failedHour")}
          value={format.count(last.failed)}
          hint={t("operations.succeededHour", { count: last.succeeded })}
          {...(last.failed > 0 ? { tone: "failed" as const } : {})}
        />
        <Figure
          label={t("operations.lostHour")}
          value={format.count(last.lost)}
          hint={t("operations.lostHint")}
          {...(last.lost > 0 ? { tone: "failed" as const } : {})}
        />
      </Figures>
      <Panel>
        <Facts
          items={[
            ...(["queued", "running", "retrying", "failed"] as const).map(
              (status) =>
                [
                  t(`state.${status}`),
                  <Link key={status} to="/runs" search={{ status }}>
                    {format.count(queue.runs[status])}
                  </Link>,
                ] as const,
            ),
            [
              t("operations.deferred"),
              queue.deferred === 0 ? (
                "0"
              ) : (
                <span key="deferred">
                  {format.count(queue.deferred)} · <Time at={queue.next_due_at} />
                </span>
              ),
            ],
            [
              t("operations.wait"),
              queue.wait === null || queue.wait === undefined
                ? "–"
                : `${formatDuration(queue.wait.median_seconds)} / ${formatDuration(queue.wait.p90_seconds)}`,
            ],
            [
              t("operations.runTime"),
              queue.duration === null || queue.duration === undefined
                ? "–"
                : `${formatDuration(queue.duration.median_seconds)} / ${formatDuration(queue.duration.p90_seconds)}`,
            ],
            [
              "Redis",
              queue.redis.reachable ? (
                t("operations.redisDepth", { count: queue.redis.depth ?? 0 })
              ) : (
                <span key="redis" className={classes["bad"]}>
                  {queue.redis.error ?? t("operations.redisAway")}
                </span>
              ),
            ],
          ]}
        />
      </Panel>
    </>
  );
}

function Worker({ worker }: { worker: Schemas["WorkerInfo"] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const client = useQueryClient();
  const canDrain = useCan("operator");
  const [asking, setAsking] = useState(false);
  const drain = useMutation({
    mutationFn: drainWorker,
    onSuccess: () => {
      showToast(t("operations.draining", { host: worker.host }));
      setAsking(false);
    },
    onSettled: () => client.invalidateQueries({ queryKey: ["operations"] }),
  });
  return (
    <article className={classes["worker"]} aria-label={worker.host}>
      <Group justify="space-between" wrap="nowrap">
        <Text fw={600} className="wrap">
          {worker.host}
          {worker.pid !== null && worker.pid !== undefined && <span className="dimmed"> · {worker.pid}</span>}
        </Text>
        <StateBadge state={worker.state} />
      </Group>
      <Text size="sm" c="dimmed">
        {t("operations.heartbeat")} <Time at={worker.heartbeat_at} /> · v{worker.version}
      </Text>
      <Group gap={4}>
        {worker.kinds.map((kind) => (
          <Badge key={kind} variant="default" size="sm" tt="none">
            {kind}
          </Badge>
        ))}
      </Group>
      <Text size="sm">
        {t("operations.slotsOf", { busy: worker.runs.length, total: worker.slots })}
        {worker.memory_bytes !== null &&
          worker.memory_bytes !== undefined &&
          ` · ${t("operations.memory", { size: format.bytes(worker.memory_bytes) })}`}
        {worker.scratch_free_bytes !== null &&
          worker.scratch_free_bytes !== undefined &&
          ` · ${t("operations.disk", { size: format.bytes(worker.scratch_free_bytes) })}`}
      </Text>
      {worker.runs.map((run) => (
        <Text key={run.run_id} size="sm">
          <Link to="/runs/$runId" params={{ runId: run.run_id }}>
            {run.model}
          </Link>
          {run.phase !== null && run.phase !== undefined && ` · ${t(`phase.${run.phase}`)}`} · <Time at={run.started_at} />
        </Text>
      ))}
      {canDrain && (worker.state === "working" || worker.state === "idle") && (
        <Button
          variant="default"
          size="compact-xs"
          leftSection={<IconPlayerPause size={13} />}
          onClick={() => {
            setAsking(true);
          }}
        >
          {t("operations.drain")}
        </Button>
      )}
      <ConfirmDialog
        opened={asking}
        title={t("operations.drainTitle", { host: worker.host })}
        text={t("operations.drainText")}
        confirm={t("operations.drain")}
        option={worker.runs.length > 0 ? t("operations.release") : undefined}
        optionNeedsReason={false}
        danger
        busy={drain.isPending}
        error={drain.error}
        onClose={() => {
          setAsking(false);
        }}
        onConfirm={(_, release) => {
          drain.mutate({ id: worker.id, release });
        }}
      />
    </article>
  );
}

function BackgroundTasks({ tasks }: { tasks: readonly Schemas["TaskStatus"][] }) {
  const { t } = useTranslation();
  return (
    <Panel title={t("operations.tasks")}>
      <ScrollRegion label={t("operations.tasks")}>
        <table className="plain-table">
          <thead>
            <tr>
              <th scope="col">{t("operations.task")}</th>
              <th scope="col">{t("runs.state")}</th>
              <th scope="col" className="number">
                {t("operations.lastSuccess")}
              </th>
              <th scope="col">{t("operations.lastError")}</th>
            </tr>
          </thead>
          <tbody>
            {tasks.map((task) => {
              const age = task.success_age_seconds;
              const isOverdue = age === null || age === undefined || age > task.overdue_after_seconds;
              return (
                <tr key={task.name}>
                  <td>{task.name}</td>
                  <td className="nowrap">
                    {isOverdue ? <span className={classes["bad"]}>{t("operations.overdue")}</span> : t("operations.onTime")}
                  </td>
                  <td className="number">{age === null || age === undefined ? "–" : t("operations.ago", { time: formatDuration(age) })}</td>
                  <td className="wrap">{task.error ?? "–"}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </ScrollRegion>
    </Panel>
  );
}
