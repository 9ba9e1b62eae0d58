// Command palette: go to a page, run, model or document, or start an action.
import { Modal, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { IconSearch } from "@tabler/icons-react";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type KeyboardEvent, useState } from "react";
import { useTranslation } from "react-i18next";

import { api, unwrap } from "../api/client";
import classes from "./palette.module.css";
import { useCan } from "./session";

interface Command {
  id: string;
  group: string;
  label: string;
  detail?: string;
  run: () => void;
}

async function findObjects(text: string) {
  const [runs, models, fields, documents] = await Promise.all([
    unwrap(api.GET("/v1/ids/{kind}", { params: { path: { kind: "run" }, query: text === "" ? {} : { part: text } } })).catch(
      () => undefined,
    ),
    unwrap(api.GET("/v1/models", { params: { query: { limit: 200 } } })),
    unwrap(api.GET("/v1/fields")),
    text === "" ? undefined : unwrap(api.GET("/v1/documents/search", { params: { query: { q: text, limit: 6 } } })).catch(() => undefined),
  ]);
  return { runs: runs?.items ?? [], models: models.items, fields: fields.items, documents: documents?.items ?? [] };
}

export function CommandPalette({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const { t } = useTranslation();
  return (
    <Modal.Root opened={opened} onClose={onClose} size="lg" yOffset="12vh" centered={false}>
      <Modal.Overlay />
      <Modal.Content aria-label={t("palette.open")}>
        <Modal.Body p={0}>{opened && <Palette onClose={onClose} />}</Modal.Body>
      </Modal.Content>
    </Modal.Root>
  );
}

function Palette({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const canStart = useCan("operator");
  const canReview = useCan("reviewer");
  const [text, setText] = useState("");
  const [active, setActive] = useState(0);
  const [needle] = useDebouncedValue(text.trim(), 150);
  const found = useQuery({ queryKey: ["palette", needle], queryFn: () => findObjects(needle), placeholderData: keepPreviousData });

  const pages: Command[] = [
    { id: "runs", group: t("palette.pages"), label: t("nav.runs"), run: () => void navigate({ to: "/runs" }) },
    { id: "models", group: t("palette.pages"), label: t("nav.models"), run: () => void navigate({ to: "/models" }) },
    { id: "review", group: t("palette.pages"), label: t("nav.review"), run: () => void navigate({ to: "/review" }) },
    { id: "documents", group: t("palette.pages"), label: t("data.documents"), run: () => void navigate({ to: "/data/documents" }) },
    { id: "imports", group: t("palette.pages"), label: t("data.imports"), run: () => void navigate({ to: "/data/imports" }) },
    { id: "datasets", group: t("palette.pages"), label: t("data.datasets"), run: () => void navigate({ to: "/data/datasets" }) },
    { id: "fields", group: t("palette.pages"), label: t("data.fields"), run: () => void navigate({ to: "/data/fields" }) },
    { id: "operations", group: t("palette.pages"), label: t("nav.operations"), run: () => void navigate({ to: "/operations" }) },
    { id: "sessions", group: t("palette.pages"), label: t("nav.sessions"), run: () => void navigate({ to: "/admin" }) },
  ];
  const actions: Command[] = [
    ...(canStart
      ? [{ id: "start", group: t("palette.actions"), label: t("start.title"), run: () => void navigate({ to: "/runs/new" }) }]
      : []),
    ...(canReview
      ? [{ id: "import", group: t("palette.actions"), label: t("imports.upload"), run: () => void navigate({ to: "/data/imports" }) }]
      : []),
    {
      id: "failed",
      group: t("palette.actions"),
      label: t("palette.failedRuns"),
      run: () => void navigate({ to: "/runs", search: { status: "failed" } }),
    },
  ];
  const matches = (command: Command): boolean => command.label.toLowerCase().includes(text.trim().toLowerCase());
  const objects = found.data;
  const commands: Command[] = [
    ...actions.filter(matches),
    ...pages.filter(matches),
    ...(objects?.models ?? [])
      .filter((model) => model.name.includes(needle))
      .slice(0, 6)
      .map((model) => ({
        id: `model ${model.name}`,
        group: t("nav.models"),
        label: model.name,
        detail: `v${String(model.newest_version)}`,
        run: () => void navigate({ to: "/models/$name", params: { name: model.name } }),
      })),
    ...(objects?.fields ?? [])
      .filter((field) => needle !== "" && field.name.includes(needle))
      .slice(0, 6)
      .map((field) => ({
        id: `field ${field.name}`,
        group: t("data.fields"),
        label: field.name,
        detail: t("fields.queue"),
        run: () => void navigate({ to: "/review", search: { field: field.name } }),
      })),
    ...(objects?.runs ?? []).slice(0, 6).map((run) => ({
      id: `run ${run.id}`,
      group: t("nav.runs"),
      label: run.label,
      detail: run.id,
      run: () => void navigate({ to: "/runs/$runId", params: { runId: run.id } }),
    })),
    ...(objects?.documents ?? []).map((document) => ({
      id: `document ${document.id}`,
      group: t("data.documents"),
      label: document.file_name ?? document.task_id,
      detail: `${document.source}/${document.project}/${document.task_id}`,
      run: () => void navigate({ to: "/data/documents/$documentId", params: { documentId: document.id } }),
    })),
  ];
  const current = commands[Math.min(active, commands.length - 1)];

  const choose = (command: Command | undefined): void => {
    if (command === undefined) return;
    onClose();
    command.run();
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const step = event.key === "ArrowDown" ? 1 : -1;
      setActive((Math.min(active, commands.length - 1) + step + commands.length) % Math.max(commands.length, 1));
    } else if (event.key === "Enter") {
      event.preventDefault();
      choose(current);
    }
  };

  return (
    <div>
      <TextInput
        data-autofocus
        size="md"
        variant="unstyled"
        className={classes["input"]}
        leftSection={<IconSearch size={16} aria-hidden />}
        placeholder={t("palette.placeholder")}
        aria-label={t("palette.placeholder")}
        value={text}
        onChange={(event) => {
          setText(event.currentTarget.value);
          setActive(0);
        }}
        onKeyDown={onKeyDown}
        role="combobox"
        aria-expanded
        aria-controls="palette-list"
        aria-activedescendant={current === undefined ? undefined : `palette-${String(commands.indexOf(current))}`}
      />
      <div id="palette-list" role="listbox" aria-label={t("palette.open")} className={classes["list"]}>
        {commands.map((command, index) => (
          // the keyboard works in the input, which names the active option
          // eslint-disable-next-line jsx-a11y/click-events-have-key-events
          <div
            key={command.id}
            id={`palette-${String(index)}`}
            role="option"
            tabIndex={-1}
            aria-selected={command === current}
            className={classes["option"]}
            onClick={() => {
              choose(command);
            }}
            onMouseMove={() => {
              setActive(index);
            }}
          >
            <span className={classes["group"]}>{command.group}</span>
            <span className={classes["label"]}>{command.label}</span>
            {command.detail !== undefined && <span className={classes["detail"]}>{command.detail}</span>}
          </div>
        ))}
        {commands.length === 0 && (
          <div className={classes["none"]} role="option" aria-selected={false} aria-disabled tabIndex={-1}>
            {t("palette.nothing")}
          </div>
        )}
      </div>
    </div>
  );
}
