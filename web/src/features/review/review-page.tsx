// Review of one document: text left, fields right, decided by keyboard.
import { Badge, Button, Group, Switch, Text } from "@mantine/core";
import { IconChevronLeft, IconChevronRight, IconLock } from "@tabler/icons-react";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { useEffect, useMemo, useState } from "react";
import { useTranslation } from "react-i18next";

import * as searchParams from "../../app/search";
import { ApiProblem } from "../../api/problem";
import { useCan, useSession } from "../../app/session";
import { ErrorNote, Loaded, Page, Time } from "../../components/page";
import { useShortcuts } from "../../components/shortcuts";
import { showToast } from "../../components/toast";
import { fieldsQuery } from "../data/queries";
import { ConflictPanel } from "./conflict-panel";
import { DocumentText } from "./document-text";
import { FieldCard, SHORT_LIST } from "./field-card";
import { nextDocument, nextField, reviewFields } from "./order";
import { annotationsQuery, documentQuery, labelsQuery, leaseQuery, queueQuery, releaseLease } from "./queries";
import classes from "./review.module.css";
import { findValues, type Range, toCodePoints } from "./text";
import { useReview } from "./use-review";

const route = getRouteApi("/app/review/$documentId");

export function ReviewPage() {
  const { documentId } = route.useParams();
  return <DocumentReview key={documentId} documentId={documentId} />;
}

// documents of this visit, so that "next" does not lead back to a skipped one
const visited = new Set<string>();

function DocumentReview({ documentId }: { documentId: string }) {
  const { t } = useTranslation();
  const search = route.useSearch({ select: searchParams.review });
  const navigate = useNavigate();
  const session = useSession();
  const canReview = useCan("reviewer");
  const document = useQuery(documentQuery(documentId));
  const annotations = useQuery(annotationsQuery(documentId));
  const fields = useQuery(fieldsQuery);
  const labels = useQuery(labelsQuery);
  const queue = useInfiniteQuery(queueQuery(search, session?.actor.name ?? ""));
  const lease = useQuery(leaseQuery(documentId, canReview));
  const [showAll, setShowAll] = useState(false);
  const [selected, setSelected] = useState<string | undefined>(search.field);
  const [selection, setSelection] = useState<Range | undefined>(undefined);

  useEffect(() => {
    visited.add(documentId);
    return () => {
      if (canReview) void releaseLease(documentId);
    };
  }, [documentId, canReview]);

  const rows = useMemo(
    () => reviewFields(fields.data?.items ?? [], annotations.data?.items ?? [], showAll),
    [fields.data, annotations.data, showAll],
  );
  const active = rows.find((row) => row.field.name === selected) ?? rows.find((row) => row.field.name === nextField(rows, "")) ?? rows[0];
  const name = active?.field.name ?? "";
  const entries = queue.data?.pages.flatMap((page) => page.items) ?? [];
  const isLeasedByOther = lease.error instanceof ApiProblem && lease.error.problem.code === "document_leased";
  const readOnly = !canReview || isLeasedByOther;

  const goTo = (id: string | undefined): void => {
    if (id === undefined) {
      showToast(t("review.finished"));
      void navigate({ to: "/review", search });
    } else void navigate({ to: "/review/$documentId", params: { documentId: id }, search });
  };
  const goNext = (): void => {
    goTo(nextDocument(entries, documentId, visited));
  };
  const advance = (from: string): void => {
    const next = nextField(rows, from);
    setSelection(undefined);
    if (next === undefined || (search.field !== undefined && next !== search.field)) goNext();
    else setSelected(next);
  };
  const review = useReview(documentId, rows, advance);
  const move = (step: number): void => {
    const index = rows.findIndex((row) => row.field.name === name);
    setSelected(rows[(index + step + rows.length) % rows.length]?.field.name);
  };
  const known = active?.field.allowed_values ?? labels.data?.[name] ?? [];
  const text = document.data?.text ?? "";
  const choose = (value: string[]): void => {
    if (active === undefined || readOnly) return;
    const isSelected = selection !== undefined && value.length === 1 && text.slice(selection.start, selection.end).trim() === value[0];
    const spans = isSelected
      ? [
          {
            start: toCodePoints(text, selection.start),
            end: toCodePoints(text, selection.end),
            text: text.slice(selection.start, selection.end),
          },
        ]
      : [];
    review.save(active, value, spans);
  };
  const place = useMemo(() => {
    const values = active?.annotation?.accepted_value ?? active?.annotation?.predicted_value ?? [];
    return findValues(text, values);
  }, [active, text]);

  useShortcuts([
    {
      keys: "Enter",
      label: t("review.accept"),
      run: () => {
        if (active?.annotation?.predicted_value !== null && active?.annotation?.predicted_value !== undefined)
          choose(active.annotation.predicted_value);
      },
    },
    {
      keys: "e",
      label: t("review.edit"),
      run: () => {
        if (!readOnly) review.setDraft(name, (active?.annotation?.accepted_value ?? active?.annotation?.predicted_value ?? []).join("\n"));
      },
    },
    {
      keys: "x",
      label: t("review.noValue"),
      run: () => {
        choose([]);
      },
    },
    {
      keys: "s",
      label: t("review.skip"),
      run: () => {
        advance(name);
      },
    },
    {
      keys: "u",
      label: t("review.undo"),
      run: () => {
        if (!readOnly) review.undo(setSelected);
      },
    },
    { keys: "n", label: t("review.next"), run: goNext },
    {
      keys: "p",
      label: t("review.previous"),
      run: () => {
        window.history.back();
      },
    },
    {
      keys: "j",
      label: t("review.nextField"),
      run: () => {
        move(1);
      },
    },
    {
      keys: "k",
      label: t("review.previousField"),
      run: () => {
        move(-1);
      },
    },
    ...(active?.field.kind === "categorical"
      ? known.slice(0, SHORT_LIST).map((label, index) => ({
          keys: String(index + 1),
          label,
          run: () => {
            choose([label]);
          },
        }))
      : []),
  ]);

  const title =
    document.data === undefined ? t("data.document") : (document.data.file_name ?? `${document.data.project}/${document.data.task_id}`);
  return (
    <Page
      wide
      title={title}
      badge={
        <>
          {lease.data !== undefined && (
            <Badge variant="default" tt="none" leftSection={<IconLock size={11} aria-hidden />}>
              {t("review.leased")} <Time at={lease.data.expires_at} />
            </Badge>
          )}
          <Text size="sm" c="dimmed">
            {t("review.progress", {
              done: rows.filter((row) => row.annotation?.review_status !== "UNREVIEWED" && row.annotation !== undefined).length,
              total: rows.length,
            })}
          </Text>
        </>
      }
      crumbs={
        <>
          <Link to="/review" search={search}>
            {t("nav.review")}
          </Link>
          <span aria-hidden>/</span>
          <Link to="/data/documents/$documentId" params={{ documentId }}>
            {t("data.document")}
          </Link>
        </>
      }
      actions={
        <>
          <Button
            variant="default"
            leftSection={<IconChevronLeft size={14} />}
            onClick={() => {
              window.history.back();
            }}
          >
            {t("review.previous")} <kbd>p</kbd>
          </Button>
          <Button variant="default" rightSection={<IconChevronRight size={14} />} onClick={goNext}>
            {t("review.next")} <kbd>n</kbd>
          </Button>
        </>
      }
    >
      {lease.error !== null && <ErrorNote error={lease.error} retry={() => void lease.refetch()} />}
      {review.error !== null && review.conflict === undefined && <ErrorNote error={review.error} retry={review.retry} />}
      {review.conflict !== undefined && (
        <ConflictPanel conflict={review.conflict} onKeepTheirs={review.keepTheirs} onWriteMine={review.writeMine} />
      )}
      <div className={classes["layout"]}>
        <Loaded query={document}>
          {(data) => (
            <DocumentText
              text={data.text}
              place={place}
              {...(readOnly
                ? {}
                : {
                    onSelect: (range: Range) => {
                      setSelection(range);
                      review.setDraft(name, data.text.slice(range.start, range.end).trim());
                    },
                  })}
            />
          )}
        </Loaded>
        <div className={classes["side"]}>
          <Loaded
            query={{
              data: annotations.data !== undefined ? fields.data : undefined,
              error: annotations.error ?? fields.error,
              refetch: annotations.refetch,
            }}
          >
            {() => (
              <ol className={classes["fields"]} aria-label={t("runs.fields")}>
                {rows.map((row) => (
                  <FieldCard
                    key={row.field.name}
                    document={documentId}
                    row={row}
                    active={row === active}
                    readOnly={readOnly}
                    saving={review.isSaving}
                    labels={row === active ? known : []}
                    draft={review.drafts[row.field.name]}
                    onActivate={() => {
                      setSelected(row.field.name);
                    }}
                    onChoose={choose}
                    onDraft={(value) => {
                      review.setDraft(row.field.name, value);
                    }}
                  />
                ))}
              </ol>
            )}
          </Loaded>
          <Group justify="space-between" mt="xs">
            <Switch
              label={t("review.allFields")}
              checked={showAll}
              onChange={(event) => {
                setShowAll(event.currentTarget.checked);
              }}
            />
          </Group>
          <div className={classes["keys"]} aria-hidden>
            <span>
              <kbd>Enter</kbd> {t("review.accept")}
            </span>
            <span>
              <kbd>e</kbd> {t("review.edit")}
            </span>
            <span>
              <kbd>x</kbd> {t("review.noValue")}
            </span>
            <span>
              <kbd>s</kbd> {t("review.skip")}
            </span>
            <span>
              <kbd>u</kbd> {t("review.undo")}
            </span>
            <span>
              <kbd>j</kbd>
              <kbd>k</kbd> {t("runs.field")}
            </span>
          </div>
        </div>
      </div>
    </Page>
  );
}
