// Imports: upload by drag and drop, and what was imported.
import { Button, Group, Progress, Stack, Text, TextInput } from "@mantine/core";
import { IconUpload } from "@tabler/icons-react";
import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { type DragEvent, useMemo, useRef, useState } from "react";
import { useTranslation } from "react-i18next";

import type { Schemas } from "../../api/problem";
import { useCan } from "../../app/session";
import { type Column, DataTable } from "../../components/data-table";
import { useFormat } from "../../components/format";
import { EmptyState, ErrorNote, Loaded, Page, Panel, Time } from "../../components/page";
import { StateBadge } from "../../components/state-badge";
import { DataTabs } from "./data-tabs";
import classes from "./data.module.css";
import { importsQuery, uploadFile } from "./queries";

export function ImportsPage() {
  const { t } = useTranslation();
  const format = useFormat();
  const canImport = useCan("reviewer");
  const imports = useInfiniteQuery(importsQuery);
  const rows = useMemo(() => imports.data?.pages.flatMap((page) => page.items), [imports.data]);
  const columns: readonly Column<Schemas["ImportState"]>[] = [
    { key: "state", label: t("runs.state"), cell: (row) => <StateBadge state={row.status} /> },
    {
      key: "file",
      label: t("imports.file"),
      grow: true,
      cell: (row) => (
        <Link to="/data/imports/$importId" params={{ importId: row.id }}>
          {row.file_name ?? row.source}
        </Link>
      ),
    },
    { key: "tasks", label: t("imports.tasks"), numeric: true, cell: (row) => format.count(row.tasks) },
    { key: "size", label: t("imports.size"), numeric: true, optional: true, cell: (row) => format.bytes(row.bytes) },
    { key: "source", label: t("imports.source"), optional: true, cell: (row) => row.source },
    { key: "who", label: t("runs.createdBy"), optional: true, cell: (row) => row.actor },
    { key: "when", label: t("runs.created"), cell: (row) => <Time at={row.created_at} /> },
  ];
  return (
    <Page wide title={t("data.imports")}>
      <DataTabs />
      {canImport && <UploadPanel />}
      <Loaded query={{ data: rows, error: imports.error, refetch: imports.refetch }}>
        {(items) =>
          items.length === 0 ? (
            <EmptyState title={t("imports.none")} text={t("imports.noneText")} command="aprendiz import export.json.gz" />
          ) : (
            <DataTable
              label={t("data.imports")}
              columns={columns}
              rows={items}
              rowKey={(row) => row.id}
              more={{ available: imports.hasNextPage, loading: imports.isFetchingNextPage, load: () => void imports.fetchNextPage() }}
            />
          )
        }
      </Loaded>
    </Page>
  );
}

function UploadPanel() {
  const { t } = useTranslation();
  const format = useFormat();
  const navigate = useNavigate();
  const client = useQueryClient();
  const input = useRef<HTMLInputElement>(null);
  const [isOver, setOver] = useState(false);
  const [project, setProject] = useState("");
  const [textKey, setTextKey] = useState("");
  const [part, setPart] = useState(0);
  const upload = useMutation({
    mutationFn: uploadFile,
    onSuccess: (importId) => void navigate({ to: "/data/imports/$importId", params: { importId } }),
    onSettled: () => client.invalidateQueries({ queryKey: ["imports"] }),
  });
  const send = (file: File | undefined): void => {
    if (file === undefined || upload.isPending) return;
    setPart(0);
    upload.mutate({ file, project, textKey, onProgress: setPart });
  };
  const onDrop = (event: DragEvent): void => {
    event.preventDefault();
    setOver(false);
    send(event.dataTransfer.files[0]);
  };
  return (
    <Panel title={t("imports.upload")}>
      <Stack gap="sm">
        <Group gap="sm" align="flex-end">
          <TextInput
            label={t("imports.project")}
            description={t("imports.projectHelp")}
            value={project}
            onChange={(event) => {
              setProject(event.currentTarget.value);
            }}
          />
          <TextInput
            label={t("imports.textKey")}
            description={t("imports.textKeyHelp")}
            placeholder="text"
            value={textKey}
            onChange={(event) => {
              setTextKey(event.currentTarget.value);
            }}
          />
        </Group>
        {/* the button inside is the same for the keyboard */}
        {/* eslint-disable-next-line jsx-a11y/no-static-element-interactions */}
        <div
          className={classes["drop"]}
          data-over={isOver}
          onDragOver={(event) => {
            event.preventDefault();
            setOver(true);
          }}
          onDragLeave={() => {
            setOver(false);
          }}
          onDrop={onDrop}
        >
          {upload.isPending ? (
            <Stack gap={6}>
              <Text size="sm">{t("imports.sending", { name: upload.variables.file.name, part: format.percent(part) })}</Text>
              <Progress value={part * 100} aria-label={t("imports.upload")} />
            </Stack>
          ) : (
            <Group gap="sm" justify="center">
              <Text size="sm" c="dimmed">
                {t("imports.drop")}
              </Text>
              <Button
                variant="default"
                leftSection={<IconUpload size={14} />}
                onClick={() => {
                  input.current?.click();
                }}
              >
                {t("imports.choose")}
              </Button>
              <input
                ref={input}
                type="file"
                accept=".json,.gz,application/json,application/gzip"
                className="visually-hidden"
                tabIndex={-1}
                aria-label={t("imports.choose")}
                onChange={(event) => {
                  send(event.currentTarget.files?.[0]);
                  event.currentTarget.value = "";
                }}
              />
            </Group>
          )}
        </div>
        {upload.error !== null && <ErrorNote error={upload.error} />}
      </Stack>
    </Panel>
  );
}
