// Attempts of a run on a time axis, with worker and outcome.
import { Stack } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";

import { Timeline } from "../../charts/timeline";
import { ScrollRegion } from "../../components/scroll-region";
import { formatDuration, useFormat } from "../../components/format";
import { CopyId, EmptyState, Loaded, Panel, Time } from "../../components/page";
import { StateBadge } from "../../components/state-badge";
import { attemptsQuery } from "./queries";
import type { TrainingRun } from "./status";

export function AttemptsTab({ run }: { run: TrainingRun }) {
  const { t } = useTranslation();
  const format = useFormat();
  const attempts = useQuery({ ...attemptsQuery(run.id), refetchInterval: run.status === "running" ? 5_000 : false });
  return (
    <Loaded query={attempts}>
      {({ items }) =>
        items.length === 0 ? (
          <EmptyState title={t("attempts.none")} text={t("attempts.noneText")} command={`aprendiz run explain ${run.id}`} />
        ) : (
          <Stack gap="md">
            <Panel title={t("attempts.timeline")}>
              <ScrollRegion label={t("attempts.timeline")}>
                <Timeline
                  label={t("attempts.timeline")}
                  from={Date.parse(run.created_at)}
                  to={run.finished_at === null || run.finished_at === undefined ? Date.now() : Date.parse(run.finished_at)}
                  waitingLabel={t("attempts.waiting")}
                  bars={items.map((attempt) => ({
                    key: String(attempt.number),
                    label: t("attempts.number", { number: attempt.number }),
                    from: Date.parse(attempt.started_at),
                    to: attempt.finished_at === null || attempt.finished_at === undefined ? Date.now() : Date.parse(attempt.finished_at),
                    tone: attempt.status === "released" ? "queued" : attempt.status,
                  }))}
                />
              </ScrollRegion>
            </Panel>
            <ScrollRegion label={t("runs.tab.attempts")}>
              <table className="plain-table">
                <thead>
                  <tr>
                    <th scope="col">#</th>
                    <th scope="col">{t("runs.state")}</th>
                    <th scope="col">{t("attempts.worker")}</th>
                    <th scope="col">{t("runs.started")}</th>
                    <th scope="col" className="number">
                      {t("runs.duration")}
                    </th>
                    <th scope="col">{t("attempts.resumed")}</th>
                    <th scope="col">{t("attempts.reason")}</th>
                  </tr>
                </thead>
                <tbody>
                  {items.map((attempt) => {
                    const end =
                      attempt.finished_at === null || attempt.finished_at === undefined ? Date.now() : Date.parse(attempt.finished_at);
                    return (
                      <tr key={attempt.number}>
                        <td>{attempt.number}</td>
                        <td>
                          <StateBadge state={attempt.status} />
                        </td>
                        <td>
                          {attempt.host} <span className="dimmed">{attempt.cpu_kernel}</span>{" "}
                          <CopyId id={attempt.worker_id} label={t("attempts.worker")} />
                        </td>
                        <td>
                          <Time at={attempt.started_at} />
                        </td>
                        <td className="number">{formatDuration((end - Date.parse(attempt.started_at)) / 1000)}</td>
                        <td>
                          {attempt.resumed_from_step === null || attempt.resumed_from_step === undefined
                            ? "–"
                            : t("attempts.fromStep", { step: format.count(attempt.resumed_from_step) })}
                        </td>
                        <td className="wrap">
                          {attempt.error_code ?? "–"}
                          {attempt.error_text !== null && attempt.error_text !== undefined && `: ${attempt.error_text}`}
                        </td>
                      </tr>
                    );
                  })}
                </tbody>
              </table>
            </ScrollRegion>
          </Stack>
        )
      }
    </Loaded>
  );
}
