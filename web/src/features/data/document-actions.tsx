// Archive, restore and erase a document.
import { Button } from "@mantine/core";
import { IconArchive, IconEraser } from "@tabler/icons-react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import { useCan } from "../../app/session";
import { ConfirmDialog } from "../../components/confirm-dialog";
import { showToast } from "../../components/toast";
import { archiveDocument, eraseDocument } from "./queries";

export function DocumentActions({ id, name, isArchived }: { id: string; name: string; isArchived: boolean }) {
  const { t } = useTranslation();
  const canArchive = useCan("operator");
  const canErase = useCan("admin");
  const client = useQueryClient();
  const [asked, setAsked] = useState<"archive" | "erase" | undefined>(undefined);
  const close = (): void => {
    setAsked(undefined);
  };
  const refresh = () => client.invalidateQueries({ queryKey: ["documents"] });
  const archive = useMutation({
    mutationFn: archiveDocument,
    onSuccess: () => {
      showToast(isArchived ? t("data.restored") : t("data.archivedNow"));
      close();
    },
    onSettled: refresh,
  });
  const erase = useMutation({
    mutationFn: eraseDocument,
    onSuccess: () => {
      showToast(t("data.erased"));
      close();
    },
    // texts and reviews of the document are in many views
    onSettled: () => client.invalidateQueries(),
  });
  const archiveLabel = isArchived ? t("data.restore") : t("data.archive");
  return (
    <>
      {canArchive && (
        <Button
          variant="default"
          leftSection={<IconArchive size={14} />}
          onClick={() => {
            setAsked("archive");
          }}
        >
          {archiveLabel}
        </Button>
      )}
      {canErase && (
        <Button
          color="red"
          variant="outline"
          leftSection={<IconEraser size={14} />}
          onClick={() => {
            setAsked("erase");
          }}
        >
          {t("data.erase")}
        </Button>
      )}
      <ConfirmDialog
        opened={asked === "archive"}
        title={isArchived ? t("data.restoreTitle", { name }) : t("data.archiveTitle", { name })}
        text={isArchived ? t("data.restoreText") : t("data.archiveText")}
        confirm={archiveLabel}
        reason="optional"
        busy={archive.isPending}
        error={archive.error}
        onClose={() => {
          archive.reset();
          close();
        }}
        onConfirm={(reason) => {
          archive.mutate({ id, reason, restore: isArchived });
        }}
      />
      <ConfirmDialog
        opened={asked === "erase"}
        title={t("data.eraseTitle", { name })}
        text={t("data.eraseText")}
        confirm={t("data.erase")}
        danger
        reason="required"
        busy={erase.isPending}
        error={erase.error}
        onClose={() => {
          erase.reset();
          close();
        }}
        onConfirm={(reason) => {
          erase.mutate({ id, reason });
        }}
      />
    </>
  );
}
