// Events of a run as lines: search, follow, copy and download.
import { Button, CopyButton, Group, Select, Switch, Text, TextInput } from "@mantine/core";
import { IconCopy, IconDownload, IconSearch } from "@tabler/icons-react";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useMemo, useRef, useState } from "react";
import { useTranslation } from "react-i18next";

import { asString } from "../../api/json";
import { useFormat } from "../../components/format";
import { EmptyState } from "../../components/page";
import type { RunEvent, RunEvents } from "./events";
import classes from "./logs.module.css";
import type { TrainingRun } from "./status";

type Level = "all" | "log" | "warning" | "steps";

/** One line per event, for people and for search. */
export function eventText(event: RunEvent): string {
  const text = asString(event.payload["text"]);
  if (text !== undefined) return text;
  return Object.entries(event.payload)
    .map(([key, value]) => `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(" ");
}

function isShown(event: RunEvent, text: string, level: Level, needle: string): boolean {
  if (level === "log" && event.kind !== "log") return false;
  if (level === "steps" && event.kind !== "state" && event.kind !== "phase" && event.kind !== "end") return false;
  if (level === "warning" && !text.startsWith("warning")) return false;
  return needle === "" || text.toLowerCase().includes(needle);
}

export function LogsTab({ run, live }: { run: TrainingRun; live: RunEvents }) {
  const { t } = useTranslation();
  const format = useFormat();
  const [needle, setNeedle] = useState("");
  const [level, setLevel] = useState<Level>("all");
  const [follow, setFollow] = useState(true);
  const scroller = useRef<HTMLDivElement>(null);
  const lines = useMemo(() => {
    const lower = needle.trim().toLowerCase();
    return live.events.map((event) => ({ event, text: eventText(event) })).filter(({ event, text }) => isShown(event, text, level, lower));
  }, [live.events, needle, level]);
  const virtualizer = useVirtualizer({
    count: lines.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => 22,
    overscan: 20,
  });
  useEffect(() => {
    if (follow && lines.length > 0) virtualizer.scrollToIndex(lines.length - 1, { align: "end" });
  }, [follow, lines.length, virtualizer]);
  const all = lines.map(({ event, text }) => `${event.at} ${event.kind} ${text}`).join("\n");
  return (
    <>
      <Group gap="sm" mb="sm" align="flex-end">
        <TextInput
          label={t("logs.search")}
          leftSection={<IconSearch size={14} aria-hidden />}
          value={needle}
          onChange={(event) => {
            setNeedle(event.currentTarget.value);
          }}
          w={240}
        />
        <Select
          label={t("logs.level")}
          w={160}
          allowDeselect={false}
          value={level}
          onChange={(value) => {
            setLevel((value ?? "all") as Level);
          }}
          data={[
            { value: "all", label: t("common.all") },
            { value: "log", label: t("logs.log") },
            { value: "warning", label: t("logs.warnings") },
            { value: "steps", label: t("logs.steps") },
          ]}
        />
        <Switch
          label={t("logs.follow")}
          checked={follow}
          onChange={(event) => {
            setFollow(event.currentTarget.checked);
          }}
          mb={6}
        />
        <CopyButton value={all}>
          {({ copied, copy }) => (
            <Button variant="default" leftSection={<IconCopy size={14} />} onClick={copy}>
              {copied ? t("common.copied") : t("common.copy")}
            </Button>
          )}
        </CopyButton>
        <Button
          variant="default"
          leftSection={<IconDownload size={14} />}
          component="a"
          href={`/v1/training-runs/${run.id}/events?format=json`}
          download={`events-${run.id}.json`}
        >
          {t("common.download")}
        </Button>
        <Text size="sm" c="dimmed" mb={6}>
          {t("logs.lines", { count: lines.length })}
        </Text>
      </Group>
      {lines.length === 0 ? (
        <EmptyState title={t("logs.none")} text={t("logs.noneText")} command={`aprendiz run watch ${run.id}`} />
      ) : (
        // the log scrolls, also by keyboard
        // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
        <div ref={scroller} className={classes["log"]} role="log" aria-label={t("runs.tab.logs")} tabIndex={0}>
          <div className={classes["inner"]} style={{ height: virtualizer.getTotalSize() }}>
            {virtualizer.getVirtualItems().map((item) => {
              const line = lines[item.index];
              if (line === undefined) return null;
              return (
                <div
                  key={line.event.sequence}
                  ref={virtualizer.measureElement}
                  data-index={item.index}
                  className={classes["line"]}
                  data-kind={line.event.kind}
                  style={{ transform: `translateY(${String(item.start)}px)` }}
                >
                  <time dateTime={line.event.at} title={format.absolute(line.event.at)}>
                    {line.event.at.slice(11, 23)}
                  </time>
                  <span className={classes["kind"]}>{line.event.kind}</span>
                  <span className={classes["text"]}>{line.text}</span>
                </div>
              );
            })}
          </div>
        </div>
      )}
    </>
  );
}
