// Saved views of the run list: filters under a name, kept in this browser.
import { ActionIcon, Button, Group, Popover, Text, TextInput } from "@mantine/core";
import { useLocalStorage } from "@mantine/hooks";
import { IconBookmark, IconTrash } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import { readViews, type RunSearch, type RunView, withView } from "./stored-views";

export function RunViews({ search }: { search: RunSearch }) {
  const { t } = useTranslation();
  const [views, setViews] = useLocalStorage<RunView[]>({
    key: "aprendiz-run-views",
    defaultValue: [],
    getInitialValueInEffect: false,
    deserialize: readViews,
  });
  const [name, setName] = useState("");
  const [opened, setOpened] = useState(false);
  return (
    <Popover opened={opened} onChange={setOpened} position="bottom-end" trapFocus>
      <Popover.Target>
        <Button
          variant="default"
          leftSection={<IconBookmark size={14} />}
          onClick={() => {
            setOpened(!opened);
          }}
        >
          {t("runs.views")}
        </Button>
      </Popover.Target>
      <Popover.Dropdown miw={260} aria-label={t("runs.views")}>
        {views.length === 0 && (
          <Text size="sm" c="dimmed">
            {t("runs.noViews")}
          </Text>
        )}
        {views.map((view) => (
          <Group key={view.name} gap={4} wrap="nowrap" px="xs" py={4} justify="space-between">
            <Link
              to="/runs"
              search={view.search}
              onClick={() => {
                setOpened(false);
              }}
            >
              {view.name}
            </Link>
            <ActionIcon
              size="sm"
              aria-label={t("runs.removeView", { name: view.name })}
              onClick={() => {
                setViews(views.filter((other) => other !== view));
              }}
            >
              <IconTrash size={13} />
            </ActionIcon>
          </Group>
        ))}
        <form
          onSubmit={(event) => {
            event.preventDefault();
            if (name.trim() === "") return;
            setViews(withView(views, { name: name.trim(), search }));
            setName("");
          }}
        >
          <Group gap={6} wrap="nowrap" p="xs">
            <TextInput
              aria-label={t("runs.viewName")}
              placeholder={t("runs.viewName")}
              value={name}
              maxLength={60}
              onChange={(event) => {
                setName(event.currentTarget.value);
              }}
            />
            <Button type="submit" disabled={name.trim() === ""}>
              {t("common.save")}
            </Button>
          </Group>
        </form>
      </Popover.Dropdown>
    </Popover>
  );
}
