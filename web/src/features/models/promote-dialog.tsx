// Promotion of a version: the comparison with the present champion, the gate, and the reason.
import { Select, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import { ApiProblem } from "../../api/problem";
import { useCan } from "../../app/session";
import { ConfirmDialog } from "../../components/confirm-dialog";
import { showToast } from "../../components/toast";
import { GatePanel } from "./gate-panel";
import { aliasesQuery, compareQuery, promote, useModelAction } from "./queries";

export function PromoteDialog({ name, number, onClose }: { name: string; number: number | undefined; onClose: () => void }) {
  const { t } = useTranslation();
  const isAdmin = useCan("admin");
  const [alias, setAlias] = useState("champion");
  const aliases = useQuery({ ...aliasesQuery(name), enabled: number !== undefined });
  const current = aliases.data?.items.find((entry) => entry.alias === alias);
  const isCompared = number !== undefined && alias === "champion" && current !== undefined && current.number !== number;
  const comparison = useQuery(compareQuery(name, isCompared ? String(number) : undefined, isCompared ? String(current.number) : undefined));
  const action = useModelAction(promote, (result) => {
    showToast(
      "requested_at" in result
        ? t("models.requested", { number: result.number })
        : t("models.promoted", { alias: result.alias, number: result.number }),
    );
    onClose();
  });
  const isRefused = action.error instanceof ApiProblem && ["gate_refused", "insufficient_evidence"].includes(action.error.problem.code);
  const names = [...new Set(["champion", "challenger", "shadow", ...(aliases.data?.items.map((entry) => entry.alias) ?? [])])];
  const gate = isCompared ? (comparison.data?.gate ?? undefined) : undefined;
  const gateAdvice = gate !== undefined && gate.decision !== "passed";
  return (
    <ConfirmDialog
      opened={number !== undefined}
      title={t("models.promoteTitle", { name, number: number ?? 0 })}
      confirm={t("models.promote")}
      reason="optional"
      wide
      option={isAdmin && (isRefused || gateAdvice) ? t("models.override") : undefined}
      busy={action.isPending}
      error={action.error}
      onClose={() => {
        action.reset();
        onClose();
      }}
      onConfirm={(reason, override) => {
        if (number !== undefined) action.mutate({ name, alias, body: { number, override, ...(reason === "" ? {} : { reason }) } });
      }}
      text={
        <Stack gap="sm">
          <Select
            label={t("models.alias")}
            data={names}
            value={alias}
            allowDeselect={false}
            onChange={(value) => {
              setAlias(value ?? "champion");
            }}
          />
          <Text size="sm">
            {current === undefined ? t("models.aliasUnset", { alias }) : t("models.aliasNow", { alias, number: current.number })}
          </Text>
          {gate !== undefined && <GatePanel gate={gate} />}
          {isCompared && comparison.error !== null && (
            <Text size="sm" c="dimmed" className="wrap">
              {comparison.error instanceof ApiProblem ? comparison.error.problem.detail : ""}
            </Text>
          )}
        </Stack>
      }
    />
  );
}
