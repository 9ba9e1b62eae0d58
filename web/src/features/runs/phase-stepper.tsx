// Phases of a run with their durations and the progress of the current one.
import { Progress } from "@mantine/core";
import { IconCheck, IconCircle, IconLoader2, IconX } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";

import { asString } from "../../api/json";
import type { Schemas } from "../../api/problem";
import { formatDuration, useFormat } from "../../components/format";
import type { RunEvent } from "./events";
import classes from "./phase-stepper.module.css";
import { fraction, isFinal, phases, type TrainingRun } from "./status";

export interface PhaseStep {
  phase: Schemas["RunPhase"];
  state: "waiting" | "running" | "done" | "failed";
  seconds: number | undefined;
}

/** Times of the phases of the last attempt, from the events. */
export function phaseSteps(run: TrainingRun, events: readonly RunEvent[], now: number): PhaseStep[] {
  const attempt = run.attempt_number;
  const starts = events.filter((event) => event.kind === "phase" && event.attempt === attempt);
  const end = isFinal(run.status) && run.finished_at !== null && run.finished_at !== undefined ? Date.parse(run.finished_at) : now;
  const lastPhase = asString(starts.at(-1)?.payload["phase"]);
  return phases(run).map((phase) => {
    const index = starts.findLastIndex((event) => event.payload["phase"] === phase);
    const start = starts[index];
    if (start === undefined) return { phase, state: run.status === "succeeded" ? "done" : "waiting", seconds: undefined };
    const next = starts[index + 1];
    const seconds = Math.max(0, ((next === undefined ? end : Date.parse(next.at)) - Date.parse(start.at)) / 1000);
    if (phase !== lastPhase || run.status === "succeeded") return { phase, state: "done", seconds };
    return { phase, state: run.status === "failed" || run.status === "cancelled" ? "failed" : "running", seconds };
  });
}

/** Remaining seconds of a phase, from its progress so far; undefined while that says too little. */
export function remainingSeconds(seconds: number | undefined, part: number | undefined): number | undefined {
  if (seconds === undefined || part === undefined || part < 0.05 || part >= 1 || seconds < 2) return undefined;
  return (seconds / part) * (1 - part);
}

const ICONS = { waiting: IconCircle, running: IconLoader2, done: IconCheck, failed: IconX };

export function PhaseStepper({ run, events }: { run: TrainingRun; events: readonly RunEvent[] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const part = fraction(run.progress);
  return (
    <ol className={classes["steps"]} aria-label={t("runs.phases")}>
      {phaseSteps(run, events, Date.now()).map((step) => {
        const Icon = ICONS[step.state];
        const isCurrent = step.state === "running" && !isFinal(run.status);
        const remaining = isCurrent ? remainingSeconds(step.seconds, part) : undefined;
        return (
          <li key={step.phase} className={classes["step"]} data-state={step.state} aria-current={isCurrent ? "step" : undefined}>
            <Icon size={16} aria-hidden />
            <div className={classes["body"]}>
              <div className={classes["name"]}>
                {t(`phase.${step.phase}`)}
                <span className="visually-hidden">: {t(`phaseState.${step.state}`)}</span>
              </div>
              <div className={classes["time"]}>
                {step.seconds === undefined ? "–" : formatDuration(step.seconds)}
                {isCurrent && part !== undefined && ` · ${format.percent(part)}`}
                {remaining !== undefined && ` · ${t("runs.remaining", { time: formatDuration(remaining) })}`}
              </div>
              {isCurrent && part !== undefined && <Progress value={part * 100} size="xs" mt={4} aria-label={t("runs.progress")} />}
            </div>
          </li>
        );
      })}
    </ol>
  );
}
