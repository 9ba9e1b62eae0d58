// Decisions about the fields of a document: saved one by one, undone, kept when saving fails.
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import { ApiProblem, type Schemas } from "../../api/problem";
import { showToast } from "../../components/toast";
import { loadDrafts, removeDraft, storeDraft } from "./drafts";
import type { ReviewField } from "./order";
import { annotationsQuery, recordReview, type Review, undoReview } from "./queries";

export interface Conflict {
  review: Review;
  current: Schemas["Annotation"];
}

function isAnnotation(value: unknown): value is Schemas["Annotation"] {
  return typeof value === "object" && value !== null && "version" in value && "review_status" in value;
}

/** The state that somebody else wrote meanwhile. */
function conflictOf(error: unknown, review: Review | undefined): Conflict | undefined {
  if (!(error instanceof ApiProblem) || error.problem.code !== "version_mismatch" || review === undefined) return undefined;
  return isAnnotation(error.problem.current) ? { review, current: error.problem.current } : undefined;
}

export function useReview(document: string, rows: readonly ReviewField[], advance: (from: string) => void) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const [done, setDone] = useState<readonly string[]>([]);
  const [drafts, setDrafts] = useState<Readonly<Record<string, string | undefined>>>(() => loadDrafts(document));
  const key = annotationsQuery(document).queryKey;

  const replace = (changed: Schemas["Annotation"]): void => {
    client.setQueryData(key, (page: Schemas["Page_Annotation"] | undefined) => {
      if (page === undefined) return page;
      const isKnown = page.items.some((item) => item.field === changed.field);
      return {
        ...page,
        items: isKnown ? page.items.map((item) => (item.field === changed.field ? changed : item)) : [...page.items, changed],
      };
    });
    void client.invalidateQueries({ queryKey: ["documents", "history", document, changed.field] });
  };
  const setDraft = (field: string, text: string | undefined): void => {
    if (text === undefined) removeDraft(document, field);
    else storeDraft(document, field, text);
    setDrafts((current) => ({ ...current, [field]: text }));
  };

  const saving = useMutation({
    mutationFn: recordReview,
    retry: (count, error) => count < 2 && (!(error instanceof ApiProblem) || error.problem.status >= 502),
    onSuccess: (recorded, review) => {
      replace(recorded);
      setDraft(review.field, undefined);
      setDone((fields) => [...fields, review.field]);
      advance(review.field);
    },
  });
  const undoing = useMutation({
    mutationFn: undoReview,
    onSuccess: (state, { field }) => {
      replace(state);
      setDone((fields) => fields.slice(0, -1));
      showToast(t("review.undone", { field }));
    },
  });
  const conflict = conflictOf(saving.error, saving.variables);

  return {
    drafts,
    setDraft,
    isSaving: saving.isPending,
    error: saving.error ?? undoing.error,
    conflict,
    save: (row: ReviewField, value: string[], spans: Schemas["SpanInput"][]) => {
      const body: Schemas["ReviewRequest"] = spans.length === 0 ? { value } : { value, spans };
      // what was decided is kept until the server has it
      storeDraft(document, row.field.name, value.join("\n"));
      saving.mutate({ document, field: row.field.name, version: row.annotation?.version ?? 0, body, key: crypto.randomUUID() });
    },
    retry: () => {
      if (saving.variables !== undefined) saving.mutate(saving.variables);
    },
    undo: (select: (field: string) => void) => {
      const field = done.at(-1);
      const annotation = rows.find((row) => row.field.name === field)?.annotation;
      if (field === undefined || annotation === undefined) return;
      select(field);
      undoing.mutate({ document, field, version: annotation.version });
    },
    keepTheirs: () => {
      if (conflict === undefined) return;
      replace(conflict.current);
      setDraft(conflict.review.field, undefined);
      saving.reset();
      advance(conflict.review.field);
    },
    writeMine: () => {
      if (conflict === undefined) return;
      saving.mutate({ ...conflict.review, version: conflict.current.version, key: crypto.randomUUID() });
    },
  };
}
