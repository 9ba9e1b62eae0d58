// What can be done with the selected runs: compare, cancel, retry.
import { Button, Group } from "@mantine/core";
import { IconBan, IconColumns, IconRefresh } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";

import type { Schemas } from "../../api/problem";
import { useCan } from "../../app/session";
import { LinkButton } from "../../components/link-button";
import { ErrorNote } from "../../components/page";
import { showToast } from "../../components/toast";
import { MAX_COMPARED } from "../compare/items";
import { cancelRun, forEachRun, retryRun, useRunAction } from "../runs/queries";
import { canCancel, canRetry } from "../runs/status";

type Run = Schemas["ListedRun"];

export function BulkActions({ runs, done }: { runs: readonly Run[]; done: () => void }) {
  const { t } = useTranslation();
  const canOperate = useCan("operator");
  const cancellable = runs.filter(canCancel);
  const retriable = runs.filter(canRetry);
  const cancel = useRunAction(
    (ids: readonly string[]) => forEachRun(ids, cancelRun),
    (result) => {
      showToast(t("runs.cancelled", { count: result.done }));
      if (result.failures.length === 0) done();
    },
  );
  const retry = useRunAction(
    (ids: readonly string[]) => forEachRun(ids, retryRun),
    (result) => {
      showToast(t("runs.retried", { count: result.done }));
      if (result.failures.length === 0) done();
    },
  );
  const failures = [...(cancel.data?.failures ?? []), ...(retry.data?.failures ?? [])];
  return (
    <>
      <Group gap="xs">
        <span>{t("runs.selected", { count: runs.length })}</span>
        {runs.length > 1 && (
          <LinkButton
            variant="default"
            leftSection={<IconColumns size={14} />}
            disabled={runs.length > MAX_COMPARED}
            to="/compare"
            search={{ items: runs.map((run) => run.id).join(",") }}
          >
            {runs.length > MAX_COMPARED ? t("runs.compareLimit", { count: MAX_COMPARED }) : t("runs.compareSome", { count: runs.length })}
          </LinkButton>
        )}
        {canOperate && (
          <>
            <Button
              variant="default"
              leftSection={<IconBan size={14} />}
              disabled={cancellable.length === 0}
              loading={cancel.isPending}
              onClick={() => {
                cancel.mutate(cancellable.map((run) => run.id));
              }}
            >
              {t("runs.cancelSome", { count: cancellable.length })}
            </Button>
            <Button
              variant="default"
              leftSection={<IconRefresh size={14} />}
              disabled={retriable.length === 0}
              loading={retry.isPending}
              onClick={() => {
                retry.mutate(retriable.map((run) => run.id));
              }}
            >
              {t("runs.retrySome", { count: retriable.length })}
            </Button>
          </>
        )}
        <Button variant="subtle" onClick={done}>
          {t("common.clearSelection")}
        </Button>
      </Group>
      {failures.map((failure) => (
        <ErrorNote key={failure.id} error={failure.error} />
      ))}
    </>
  );
}
