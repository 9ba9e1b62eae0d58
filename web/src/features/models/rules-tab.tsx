// Settings of a model: description, owner, how versions become champion, and the rules of the gate.
import { ActionIcon, Button, Group, Select, Stack, Text, Textarea, TextInput } from "@mantine/core";
import { IconPlus, IconTrash } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import type { Schemas } from "../../api/problem";
import { useCan } from "../../app/session";
import { ErrorNote, Loaded, Panel } from "../../components/page";
import { showToast } from "../../components/toast";
import { changeSettings, settingsQuery, useModelAction } from "./queries";
import { FIRST_VERSIONS, GATE_METRICS, POLICIES, readRules, type RulesForm, toRulesForm } from "./rules";

export function RulesTab({ name }: { name: string }) {
  const settings = useQuery({ ...settingsQuery(name), retry: false });
  return <Loaded query={settings}>{(data) => <Form key={data.revision} settings={data} />}</Loaded>;
}

function Form({ settings }: { settings: Schemas["ModelSettings"] }) {
  const { t } = useTranslation();
  const canEdit = useCan("operator");
  const [form, setForm] = useState(() => toRulesForm(settings));
  const save = useModelAction(changeSettings, () => {
    showToast(t("rules.saved"));
  });
  const read = readRules(form);
  const errors = "errors" in read ? read.errors : {};
  const isChanged = JSON.stringify(form) !== JSON.stringify(toRulesForm(settings));
  const set = <Key extends keyof RulesForm>(key: Key, value: RulesForm[Key]): void => {
    setForm((current) => ({ ...current, [key]: value }));
  };
  const message = (key: keyof RulesForm): string | undefined => {
    const error = errors[key];
    return error === undefined ? undefined : t(`rules.error.${error}`);
  };
  const input = (key: "owner" | "margin" | "minN" | "coverageMargin" | "shadowShare", help: string) => ({
    label: t(`rules.${key}`),
    description: help,
    value: form[key],
    error: message(key),
    readOnly: !canEdit,
    w: 250,
    onChange: (event: { currentTarget: { value: string } }) => {
      set(key, event.currentTarget.value);
    },
  });
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if ("request" in read) save.mutate({ name: settings.name, revision: settings.revision, body: read.request });
      }}
    >
      <Stack gap="md">
        <Panel title={t("rules.about")}>
          <Stack gap="sm">
            <Textarea
              label={t("rules.description")}
              autosize
              minRows={2}
              maxRows={8}
              maw={640}
              readOnly={!canEdit}
              value={form.description}
              error={message("description")}
              onChange={(event) => {
                set("description", event.currentTarget.value);
              }}
            />
            <TextInput {...input("owner", t("rules.ownerHelp"))} />
          </Stack>
        </Panel>
        <Panel title={t("rules.promotion")}>
          <Group gap="md" align="flex-start">
            <Select
              label={t("rules.policy")}
              description={t(`rules.policyHelp.${form.promotion}`)}
              data={POLICIES.map((policy) => ({ value: policy, label: t(`models.policy.${policy}`) }))}
              value={form.promotion}
              allowDeselect={false}
              readOnly={!canEdit}
              w={320}
              onChange={(value) => {
                set("promotion", POLICIES.find((policy) => policy === value) ?? "manual");
              }}
            />
            <Select
              label={t("rules.firstVersion")}
              description={t("rules.firstVersionHelp")}
              data={FIRST_VERSIONS.map((policy) => ({ value: policy, label: t(`rules.firstVersions.${policy}`) }))}
              value={form.firstVersion}
              allowDeselect={false}
              readOnly={!canEdit}
              w={320}
              onChange={(value) => {
                set("firstVersion", FIRST_VERSIONS.find((policy) => policy === value) ?? "auto");
              }}
            />
            <TextInput inputMode="decimal" {...input("shadowShare", t("rules.shadowShareHelp"))} />
          </Group>
        </Panel>
        <Panel title={t("gate.title")}>
          <Stack gap="sm">
            <Text size="sm" c="dimmed" maw={640}>
              {t("rules.gateHelp")}
            </Text>
            <Group gap="md" align="flex-start">
              <Select
                label={t("rules.metric")}
                description={t("rules.metricHelp")}
                data={[...GATE_METRICS]}
                value={form.metric}
                allowDeselect={false}
                readOnly={!canEdit}
                w={250}
                onChange={(value) => {
                  set("metric", GATE_METRICS.find((metric) => metric === value) ?? "accuracy");
                }}
              />
              <TextInput inputMode="decimal" {...input("margin", t("rules.marginHelp"))} />
              <TextInput inputMode="numeric" {...input("minN", t("rules.minNHelp"))} />
              <TextInput inputMode="decimal" {...input("coverageMargin", t("rules.coverageMarginHelp"))} />
            </Group>
            <FieldMargins
              rows={form.fieldMargins}
              canEdit={canEdit}
              error={message("fieldMargins")}
              onChange={(rows) => {
                set("fieldMargins", rows);
              }}
            />
          </Stack>
        </Panel>
        {save.error !== null && <ErrorNote error={save.error} />}
        {canEdit && (
          <Group gap="xs">
            <Button type="submit" loading={save.isPending} disabled={!isChanged || "errors" in read}>
              {t("common.save")}
            </Button>
            {isChanged && (
              <Button
                variant="default"
                onClick={() => {
                  setForm(toRulesForm(settings));
                }}
              >
                {t("rules.discard")}
              </Button>
            )}
          </Group>
        )}
      </Stack>
    </form>
  );
}

interface FieldMarginsProps {
  rows: RulesForm["fieldMargins"];
  canEdit: boolean;
  error: string | undefined;
  onChange: (rows: RulesForm["fieldMargins"]) => void;
}

function FieldMargins({ rows, canEdit, error, onChange }: FieldMarginsProps) {
  const { t } = useTranslation();
  const change = (index: number, part: Partial<{ field: string; margin: string }>): void => {
    onChange(rows.map((row, position) => (position === index ? { ...row, ...part } : row)));
  };
  return (
    <Stack gap={6}>
      <Text size="sm" fw={500}>
        {t("rules.fieldMargins")}
      </Text>
      {rows.map((row, index) => (
        <Group key={index} gap="xs">
          <TextInput
            aria-label={t("runs.field")}
            placeholder={t("runs.field")}
            value={row.field}
            readOnly={!canEdit}
            w={220}
            onChange={(event) => {
              change(index, { field: event.currentTarget.value });
            }}
          />
          <TextInput
            aria-label={t("rules.margin")}
            placeholder="0.02"
            inputMode="decimal"
            value={row.margin}
            readOnly={!canEdit}
            w={100}
            onChange={(event) => {
              change(index, { margin: event.currentTarget.value });
            }}
          />
          {canEdit && (
            <ActionIcon
              aria-label={t("rules.removeMargin")}
              onClick={() => {
                onChange(rows.filter((_, position) => position !== index));
              }}
            >
              <IconTrash size={15} />
            </ActionIcon>
          )}
        </Group>
      ))}
      {error !== undefined && (
        <Text size="xs" c="var(--mantine-color-error)" role="alert">
          {error}
        </Text>
      )}
      {canEdit && (
        <Button
          variant="subtle"
          size="compact-xs"
          leftSection={<IconPlus size={13} />}
          w="fit-content"
          onClick={() => {
            onChange([...rows, { field: "", margin: "" }]);
          }}
        >
          {t("rules.addMargin")}
        </Button>
      )}
    </Stack>
  );
}
