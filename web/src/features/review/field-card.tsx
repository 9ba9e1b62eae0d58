// One field of the review: prediction, value, and the keys that decide about it.
import { Badge, Button, Group, Text, Textarea } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";

import { useFormat } from "../../components/format";
import { ValueText } from "../../components/page";
import { isReviewed, type ReviewField } from "./order";
import { historyQuery } from "./queries";
import classes from "./review.module.css";

const TONES = {
  OK: "succeeded",
  CORRECTED: "retrying",
  NEW: "running",
  REJECTED: "failed",
  MISSING: "cancelled",
  UNREVIEWED: "queued",
} as const;

interface FieldCardProps {
  document: string;
  row: ReviewField;
  active: boolean;
  labels: readonly string[];
  draft: string | undefined;
  readOnly: boolean;
  saving: boolean;
  onActivate: () => void;
  onChoose: (value: string[]) => void;
  onDraft: (text: string | undefined) => void;
}

export const SHORT_LIST = 9;

export function FieldCard(props: FieldCardProps) {
  const { document, row, active, labels, draft, readOnly, saving, onActivate, onChoose, onDraft } = props;
  const { t } = useTranslation();
  const card = useRef<HTMLLIElement>(null);
  useEffect(() => {
    if (active) card.current?.scrollIntoView({ block: "nearest" });
  }, [active]);
  const { annotation, field } = row;
  const status = annotation?.review_status ?? "UNREVIEWED";
  const value = isReviewed(row) ? annotation?.accepted_value : annotation?.predicted_value;
  return (
    <li ref={card} className={classes["field"]} data-active={active} data-field={field.name} data-status={status}>
      <button type="button" className={classes["fieldHead"]} onClick={onActivate} aria-expanded={active}>
        <span className={classes["fieldName"]}>{field.name}</span>
        <span className={classes["fieldValue"]}>
          <ValueText value={value} />
        </span>
        <Badge variant="default" c={`var(--state-${TONES[status]})`} tt="none" size="sm">
          {t(`reviewStatus.${status}`)}
        </Badge>
      </button>
      {active && (
        <div className={classes["fieldBody"]}>
          <Prediction document={document} row={row} />
          {draft !== undefined && !readOnly ? (
            <Editor key={field.name} draft={draft} saving={saving} field={field.name} onDraft={onDraft} onChoose={onChoose} />
          ) : (
            !readOnly && (
              <>
                {field.kind === "categorical" && (
                  <div className={classes["labels"]}>
                    {labels.slice(0, SHORT_LIST).map((label, index) => (
                      <button
                        key={label}
                        type="button"
                        className={classes["label"]}
                        data-chosen={value?.includes(label)}
                        onClick={() => {
                          onChoose([label]);
                        }}
                      >
                        <kbd>{index + 1}</kbd>
                        <span className="wrap">{label}</span>
                      </button>
                    ))}
                  </div>
                )}
                <Group gap={6}>
                  <Button
                    size="compact-xs"
                    loading={saving}
                    disabled={annotation?.predicted_value === null || annotation?.predicted_value === undefined}
                    onClick={() => {
                      onChoose(annotation?.predicted_value ?? []);
                    }}
                  >
                    {t("review.accept")}
                  </Button>
                  <Button
                    size="compact-xs"
                    variant="default"
                    onClick={() => {
                      onDraft((value ?? []).join("\n"));
                    }}
                  >
                    {t("review.edit")}
                  </Button>
                  <Button
                    size="compact-xs"
                    variant="default"
                    onClick={() => {
                      onChoose([]);
                    }}
                  >
                    {t("review.noValue")}
                  </Button>
                </Group>
              </>
            )
          )}
        </div>
      )}
    </li>
  );
}

function Prediction({ document, row }: { document: string; row: ReviewField }) {
  const { t } = useTranslation();
  const format = useFormat();
  const history = useQuery({ ...historyQuery(document, row.field.name), enabled: row.annotation !== undefined });
  const prediction = history.data?.predictions.at(-1);
  return (
    <div className={classes["prediction"]}>
      <Text size="xs" c="dimmed">
        {t("metric.predicted")}
        {prediction !== undefined && ` · ${prediction.extractor_version}`}
        {prediction?.confidence !== null &&
          prediction?.confidence !== undefined &&
          ` · ${t("metric.confidence")} ${format.ratio(prediction.confidence)}`}
      </Text>
      <div>
        <ValueText value={row.annotation?.predicted_value} />
      </div>
      {row.annotation?.reviewer !== null && row.annotation?.reviewer !== undefined && isReviewed(row) && (
        <Text size="xs" c="dimmed">
          {t("review.reviewedBy", { reviewer: row.annotation.reviewer })}
        </Text>
      )}
    </div>
  );
}

interface EditorProps {
  field: string;
  draft: string;
  saving: boolean;
  onDraft: (text: string | undefined) => void;
  onChoose: (value: string[]) => void;
}

function Editor({ field, draft, saving, onDraft, onChoose }: EditorProps) {
  const { t } = useTranslation();
  const input = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    input.current?.focus();
  }, []);
  const save = (): void => {
    onChoose(
      draft
        .split("\n")
        .map((line) => line.trim())
        .filter((line) => line !== ""),
    );
  };
  return (
    <>
      <Textarea
        ref={input}
        autosize
        minRows={1}
        maxRows={8}
        value={draft}
        aria-label={t("review.valueOf", { field })}
        description={t("review.editHelp")}
        onChange={(event) => {
          onDraft(event.currentTarget.value);
        }}
        onKeyDown={(event) => {
          if (event.key === "Enter" && !event.shiftKey) {
            event.preventDefault();
            save();
          }
          if (event.key === "Escape") {
            event.preventDefault();
            onDraft(undefined);
          }
        }}
      />
      <Group gap={6} mt={6}>
        <Button size="compact-xs" loading={saving} onClick={save}>
          {t("common.save")}
        </Button>
        <Button
          size="compact-xs"
          variant="default"
          onClick={() => {
            onDraft(undefined);
          }}
        >
          {t("common.cancel")}
        </Button>
      </Group>
    </>
  );
}
