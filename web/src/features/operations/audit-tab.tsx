// The audit log: every change with its actor.
import { Button, Group, TextInput } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";

import * as searchParams from "../../app/search";
import type { Schemas } from "../../api/problem";
import { type Column, DataTable } from "../../components/data-table";
import { EmptyState, Loaded, Time } from "../../components/page";
import { actorText } from "../../components/server-words";
import { auditQuery } from "./queries";

const route = getRouteApi("/app/operations");
const FILTERS = ["action", "actor", "subject"] as const;

export function AuditTab() {
  const { t } = useTranslation();
  const { action, actor, subject } = route.useSearch({ select: searchParams.operations });
  const navigate = useNavigate({ from: "/operations" });
  const filter = {
    ...(action === undefined ? {} : { action }),
    ...(actor === undefined ? {} : { actor }),
    ...(subject === undefined ? {} : { subject }),
  };
  const audit = useInfiniteQuery(auditQuery(filter));
  const rows = useMemo(() => audit.data?.pages.flatMap((page) => page.items), [audit.data]);
  const columns: readonly Column<Schemas["AuditEntry"]>[] = [
    { key: "at", label: t("data.when"), cell: (entry) => <Time at={entry.at} /> },
    { key: "actor", label: t("audit.actor"), cell: (entry) => <span title={entry.actor}>{actorText(t, entry.actor)}</span> },
    { key: "action", label: t("audit.action"), cell: (entry) => entry.action },
    {
      key: "subject",
      label: t("audit.subject"),
      cell: (entry) =>
        entry.action.startsWith("training_run.") ? (
          <Link to="/runs/$runId" params={{ runId: entry.subject }}>
            {entry.subject}
          </Link>
        ) : (
          entry.subject
        ),
    },
    {
      key: "details",
      label: t("audit.details"),
      grow: true,
      optional: true,
      cell: (entry) => <code title={JSON.stringify(entry.details, null, 2)}>{JSON.stringify(entry.details)}</code>,
    },
  ];
  return (
    <>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          const form = new FormData(event.currentTarget);
          const search = Object.fromEntries(
            FILTERS.flatMap((name) => {
              const value = form.get(name);
              return typeof value === "string" && value.trim() !== "" ? [[name, value.trim()]] : [];
            }),
          );
          void navigate({ search: { tab: "audit", ...search }, replace: true });
        }}
      >
        <Group gap="xs" align="flex-end" mb="sm" role="search" aria-label={t("common.filters")}>
          <TextInput
            key={`action ${action ?? ""}`}
            name="action"
            label={t("audit.action")}
            placeholder="training_run."
            defaultValue={action ?? ""}
          />
          <TextInput key={`actor ${actor ?? ""}`} name="actor" label={t("audit.actor")} defaultValue={actor ?? ""} />
          <TextInput key={`subject ${subject ?? ""}`} name="subject" label={t("audit.subject")} defaultValue={subject ?? ""} />
          <Button type="submit" variant="default">
            {t("common.filter")}
          </Button>
        </Group>
      </form>
      <Loaded query={{ data: rows, error: audit.error, refetch: audit.refetch }}>
        {(items) =>
          items.length === 0 ? (
            <EmptyState title={t("audit.none")} text={t("audit.noneText")} />
          ) : (
            <DataTable
              label={t("operations.tab.audit")}
              columns={columns}
              rows={items}
              rowKey={(entry) => String(entry.id)}
              more={{ available: audit.hasNextPage, loading: audit.isFetchingNextPage, load: () => void audit.fetchNextPage() }}
            />
          )
        }
      </Loaded>
    </>
  );
}
