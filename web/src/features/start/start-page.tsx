// Form for a new run: what to learn from, how, and what would happen, before it starts.
import {
  Button,
  Group,
  MultiSelect,
  NumberInput,
  SegmentedControl,
  Select,
  Stack,
  Switch,
  Tabs,
  TagsInput,
  Text,
  Textarea,
  TextInput,
} from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { IconPlayerPlay } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { useTranslation } from "react-i18next";

import type { Schemas } from "../../api/problem";
import * as searchParams from "../../app/search";
import { useCan } from "../../app/session";
import { CodeBlock, EmptyState, ErrorNote, Loaded, Page, Panel } from "../../components/page";
import { showToast } from "../../components/toast";
import { fieldsQuery } from "../data/queries";
import { modelsQuery } from "../models/queries";
import { kindsQuery, runQuery, useRunAction } from "../runs/queries";
import { ParamInputs } from "./param-inputs";
import { BaseModels, VersionSelect } from "./model-inputs";
import { Preview } from "./preview";
import { cloneRun, previewQuery, projectsQuery, startRun } from "./queries";
import {
  EMPTY_FORM,
  fromSpec,
  hasSlices,
  usesVersion,
  isModelName,
  type Kind,
  readDocuments,
  readParams,
  type RunForm,
  toCloneRequest,
  toCommand,
  toCurl,
  toSpec,
} from "./spec";
import classes from "./start.module.css";

const route = getRouteApi("/app/runs/new");

export function StartPage() {
  const { t } = useTranslation();
  const search = route.useSearch({ select: searchParams.startRun });
  const canOperate = useCan("operator");
  const kinds = useQuery(kindsQuery);
  const original = useQuery({ ...runQuery(search.clone ?? ""), enabled: search.clone !== undefined });
  const isReady = search.clone === undefined || original.data !== undefined;
  const initial: RunForm =
    original.data === undefined
      ? { ...EMPTY_FORM, model: search.model ?? "", kind: search.kind ?? "linear", modelVersion: search.version ?? "" }
      : fromSpec(original.data.spec);
  return (
    <Page
      wide
      title={search.clone === undefined ? t("start.title") : t("start.cloneTitle")}
      crumbs={<Link to="/runs">{t("runs.title")}</Link>}
    >
      {!canOperate ? (
        <EmptyState title={t("start.notAllowed")} text={t("start.notAllowedText")} />
      ) : (
        <Loaded
          query={{
            data: isReady ? kinds.data : undefined,
            error: kinds.error ?? (search.clone === undefined ? null : original.error),
            refetch: kinds.refetch,
          }}
        >
          {(page) => <Form key={search.clone ?? "new"} kinds={page.items} initial={initial} original={original.data} />}
        </Loaded>
      )}
    </Page>
  );
}

interface FormProps {
  kinds: readonly Kind[];
  initial: RunForm;
  /** The run that is cloned. */
  original: Schemas["TrainingRun"] | undefined;
}

function Form({ kinds, initial, original }: FormProps) {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const [form, setForm] = useState(initial);
  const [sameData, setSameData] = useState(true);
  // one key per form: a repeated click starts no second run
  const [key] = useState(() => crypto.randomUUID());
  const models = useQuery(modelsQuery);
  const fields = useQuery(fieldsQuery);
  const projects = useQuery(projectsQuery);
  const kind = kinds.find((info) => info.kind === form.kind) ?? kinds[0];
  const set = <Name extends keyof RunForm>(name: Name, value: RunForm[Name]): void => {
    setForm((current) => ({ ...current, [name]: value }));
  };
  const started = (run: Schemas["TrainingRun"]): void => {
    showToast(t("start.started"));
    void navigate({ to: "/runs/$runId", params: { runId: run.id } });
  };
  const start = useRunAction(startRun, started);
  const clone = useRunAction(cloneRun, started);
  const spec = useMemo(
    () => (kind === undefined ? undefined : toSpec({ ...form, model: form.model === "" ? "preview" : form.model }, kind)),
    [form, kind],
  );
  const [previewed] = useDebouncedValue(spec, 400);
  const documents = readDocuments(form.documents);
  const invalid = [...(kind === undefined ? [] : readParams(kind, form.params).invalid), ...documents.invalid];
  const isNameValid = isModelName(form.model);
  const preview = useQuery(
    previewQuery(previewed ?? { model: "preview" }, previewed !== undefined && (form.model === "" || isNameValid) && invalid.length === 0),
  );
  if (kind === undefined) return null;
  const counts = preview.data?.fields ?? {};
  const fieldOptions = (fields.data?.items ?? []).map((field) => {
    const examples = counts[field.name]?.examples;
    const total = examples === undefined ? field.documents_reviewed : examples.train + examples.validation + examples.test;
    return { value: field.name, label: `${field.name} · ${t("start.reviewed", { count: total })}`, disabled: field.kind !== "categorical" };
  });
  return (
    <form
      className={classes["layout"]}
      onSubmit={(event) => {
        event.preventDefault();
        if (!isNameValid || invalid.length > 0) return;
        if (original === undefined) start.mutate({ spec: toSpec(form, kind), key });
        else clone.mutate({ id: original.id, request: toCloneRequest(form, kind, sameData), key });
      }}
    >
      <Stack gap="md">
        <Panel title={t("start.what")}>
          <Stack gap="sm">
            <div>
              <SegmentedControl
                className={classes["kinds"]}
                aria-label={t("runs.kind")}
                data={kinds.map((info) => ({ value: info.kind, label: info.kind }))}
                value={form.kind}
                onChange={(value) => {
                  const next = kinds.find((info) => info.kind === value);
                  if (next !== undefined) setForm({ ...form, kind: next.kind, params: {}, baseModel: "" });
                }}
              />
              <Text size="sm" c="dimmed" mt={6}>
                {kind.summary}
              </Text>
            </div>
            <TextInput
              label={t("runs.model")}
              description={t("start.modelHelp")}
              required
              value={form.model}
              list="models"
              autoComplete="off"
              error={form.model !== "" && !isNameValid ? t("start.modelInvalid") : undefined}
              onChange={(event) => {
                set("model", event.currentTarget.value);
              }}
            />
            <BaseModels id="base-models" />
            <datalist id="models">
              {models.data?.items.map((model) => (
                <option key={model.name} value={model.name} />
              ))}
            </datalist>
            {usesVersion(kind.kind) && (
              <VersionSelect
                model={form.model}
                isExtractorOffered={kind.kind === "evaluate"}
                value={form.modelVersion}
                onChange={(value) => {
                  set("modelVersion", value);
                }}
              />
            )}
            {kind.needs_base_model && (
              <TextInput
                label={t("start.baseModel")}
                description={t("start.baseModelHelp")}
                placeholder="all-MiniLM-L6-v2"
                list="base-models"
                autoComplete="off"
                value={form.baseModel}
                onChange={(event) => {
                  set("baseModel", event.currentTarget.value);
                }}
              />
            )}
          </Stack>
        </Panel>
        <Panel title={t("start.data")}>
          <Stack gap="sm">
            {original !== undefined && (
              <Switch
                label={t("start.sameData")}
                description={t("start.sameDataHelp")}
                checked={sameData}
                onChange={(event) => {
                  setSameData(event.currentTarget.checked);
                }}
              />
            )}
            {typeof original?.chosen_documents === "number" && (
              <Text size="sm" c="dimmed">
                {t("start.chosenDocuments", { count: original.chosen_documents })}
              </Text>
            )}
            <MultiSelect
              label={t("runs.fields")}
              description={t("start.fieldsHelp")}
              searchable
              clearable
              data={fieldOptions}
              value={[...form.fields]}
              placeholder={form.fields.length === 0 ? t("runs.allFields") : undefined}
              onChange={(value) => {
                set("fields", value);
              }}
              clearButtonProps={{ "aria-label": t("common.clear") }}
            />
            <Group gap="sm" grow align="flex-start">
              <Select
                label={t("data.project")}
                clearable
                clearButtonProps={{ "aria-label": t("common.clear") }}
                placeholder={t("common.all")}
                data={(projects.data?.items ?? []).map((project) => ({
                  value: `${project.source}/${project.project}`,
                  label: `${project.source}/${project.project} · ${t("data.documentCount", { count: project.documents })}`,
                }))}
                value={form.project === "" ? null : form.project}
                onChange={(value) => {
                  set("project", value ?? "");
                }}
              />
              <TextInput
                type="datetime-local"
                disabled={original !== undefined && sameData}
                label={t("start.asOf")}
                description={t("start.asOfHelp")}
                value={form.asOf}
                onChange={(event) => {
                  set("asOf", event.currentTarget.value);
                }}
              />
            </Group>
            <Textarea
              label={t("start.documents")}
              description={t("start.documentsHelp")}
              autosize
              minRows={1}
              maxRows={6}
              value={form.documents}
              error={documents.invalid.length > 0 ? t("start.documentsInvalid", { word: documents.invalid[0] ?? "" }) : undefined}
              onChange={(event) => {
                set("documents", event.currentTarget.value);
              }}
            />
            {hasSlices(kind.kind) && (
              <TagsInput
                label={t("start.slices")}
                description={t("start.slicesHelp")}
                maxTags={10}
                value={[...form.slices]}
                clearable
                clearButtonProps={{ "aria-label": t("common.clear") }}
                onChange={(value) => {
                  set("slices", value);
                }}
              />
            )}
            <NumberInput
              label={t("start.minSupport")}
              description={t("start.minSupportHelp")}
              min={1}
              allowDecimal={false}
              value={form.minSupport}
              w={220}
              onChange={(value) => {
                set("minSupport", Number(value));
              }}
            />
          </Stack>
        </Panel>
        <Panel title={t("start.params")}>
          <ParamInputs
            kind={kind}
            texts={form.params}
            onChange={(params) => {
              set("params", params);
            }}
          />
        </Panel>
        <Panel title={t("start.execution")}>
          <Group gap="sm" grow align="flex-start" wrap="wrap">
            <NumberInput
              label={t("start.targetAccuracy")}
              min={0.5}
              max={0.999}
              step={0.01}
              value={form.targetAccuracy}
              onChange={(value) => {
                set("targetAccuracy", Number(value));
              }}
            />
            <NumberInput
              label={t("start.seed")}
              min={0}
              allowDecimal={false}
              value={form.seed}
              onChange={(value) => {
                set("seed", Number(value));
              }}
            />
            <NumberInput
              label={t("start.priority")}
              min={-100}
              max={100}
              allowDecimal={false}
              value={form.priority}
              onChange={(value) => {
                set("priority", Number(value));
              }}
            />
            <NumberInput
              label={t("start.maxAttempts")}
              min={1}
              max={100}
              allowDecimal={false}
              value={form.maxAttempts}
              onChange={(value) => {
                set("maxAttempts", Number(value));
              }}
            />
          </Group>
        </Panel>
      </Stack>
      <div className={classes["side"]}>
        <Stack gap="md">
          {start.error !== null && <ErrorNote error={start.error} />}
          {clone.error !== null && <ErrorNote error={clone.error} />}
          <Button
            type="submit"
            size="sm"
            leftSection={<IconPlayerPlay size={16} />}
            loading={start.isPending || clone.isPending}
            disabled={!isNameValid || invalid.length > 0}
          >
            {t("start.submit")}
          </Button>
          {form.model === "" && (
            <Text size="xs" c="dimmed">
              {t("start.modelMissing")}
            </Text>
          )}
          <Panel title={t("start.preview")}>
            <Loaded query={preview}>{(data) => <Preview preview={data} stale={preview.isPlaceholderData} />}</Loaded>
          </Panel>
          <Panel title={t("start.copyAs")}>
            <Tabs defaultValue="cli">
              <Tabs.List mb="xs">
                <Tabs.Tab value="cli">CLI</Tabs.Tab>
                <Tabs.Tab value="curl">curl</Tabs.Tab>
              </Tabs.List>
              <Tabs.Panel value="cli">
                <CodeBlock code={toCommand(form, kind)} label={t("start.cliLabel")} />
              </Tabs.Panel>
              <Tabs.Panel value="curl">
                <CodeBlock code={toCurl(toSpec(form, kind), window.location.origin)} label={t("start.curlLabel")} />
              </Tabs.Panel>
            </Tabs>
          </Panel>
        </Stack>
      </div>
    </form>
  );
}
