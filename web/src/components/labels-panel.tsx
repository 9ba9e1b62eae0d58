// Tags and note of a run or a version, and their forms.
import { ActionIcon, Badge, Button, Group, Stack, Text, Textarea, TextInput } from "@mantine/core";
import { IconPencil, IconX } from "@tabler/icons-react";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import { ErrorNote, Panel } from "./page";

export interface LabelsPanelProps {
  tags: Readonly<Record<string, string>>;
  note: string | null | undefined;
  canEdit: boolean;
  onTags: (change: { set?: Record<string, string>; remove?: string[] }) => Promise<unknown>;
  onNote: (note: string) => Promise<unknown>;
}

/** "KEY=VALUE" as a tag; the key has no "=". */
export function parseTag(text: string): { key: string; value: string } | undefined {
  const mark = text.indexOf("=");
  const key = (mark < 0 ? text : text.slice(0, mark)).trim();
  const value = mark < 0 ? "" : text.slice(mark + 1).trim();
  return key === "" || [...key].length > 100 || [...value].length > 500 ? undefined : { key, value };
}

export function LabelsPanel({ tags, note, canEdit, onTags, onNote }: LabelsPanelProps) {
  const { t } = useTranslation();
  const entries = Object.entries(tags).sort(([left], [right]) => left.localeCompare(right));
  const [adding, setAdding] = useState("");
  const [draft, setDraft] = useState<string | undefined>(undefined);
  const changeTags = useMutation({ mutationFn: onTags });
  const changeNote = useMutation({
    mutationFn: onNote,
    onSuccess: () => {
      setDraft(undefined);
    },
  });
  const hasNote = note !== null && note !== undefined && note !== "";
  const tag = parseTag(adding);
  if (!canEdit && entries.length === 0 && !hasNote) return null;
  return (
    <Panel title={t("labels.title")}>
      <Stack gap="sm">
        <Group gap={6}>
          {entries.map(([key, value]) => (
            <Badge
              key={key}
              variant="default"
              tt="none"
              maw="100%"
              miw={0}
              rightSection={
                canEdit && (
                  <ActionIcon
                    size={16}
                    aria-label={t("labels.remove", { key })}
                    onClick={() => {
                      changeTags.mutate({ remove: [key] });
                    }}
                  >
                    <IconX size={11} />
                  </ActionIcon>
                )
              }
            >
              <span title={`${key}=${value}`}>{`${key}=${value}`}</span>
            </Badge>
          ))}
          {canEdit && (
            <form
              onSubmit={(event) => {
                event.preventDefault();
                if (tag !== undefined) {
                  changeTags.mutate({ set: { [tag.key]: tag.value } });
                  setAdding("");
                }
              }}
            >
              <TextInput
                aria-label={t("labels.add")}
                placeholder="stage=candidate"
                value={adding}
                w={180}
                onChange={(event) => {
                  setAdding(event.currentTarget.value);
                }}
              />
            </form>
          )}
        </Group>
        {changeTags.error !== null && <ErrorNote error={changeTags.error} />}
        {draft === undefined ? (
          <Group gap={6} align="flex-start" wrap="nowrap">
            {hasNote ? (
              <Text size="sm" className="wrap" style={{ whiteSpace: "pre-wrap" }}>
                {note}
              </Text>
            ) : (
              <Text size="sm" c="dimmed">
                {t("labels.noNote")}
              </Text>
            )}
            {canEdit && (
              <ActionIcon
                size="sm"
                aria-label={t("labels.editNote")}
                onClick={() => {
                  setDraft(note ?? "");
                }}
              >
                <IconPencil size={14} />
              </ActionIcon>
            )}
          </Group>
        ) : (
          <form
            onSubmit={(event) => {
              event.preventDefault();
              changeNote.mutate(draft.trim());
            }}
          >
            <Textarea
              aria-label={t("labels.note")}
              autosize
              minRows={2}
              maxRows={12}
              maxLength={10_000}
              value={draft}
              data-autofocus
              onChange={(event) => {
                setDraft(event.currentTarget.value);
              }}
            />
            {changeNote.error !== null && <ErrorNote error={changeNote.error} />}
            <Group gap="xs" mt="xs">
              <Button type="submit" loading={changeNote.isPending}>
                {t("common.save")}
              </Button>
              <Button
                variant="default"
                onClick={() => {
                  setDraft(undefined);
                }}
              >
                {t("common.cancel")}
              </Button>
            </Group>
          </form>
        )}
      </Stack>
    </Panel>
  );
}
