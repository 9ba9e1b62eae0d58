// A dialog that says what an action does, and takes the reason for it.
import { Button, Checkbox, Group, Modal, Stack, Text, Textarea } from "@mantine/core";
import { type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";

import { ErrorNote } from "./page";

interface ConfirmDialogProps {
  opened: boolean;
  title: string;
  text: ReactNode;
  confirm: string;
  danger?: boolean;
  /** Whether a reason is asked for, and whether the action needs it. */
  reason?: "optional" | "required";
  /** A choice that goes with the action, such as an override. */
  option?: string | undefined;
  /** Whether the choice needs a reason. */
  optionNeedsReason?: boolean;
  wide?: boolean;
  busy: boolean;
  error: unknown;
  onConfirm: (reason: string, option: boolean) => void;
  onClose: () => void;
}

export function ConfirmDialog(props: ConfirmDialogProps) {
  const { t } = useTranslation();
  return (
    <Modal
      opened={props.opened}
      onClose={props.onClose}
      title={props.title}
      size={props.wide === true ? "xl" : "md"}
      closeButtonProps={{ "aria-label": t("common.close") }}
    >
      {props.opened && <Form {...props} />}
    </Modal>
  );
}

function Form({
  text,
  confirm,
  danger = false,
  reason,
  option,
  optionNeedsReason = true,
  busy,
  error,
  onConfirm,
  onClose,
}: ConfirmDialogProps) {
  const { t } = useTranslation();
  const [reasonText, setReasonText] = useState("");
  const [chosen, setChosen] = useState(false);
  const isRequired = reason === "required" || (chosen && optionNeedsReason);
  const isMissing = isRequired && reasonText.trim() === "";
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (!isMissing) onConfirm(reasonText.trim(), chosen);
      }}
    >
      <Stack gap="sm">
        <Text size="sm" component="div">
          {text}
        </Text>
        {reason !== undefined && (
          <Textarea
            label={t("common.reason")}
            required={isRequired}
            value={reasonText}
            onChange={(event) => {
              setReasonText(event.currentTarget.value);
            }}
            data-autofocus
            autosize
            minRows={2}
          />
        )}
        {option !== undefined && (
          <Checkbox
            label={option}
            checked={chosen}
            onChange={(event) => {
              setChosen(event.currentTarget.checked);
            }}
          />
        )}
        {error !== null && error !== undefined && <ErrorNote error={error} />}
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={onClose}>
            {t("common.cancel")}
          </Button>
          <Button type="submit" loading={busy} disabled={isMissing} color={danger ? "red" : "blue"}>
            {confirm}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
