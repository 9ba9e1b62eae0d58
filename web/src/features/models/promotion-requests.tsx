// Promotions that wait for the approval of a second person.
import { Alert, Button, Group, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import type { Schemas } from "../../api/problem";
import { useCan, useSession } from "../../app/session";
import { ConfirmDialog } from "../../components/confirm-dialog";
import { Time } from "../../components/page";
import { showToast } from "../../components/toast";
import { decide, requestsQuery, useModelAction } from "./queries";

type Asked = { request: Schemas["PromotionRequest"]; approve: boolean };

export function PromotionRequests({ name }: { name: string }) {
  const { t } = useTranslation();
  const canOperate = useCan("operator");
  const session = useSession();
  const requests = useQuery(requestsQuery(name));
  const [asked, setAsked] = useState<Asked | undefined>(undefined);
  const action = useModelAction(decide, (result) => {
    showToast(t("models.decided", { state: result.state }));
    setAsked(undefined);
  });
  const waiting = (requests.data?.items ?? []).filter((request) => request.decided_at === null || request.decided_at === undefined);
  if (waiting.length === 0) return null;
  return (
    <>
      {waiting.map((request) => (
        <Alert key={request.id} color="yellow" title={t("models.waitingRequest", { alias: request.alias, number: request.number })}>
          <Group gap="sm">
            <Text size="sm">
              {request.requested_by} · <Time at={request.requested_at} />
            </Text>
            {request.reason !== null && request.reason !== undefined && (
              <Text size="sm" className="wrap">
                {request.reason}
              </Text>
            )}
            {canOperate && session?.actor.name !== request.requested_by && (
              <>
                <Button
                  onClick={() => {
                    setAsked({ request, approve: true });
                  }}
                >
                  {t("models.approve")}
                </Button>
                <Button
                  variant="default"
                  onClick={() => {
                    setAsked({ request, approve: false });
                  }}
                >
                  {t("models.reject")}
                </Button>
              </>
            )}
            {session?.actor.name === request.requested_by && (
              <Text size="sm" c="dimmed">
                {t("models.otherApproves")}
              </Text>
            )}
          </Group>
        </Alert>
      ))}
      <ConfirmDialog
        opened={asked !== undefined}
        title={asked?.approve === true ? t("models.approveTitle") : t("models.rejectTitle")}
        text={t("models.decisionText", { alias: asked?.request.alias ?? "", number: asked?.request.number ?? 0 })}
        confirm={asked?.approve === true ? t("models.approve") : t("models.reject")}
        reason="optional"
        danger={asked?.approve === false}
        busy={action.isPending}
        error={action.error}
        onClose={() => {
          setAsked(undefined);
        }}
        onConfirm={(reason) => {
          if (asked !== undefined) action.mutate({ name, id: asked.request.id, approve: asked.approve, reason });
        }}
      />
    </>
  );
}
