// Accepts the predictions of a field above a confidence, after counting them.
import { Button, Group, Modal, NumberInput, Select, Stack, Text } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import { ErrorNote } from "../../components/page";
import { showToast } from "../../components/toast";
import { acceptPredictions } from "./queries";

interface AcceptDialogProps {
  opened: boolean;
  fields: readonly string[];
  initial: string | undefined;
  onClose: () => void;
}

/** Repeats the request until all matching documents were processed. */
async function acceptAll(input: { field: string; confidence: number; dryRun: boolean }): Promise<{ accepted: number; unfit: number }> {
  let after: string | null = null;
  let accepted = 0;
  let unfit = 0;
  do {
    const result: Awaited<ReturnType<typeof acceptPredictions>> = await acceptPredictions({
      field: input.field,
      min_confidence: input.confidence,
      dry_run: input.dryRun,
      after,
    });
    accepted += result.accepted;
    unfit += result.unfit;
    after = result.next ?? null;
  } while (after !== null);
  return { accepted, unfit };
}

export function AcceptDialog({ opened, fields, initial, onClose }: AcceptDialogProps) {
  const { t } = useTranslation();
  return (
    <Modal opened={opened} onClose={onClose} title={t("review.acceptMany")} closeButtonProps={{ "aria-label": t("common.close") }}>
      {opened && <Form fields={fields} initial={initial} onClose={onClose} />}
    </Modal>
  );
}

function Form({ fields, initial, onClose }: Omit<AcceptDialogProps, "opened">) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const [field, setField] = useState<string | null>(initial ?? null);
  const [confidence, setConfidence] = useState(0.98);
  const count = useMutation({ mutationFn: acceptAll });
  const accept = useMutation({
    mutationFn: acceptAll,
    onSuccess: (result) => {
      showToast(t("review.accepted", { count: result.accepted }));
      onClose();
    },
    onSettled: () => client.invalidateQueries({ queryKey: ["review", "queue"] }),
  });
  const change = (): void => {
    count.reset();
  };
  return (
    <Stack gap="sm">
      <Text size="sm">{t("review.acceptText")}</Text>
      <Select
        label={t("runs.field")}
        data={[...fields]}
        value={field}
        searchable
        required
        onChange={(value) => {
          setField(value);
          change();
        }}
      />
      <NumberInput
        label={t("review.minConfidence")}
        min={0}
        max={1}
        step={0.01}
        value={confidence}
        onChange={(value) => {
          setConfidence(Number(value));
          change();
        }}
      />
      {count.data !== undefined && (
        <Text size="sm" role="status">
          {t("review.wouldAccept", { count: count.data.accepted })}
        </Text>
      )}
      {(count.error ?? accept.error) !== null && <ErrorNote error={count.error ?? accept.error} />}
      <Group justify="flex-end" gap="xs">
        <Button variant="default" onClick={onClose}>
          {t("common.cancel")}
        </Button>
        {count.data === undefined || field === null ? (
          <Button
            disabled={field === null}
            loading={count.isPending}
            onClick={() => {
              if (field !== null) count.mutate({ field, confidence, dryRun: true });
            }}
          >
            {t("review.count")}
          </Button>
        ) : (
          <Button
            disabled={count.data.accepted === 0}
            loading={accept.isPending}
            onClick={() => {
              accept.mutate({ field, confidence, dryRun: false });
            }}
          >
            {t("review.acceptConfirm", { count: count.data.accepted })}
          </Button>
        )}
      </Group>
    </Stack>
  );
}
