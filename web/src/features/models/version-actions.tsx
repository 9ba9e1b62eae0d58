// What can be done with a version: promote, evaluate, verify, retire, delete its files, download.
import { Button, Menu } from "@mantine/core";
import { IconArrowUp, IconChevronDown, IconDownload, IconFileText, IconShieldCheck, IconTrash, IconZzz } from "@tabler/icons-react";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import type { Schemas } from "../../api/problem";
import { useCan } from "../../app/session";
import { ConfirmDialog } from "../../components/confirm-dialog";
import { ErrorNote } from "../../components/page";
import { showToast } from "../../components/toast";
import { PromoteDialog } from "./promote-dialog";
import { deleteFiles, retireVersion, useModelAction, verifyVersion } from "./queries";

type Asked = "retire" | "delete";

export function VersionActions({ version }: { version: Schemas["MeasuredVersion"] }) {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const canOperate = useCan("operator");
  const isAdmin = useCan("admin");
  const [promoting, setPromoting] = useState(false);
  const [asked, setAsked] = useState<Asked | undefined>(undefined);
  const key = { name: version.model, number: version.number };
  const isRetired = version.retired_at !== null && version.retired_at !== undefined;
  const hasFiles = version.files_deleted_at === null || version.files_deleted_at === undefined;
  const base = `/v1/models/${encodeURIComponent(version.model)}/versions/${String(version.number)}`;
  const close = (): void => {
    setAsked(undefined);
  };
  const retire = useModelAction(retireVersion, () => {
    showToast(t("version.retiredNow", { number: version.number }));
    close();
  });
  const remove = useModelAction(deleteFiles, () => {
    showToast(t("version.filesDeleted", { number: version.number }));
    close();
  });
  const verify = useModelAction(verifyVersion, (run) => {
    showToast(t("version.verifying"));
    void navigate({ to: "/runs/$runId", params: { runId: run.id } });
  });
  const current = asked === "delete" ? remove : retire;
  return (
    <>
      {hasFiles && (
        <Button
          variant="default"
          leftSection={<IconFileText size={14} />}
          component="a"
          href={`${base}/card`}
          target="_blank"
          rel="noreferrer"
        >
          {t("version.card")}
        </Button>
      )}
      {hasFiles && (
        <Button variant="default" leftSection={<IconDownload size={14} />} component="a" href={`${base}/download?format=tar`} download>
          {t("common.download")}
        </Button>
      )}
      {canOperate && (
        <Menu>
          <Menu.Target>
            <Button variant="default" rightSection={<IconChevronDown size={14} />} loading={verify.isPending}>
              {t("common.actions")}
            </Button>
          </Menu.Target>
          <Menu.Dropdown>
            {!isRetired && (
              <Menu.Item
                onClick={() =>
                  void navigate({ to: "/runs/new", search: { kind: "evaluate", model: version.model, version: String(version.number) } })
                }
              >
                {t("version.evaluate")}
              </Menu.Item>
            )}
            {hasFiles && (
              <Menu.Item
                leftSection={<IconShieldCheck size={14} />}
                onClick={() => {
                  verify.mutate(key);
                }}
              >
                {t("version.verify")}
              </Menu.Item>
            )}
            {!isRetired && (
              <Menu.Item
                leftSection={<IconZzz size={14} />}
                c="var(--state-failed)"
                onClick={() => {
                  setAsked("retire");
                }}
              >
                {t("version.retire")}
              </Menu.Item>
            )}
            {isRetired && hasFiles && isAdmin && (
              <Menu.Item
                leftSection={<IconTrash size={14} />}
                c="var(--state-failed)"
                onClick={() => {
                  setAsked("delete");
                }}
              >
                {t("version.deleteFiles")}
              </Menu.Item>
            )}
          </Menu.Dropdown>
        </Menu>
      )}
      {canOperate && !isRetired && (
        <Button
          leftSection={<IconArrowUp size={14} />}
          onClick={() => {
            setPromoting(true);
          }}
        >
          {t("models.promote")}
        </Button>
      )}
      {verify.error !== null && <ErrorNote error={verify.error} />}
      <PromoteDialog
        name={version.model}
        number={promoting ? version.number : undefined}
        onClose={() => {
          setPromoting(false);
        }}
      />
      <ConfirmDialog
        opened={asked !== undefined}
        title={t(asked === "delete" ? "version.deleteTitle" : "version.retireTitle", key)}
        text={asked === "delete" ? t("version.deleteText") : t("version.retireText")}
        confirm={asked === "delete" ? t("version.deleteFiles") : t("version.retire")}
        reason="required"
        option={asked === "retire" && version.aliases.length > 0 ? t("version.force", { aliases: version.aliases.join(", ") }) : undefined}
        danger
        busy={current.isPending}
        error={current.error}
        onClose={() => {
          current.reset();
          close();
        }}
        onConfirm={(reason, force) => {
          if (asked === "delete") remove.mutate({ ...key, reason });
          else retire.mutate({ ...key, reason, force });
        }}
      />
    </>
  );
}
