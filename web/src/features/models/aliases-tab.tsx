// Aliases of a model with the timeline of their changes.
import { Button, Group, Stack, Text, Timeline } from "@mantine/core";
import { IconAdjustments, IconArrowBackUp, IconArrowUp, IconTrash } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import type { Schemas } from "../../api/problem";
import { useCan } from "../../app/session";
import { ConfirmDialog } from "../../components/confirm-dialog";
import { EmptyState, Loaded, Panel, Time } from "../../components/page";
import { actorText } from "../../components/server-words";
import { showToast } from "../../components/toast";
import { aliasesQuery, aliasHistoryQuery, rollback, useModelAction } from "./queries";

export function AliasesTab({ name }: { name: string }) {
  const { t } = useTranslation();
  const aliases = useQuery(aliasesQuery(name));
  return (
    <Loaded query={aliases}>
      {(page) =>
        page.items.length === 0 ? (
          <EmptyState title={t("models.noAlias")} text={t("models.noAliasText")} command={`aprendiz model promote ${name} --number 1`} />
        ) : (
          <Stack gap="md">
            {page.items.map((alias) => (
              <AliasPanel key={alias.alias} name={name} alias={alias} />
            ))}
          </Stack>
        )
      }
    </Loaded>
  );
}

function AliasPanel({ name, alias }: { name: string; alias: Schemas["Alias"] }) {
  const { t } = useTranslation();
  const canOperate = useCan("operator");
  const history = useQuery(aliasHistoryQuery(name, alias.alias));
  const [asking, setAsking] = useState(false);
  const action = useModelAction(rollback, (result) => {
    showToast(t("models.rolledBack", { alias: result.alias, number: result.number }));
    setAsking(false);
  });
  const previous = history.data?.items[0]?.from_number;
  return (
    <Panel
      title={`${alias.alias} → v${String(alias.number)}`}
      actions={
        canOperate &&
        previous !== null &&
        previous !== undefined && (
          <Button
            variant="default"
            leftSection={<IconArrowBackUp size={14} />}
            onClick={() => {
              setAsking(true);
            }}
          >
            {t("models.rollback")}
          </Button>
        )
      }
    >
      <Loaded query={history}>{(page) => <History name={name} events={page.items} />}</Loaded>
      <ConfirmDialog
        opened={asking}
        title={t("models.rollbackTitle", { alias: alias.alias })}
        text={t("models.rollbackText", { alias: alias.alias, number: alias.number })}
        confirm={t("models.rollback")}
        reason="required"
        danger
        busy={action.isPending}
        error={action.error}
        onClose={() => {
          setAsking(false);
        }}
        onConfirm={(reason) => {
          action.mutate({ name, alias: alias.alias, reason, revision: alias.revision });
        }}
      />
    </Panel>
  );
}

const ICONS = {
  first_version: IconArrowUp,
  promoted: IconArrowUp,
  rolled_back: IconArrowBackUp,
  removed: IconTrash,
  thresholds: IconAdjustments,
};

function History({ name, events }: { name: string; events: readonly Schemas["AliasEvent"][] }) {
  const { t } = useTranslation();
  return (
    <Timeline bulletSize={22} lineWidth={2} active={events.length}>
      {events.map((event) => {
        const Icon = ICONS[event.action];
        return (
          <Timeline.Item key={event.id} bullet={<Icon size={13} aria-hidden />} title={t(`aliasAction.${event.action}`)}>
            <Group gap={6}>
              {event.from_number !== null && event.from_number !== undefined && (
                <>
                  <VersionLink name={name} number={event.from_number} />
                  <span aria-hidden>→</span>
                </>
              )}
              {event.to_number !== null && event.to_number !== undefined && <VersionLink name={name} number={event.to_number} />}
              <Text size="sm" c="dimmed">
                {actorText(t, event.actor)}
              </Text>
              <Text size="sm" c="dimmed" component="span">
                <Time at={event.at} />
              </Text>
              {event.overridden && (
                <Text size="sm" fw={600}>
                  {t("models.overridden")}
                </Text>
              )}
            </Group>
            {event.reason !== null && event.reason !== undefined && (
              <Text size="sm" className="wrap">
                {event.reason}
              </Text>
            )}
          </Timeline.Item>
        );
      })}
    </Timeline>
  );
}

function VersionLink({ name, number }: { name: string; number: number }) {
  return (
    <Link to="/models/$name/versions/$number" params={{ name, number: String(number) }}>
      v{number}
    </Link>
  );
}
