// A state as colour, icon and word.
import {
  IconAlertTriangle,
  IconBan,
  IconCircleCheck,
  IconCircleX,
  IconClock,
  IconGhost,
  IconLoader2,
  IconPlayerPause,
  IconRefresh,
} from "@tabler/icons-react";
import type { ComponentType } from "react";
import { useTranslation } from "react-i18next";

import classes from "./state-badge.module.css";

export type StateName =
  | "queued"
  | "running"
  | "retrying"
  | "cancelling"
  | "succeeded"
  | "failed"
  | "cancelled"
  | "lost"
  | "released"
  | "working"
  | "idle"
  | "draining"
  | "silent"
  | "stopped"
  | "passed"
  | "refused"
  | "insufficient_evidence";

type Tone = "queued" | "running" | "retrying" | "succeeded" | "failed" | "cancelled" | "lost";

const LOOKS: Record<StateName, { tone: Tone; icon: ComponentType<{ size?: number; className?: string | undefined }> }> = {
  queued: { tone: "queued", icon: IconClock },
  running: { tone: "running", icon: IconLoader2 },
  retrying: { tone: "retrying", icon: IconRefresh },
  cancelling: { tone: "cancelled", icon: IconBan },
  succeeded: { tone: "succeeded", icon: IconCircleCheck },
  failed: { tone: "failed", icon: IconCircleX },
  cancelled: { tone: "cancelled", icon: IconBan },
  lost: { tone: "lost", icon: IconGhost },
  released: { tone: "queued", icon: IconPlayerPause },
  working: { tone: "running", icon: IconLoader2 },
  idle: { tone: "succeeded", icon: IconCircleCheck },
  draining: { tone: "retrying", icon: IconPlayerPause },
  silent: { tone: "lost", icon: IconGhost },
  stopped: { tone: "cancelled", icon: IconBan },
  passed: { tone: "succeeded", icon: IconCircleCheck },
  refused: { tone: "failed", icon: IconCircleX },
  insufficient_evidence: { tone: "retrying", icon: IconAlertTriangle },
};

export function StateBadge({ state }: { state: StateName }) {
  const { t } = useTranslation();
  const { tone, icon: Icon } = LOOKS[state];
  const moving = state === "running" || state === "working";
  return (
    <span className={classes["badge"]} data-tone={tone} data-state={state}>
      <Icon size={15} className={moving ? classes["moving"] : undefined} aria-hidden />
      {t(`state.${state}`)}
    </span>
  );
}
