// Two decisions about the same field, side by side.
import { Button, Group, Stack, Text } from "@mantine/core";
import { useTranslation } from "react-i18next";

import { Panel, Time, ValueText } from "../../components/page";
import classes from "./review.module.css";
import type { Conflict } from "./use-review";

export function ConflictPanel({
  conflict,
  onKeepTheirs,
  onWriteMine,
}: {
  conflict: Conflict;
  onKeepTheirs: () => void;
  onWriteMine: () => void;
}) {
  const { t } = useTranslation();
  const { current, review } = conflict;
  return (
    <div role="alert">
      <Panel title={t("review.conflict", { field: review.field })}>
        <div className={classes["conflict"]}>
          <Stack gap={4}>
            <Text size="xs" c="dimmed">
              {t("review.theirs", { reviewer: current.reviewer ?? "–" })} · <Time at={current.updated_at} />
            </Text>
            <ValueText value={current.accepted_value ?? current.predicted_value} />
          </Stack>
          <Stack gap={4}>
            <Text size="xs" c="dimmed">
              {t("review.mine")}
            </Text>
            <ValueText value={review.body.value} />
          </Stack>
        </div>
        <Group gap="xs" mt="sm">
          <Button variant="default" onClick={onKeepTheirs}>
            {t("review.keepTheirs")}
          </Button>
          <Button onClick={onWriteMine}>{t("review.writeMine")}</Button>
        </Group>
      </Panel>
    </div>
  );
}
