// All API keys: list, create with an end, revoke. A secret is shown once.
import { Badge, Button, CopyButton, Group, Modal, Select, Stack, Text, TextInput } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type SyntheticEvent, useState } from "react";
import { useTranslation } from "react-i18next";

import { ApiProblem, type Schemas } from "../../api/problem";
import { ConfirmDialog } from "../../components/confirm-dialog";
import { type Column, DataTable } from "../../components/data-table";
import { CodeBlock, ErrorNote, Loaded, Time } from "../../components/page";
import { showToast } from "../../components/toast";
import { endAfter, keyState } from "./key-state";
import { createKey, keysQuery, revokeKey } from "./queries";

type ApiKey = Schemas["ApiKey"];

const ROLES = ["viewer", "reviewer", "operator", "admin"] as const satisfies readonly Schemas["Role"][];
const ENDS = [30, 90, 365, 0] as const;

export function KeysTab() {
  const { t } = useTranslation();
  const keys = useQuery(keysQuery);
  const [creating, setCreating] = useState(false);
  const [revoking, setRevoking] = useState<ApiKey | undefined>(undefined);
  const columns = useColumns(setRevoking);
  return (
    <>
      <Group mb="sm" justify="flex-end">
        <Button
          leftSection={<IconPlus size={14} />}
          onClick={() => {
            setCreating(true);
          }}
        >
          {t("access.createKey")}
        </Button>
      </Group>
      <Loaded query={keys}>
        {(data) => <DataTable label={t("access.tab.keys")} columns={columns} rows={data.items} rowKey={(row) => row.id} />}
      </Loaded>
      <CreateDialog
        opened={creating}
        onClose={() => {
          setCreating(false);
        }}
      />
      <RevokeDialog
        target={revoking}
        onClose={() => {
          setRevoking(undefined);
        }}
      />
    </>
  );
}

function useColumns(onRevoke: (key: ApiKey) => void): readonly Column<ApiKey>[] {
  const { t } = useTranslation();
  const now = Date.now();
  return [
    { key: "name", label: t("access.name"), grow: true, cell: (row) => row.name },
    { key: "role", label: t("access.role"), cell: (row) => t(`role.${row.role}`) },
    {
      key: "state",
      label: t("access.state"),
      cell: (row) => {
        const state = keyState(row, now);
        return (
          <Badge variant={state === "valid" ? "light" : "default"} tt="none">
            {t(`access.keyState.${state}`)}
          </Badge>
        );
      },
    },
    {
      key: "projects",
      label: t("access.projects"),
      optional: true,
      cell: (row) => (row.projects == null ? t("access.allProjects") : row.projects.join(", ")),
    },
    {
      key: "ends",
      label: t("access.ends"),
      optional: true,
      cell: (row) => (row.expires_at == null ? t("access.endless") : <Time at={row.expires_at} />),
    },
    { key: "created", label: t("runs.created"), optional: true, cell: (row) => <Time at={row.created_at} /> },
    {
      key: "actions",
      label: t("common.actions"),
      cell: (row) =>
        keyState(row, now) === "revoked" ? null : (
          <Button
            variant="default"
            size="compact-xs"
            onClick={() => {
              onRevoke(row);
            }}
          >
            {t("access.revoke")}
          </Button>
        ),
    },
  ];
}

function CreateDialog({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const { t } = useTranslation();
  return (
    <Modal opened={opened} onClose={onClose} title={t("access.createKey")} closeButtonProps={{ "aria-label": t("common.close") }}>
      {opened && <CreateForm onClose={onClose} />}
    </Modal>
  );
}

function CreateForm({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const [name, setName] = useState("");
  const [role, setRole] = useState<Schemas["Role"]>("viewer");
  const [days, setDays] = useState<number>(ENDS[1]);
  const [projects, setProjects] = useState("");
  const create = useMutation({ mutationFn: createKey, onSettled: () => client.invalidateQueries({ queryKey: keysQuery.queryKey }) });
  const submit = (event: SyntheticEvent) => {
    event.preventDefault();
    const named = projects
      .split(",")
      .map((project) => project.trim())
      .filter((project) => project !== "");
    create.mutate({ name, role, projects: named.length === 0 ? null : named, expires_at: endAfter(days, Date.now()) });
  };
  if (create.data !== undefined) {
    return (
      <Stack>
        <Text>{t("access.secretText")}</Text>
        <CodeBlock code={create.data.key} label={t("access.secret")} />
        <Group justify="flex-end">
          <CopyButton value={create.data.key}>
            {({ copied, copy }) => <Button onClick={copy}>{copied ? t("common.copied") : t("common.copy")}</Button>}
          </CopyButton>
          <Button variant="default" onClick={onClose}>
            {t("common.close")}
          </Button>
        </Group>
      </Stack>
    );
  }
  return (
    <form onSubmit={submit}>
      <Stack>
        <TextInput
          label={t("access.name")}
          description={t("access.nameHelp")}
          value={name}
          required
          maxLength={100}
          data-autofocus
          onChange={(event) => {
            setName(event.currentTarget.value);
          }}
        />
        <Select
          label={t("access.role")}
          description={t("access.roleHelp")}
          data={ROLES.map((value) => ({ value, label: t(`role.${value}`) }))}
          value={role}
          allowDeselect={false}
          onChange={(value) => {
            setRole(ROLES.find((known) => known === value) ?? "viewer");
          }}
        />
        <Select
          label={t("access.ends")}
          data={ENDS.map((value) => ({
            value: String(value),
            label: value === 0 ? t("access.endless") : t("access.inDays", { count: value }),
          }))}
          value={String(days)}
          allowDeselect={false}
          onChange={(value) => {
            setDays(Number(value));
          }}
        />
        <TextInput
          label={t("access.projects")}
          description={t("access.projectsHelp")}
          value={projects}
          onChange={(event) => {
            setProjects(event.currentTarget.value);
          }}
        />
        {create.error !== null && <ErrorNote error={create.error} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            {t("common.cancel")}
          </Button>
          <Button type="submit" loading={create.isPending}>
            {t("access.createKey")}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

function RevokeDialog({ target, onClose }: { target: ApiKey | undefined; onClose: () => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const revoke = useMutation({
    mutationFn: ({ key, force }: { key: ApiKey; force: boolean }) => revokeKey(key.id, force),
    onSuccess: () => {
      onClose();
      showToast(t("access.keyRevoked"));
    },
    onSettled: () => client.invalidateQueries({ queryKey: ["access"] }),
  });
  const isLast = revoke.error instanceof ApiProblem && revoke.error.problem.code === "last_admin_key";
  return (
    <ConfirmDialog
      opened={target !== undefined}
      title={t("access.revokeKeyTitle")}
      text={t(target?.issuer == null ? "access.revokeKeyText" : "access.lockOutText", { key: target?.name ?? "" })}
      confirm={t("access.revoke")}
      danger
      optionNeedsReason={false}
      option={isLast ? t("access.revokeLast") : undefined}
      busy={revoke.isPending}
      error={revoke.error}
      onClose={() => {
        revoke.reset();
        onClose();
      }}
      onConfirm={(_, force) => {
        if (target !== undefined) revoke.mutate({ key: target, force });
      }}
    />
  );
}
