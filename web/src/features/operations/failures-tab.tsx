// Failed runs grouped by cause; a group is retried at once.
import { Button } from "@mantine/core";
import { IconRefresh } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import { useCan } from "../../app/session";
import { type Column, DataTable } from "../../components/data-table";
import { ConfirmDialog } from "../../components/confirm-dialog";
import { useFormat } from "../../components/format";
import { EmptyState, Loaded, Time } from "../../components/page";
import { failureText } from "../../components/server-words";
import { showToast } from "../../components/toast";
import { useRunAction } from "../runs/queries";
import { type FailureGroup, groupFailures } from "./failure-groups";
import { failedRunsQuery, retryGroup } from "./queries";

export function FailuresTab() {
  const { t } = useTranslation();
  const format = useFormat();
  const canRetry = useCan("operator");
  const failed = useQuery(failedRunsQuery);
  const [asked, setAsked] = useState<FailureGroup | undefined>(undefined);
  const retry = useRunAction(retryGroup, (result) => {
    showToast(t("runs.retried", { count: result.retried.length }));
    setAsked(undefined);
  });
  const columns: readonly Column<FailureGroup>[] = [
    { key: "code", label: t("failures.cause"), cell: (group) => <span title={group.code}>{failureText(t, group.code)}</span> },
    { key: "count", label: t("nav.runs"), numeric: true, cell: (group) => format.count(group.count) },
    { key: "models", label: t("nav.models"), optional: true, cell: (group) => group.models.join(", ") },
    {
      key: "text",
      label: t("failures.newest"),
      grow: true,
      cell: (group) => (
        <Link to="/runs/$runId" params={{ runId: group.newest.id }} title={group.newest.error_text ?? undefined}>
          {group.newest.error_text ?? group.code}
        </Link>
      ),
    },
    { key: "when", label: t("failures.when"), optional: true, cell: (group) => <Time at={group.newest.finished_at} /> },
    ...(canRetry
      ? [
          {
            key: "retry",
            label: t("common.actions"),
            cell: (group: FailureGroup) => (
              <Button
                variant="default"
                size="compact-xs"
                leftSection={<IconRefresh size={13} />}
                onClick={() => {
                  setAsked(group);
                }}
              >
                {t("failures.retry")}
              </Button>
            ),
          },
        ]
      : []),
  ];
  return (
    <>
      <Loaded query={failed}>
        {(page) =>
          page.items.length === 0 ? (
            <EmptyState title={t("failures.none")} text={t("failures.noneText")} />
          ) : (
            <DataTable
              label={t("operations.tab.failures")}
              columns={columns}
              rows={groupFailures(page.items)}
              rowKey={(group) => group.code}
            />
          )
        }
      </Loaded>
      <ConfirmDialog
        opened={asked !== undefined}
        title={t("failures.retryTitle", { code: asked?.code ?? "" })}
        text={t("failures.retryText", { count: asked?.count ?? 0 })}
        confirm={t("failures.retry")}
        busy={retry.isPending}
        error={retry.error}
        onClose={() => {
          setAsked(undefined);
        }}
        onConfirm={() => {
          if (asked !== undefined) retry.mutate({ status: "failed", error_code: asked.code });
        }}
      />
    </>
  );
}
