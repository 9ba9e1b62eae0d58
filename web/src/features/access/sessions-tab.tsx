// Sessions of the signed-in key, or of all keys: list, revoke, sign out everywhere.
import { Badge, Button, Group, Switch } from "@mantine/core";
import { IconLogout } from "@tabler/icons-react";
import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { useTranslation } from "react-i18next";

import type { Schemas } from "../../api/problem";
import { sessionQuery } from "../../api/session";
import * as searchParams from "../../app/search";
import { useCan } from "../../app/session";
import { ConfirmDialog } from "../../components/confirm-dialog";
import { type Column, DataTable } from "../../components/data-table";
import { EmptyState, Loaded, Time } from "../../components/page";
import { showToast } from "../../components/toast";
import { endSessions, revokeSession, sessionsQuery } from "./queries";
import { deviceName } from "./user-agent";

type WebSession = Schemas["WebSession"];

const route = getRouteApi("/app/admin");

export function SessionsTab() {
  const { t } = useTranslation();
  const isAdmin = useCan("admin");
  const navigate = useNavigate({ from: "/admin" });
  const search = route.useSearch({ select: searchParams.access });
  const all = isAdmin && search.all === "1";
  const sessions = useInfiniteQuery(sessionsQuery(all));
  const rows = useMemo(() => sessions.data?.pages.flatMap((page) => page.items), [sessions.data]);
  const [asked, setAsked] = useState<WebSession | "everywhere" | undefined>(undefined);
  const columns = useColumns(setAsked);
  return (
    <>
      <Group gap="md" mb="sm" justify="space-between">
        {isAdmin ? (
          <Switch
            label={t("access.all")}
            checked={all}
            onChange={(event) => {
              void navigate({ search: { tab: "sessions", ...(event.currentTarget.checked ? { all: "1" as const } : {}) }, replace: true });
            }}
          />
        ) : (
          <span />
        )}
        <Button
          color="red"
          variant="outline"
          leftSection={<IconLogout size={14} />}
          onClick={() => {
            setAsked("everywhere");
          }}
        >
          {t("access.everywhere")}
        </Button>
      </Group>
      <Loaded query={{ data: rows, error: sessions.error, refetch: sessions.refetch }}>
        {(items) =>
          items.length === 0 ? (
            <EmptyState title={t("access.none")} text={t("access.noneText")} />
          ) : (
            <DataTable
              label={t("access.tab.sessions")}
              columns={columns}
              rows={items}
              rowKey={(row) => row.id}
              more={{ available: sessions.hasNextPage, loading: sessions.isFetchingNextPage, load: () => void sessions.fetchNextPage() }}
            />
          )
        }
      </Loaded>
      <EndDialog
        asked={asked}
        onClose={() => {
          setAsked(undefined);
        }}
      />
    </>
  );
}

function useColumns(onRevoke: (session: WebSession) => void): readonly Column<WebSession>[] {
  const { t } = useTranslation();
  return [
    { key: "key", label: t("access.keyName"), cell: (row) => row.key_name },
    { key: "role", label: t("access.role"), optional: true, cell: (row) => t(`role.${row.role}`) },
    {
      key: "device",
      label: t("access.device"),
      grow: true,
      cell: (row) => (
        <Group gap={6} wrap="nowrap">
          <span title={row.user_agent ?? undefined}>{device(row, t("access.unknownDevice"))}</span>
          {row.is_current && (
            <Badge variant="light" tt="none">
              {t("access.current")}
            </Badge>
          )}
        </Group>
      ),
    },
    { key: "address", label: t("access.address"), optional: true, cell: (row) => row.address ?? "–" },
    { key: "created", label: t("access.signedIn"), optional: true, cell: (row) => <Time at={row.created_at} /> },
    { key: "used", label: t("access.lastUsed"), cell: (row) => <Time at={row.last_used_at} /> },
    { key: "expires", label: t("access.expires"), optional: true, cell: (row) => <Time at={row.expires_at} /> },
    {
      key: "actions",
      label: t("common.actions"),
      cell: (row) => (
        <Button
          variant="default"
          size="compact-xs"
          onClick={() => {
            onRevoke(row);
          }}
        >
          {row.is_current ? t("nav.signOut") : t("access.revoke")}
        </Button>
      ),
    },
  ];
}

function device(session: WebSession, unknown: string): string {
  return session.user_agent === null || session.user_agent === undefined ? unknown : deviceName(session.user_agent);
}

function EndDialog({ asked, onClose }: { asked: WebSession | "everywhere" | undefined; onClose: () => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const end = useMutation({
    mutationFn: async (target: WebSession | "everywhere") => {
      if (target === "everywhere") await endSessions();
      else await revokeSession(target.id);
    },
    onSuccess: (_, target) => {
      onClose();
      // without a session, the frame leads to the sign-in
      if (target === "everywhere" || target.is_current) client.setQueryData(sessionQuery.queryKey, null);
      else showToast(t("access.revoked"));
    },
    onSettled: () => client.invalidateQueries({ queryKey: ["access", "sessions"] }),
  });
  const session = asked === "everywhere" ? undefined : asked;
  return (
    <ConfirmDialog
      opened={asked !== undefined}
      title={asked === "everywhere" ? t("access.everywhereTitle") : t("access.revokeTitle")}
      text={
        session === undefined
          ? t("access.everywhereText")
          : t("access.revokeText", { key: session.key_name, device: device(session, t("access.unknownDevice")) })
      }
      confirm={asked === "everywhere" ? t("access.everywhere") : t("access.revoke")}
      danger
      busy={end.isPending}
      error={end.error}
      onClose={() => {
        end.reset();
        onClose();
      }}
      onConfirm={() => {
        if (asked !== undefined) end.mutate(asked);
      }}
    />
  );
}
