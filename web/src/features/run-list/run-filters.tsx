// Filters of the run list, which are in the URL.
import { Group, Select, Switch, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";

import { RUN_KINDS, RUN_STATUSES } from "../../app/search";
import * as searchParams from "../../app/search";
import { FilterSelect } from "../../components/filter-select";
import { LinkButton } from "../../components/link-button";
import { modelsQuery } from "../models/queries";
import { kindsQuery } from "../runs/queries";

const route = getRouteApi("/app/runs");
const SORTS = ["metric:accuracy", "metric:macro_f1", "metric:coverage"] as const;

export function RunFilters() {
  const { t } = useTranslation();
  const filter = route.useSearch({ select: searchParams.runs });
  const navigate = useNavigate({ from: "/runs" });
  const models = useQuery(modelsQuery);
  const kinds = useQuery(kindsQuery);
  const set = (change: Partial<Record<keyof typeof filter, string | undefined>>): void => {
    const next = { ...filter, ...change };
    void navigate({
      search: Object.fromEntries(Object.entries(next).filter(([, value]) => value !== undefined && value !== "")),
      replace: true,
    });
  };
  return (
    <Group gap="xs" align="flex-end" role="search" aria-label={t("common.filters")}>
      <FilterSelect
        label={t("runs.state")}
        width={150}
        options={RUN_STATUSES.map((status) => ({ value: status, label: t(`state.${status}`) }))}
        value={filter.status}
        onChange={(status) => {
          set({ status });
        }}
      />
      <FilterSelect
        label={t("runs.model")}
        width={190}
        searchable
        options={[
          ...new Set([...(models.data?.items.map((model) => model.name) ?? []), ...(filter.model === undefined ? [] : [filter.model])]),
        ]}
        value={filter.model}
        onChange={(model) => {
          set({ model });
        }}
      />
      <FilterSelect
        label={t("runs.kind")}
        width={180}
        options={kinds.data?.items.map((kind) => kind.kind) ?? [...RUN_KINDS]}
        value={filter.kind}
        onChange={(kind) => {
          set({ kind });
        }}
      />
      <TextInput
        key={filter.tag ?? ""}
        label={t("runs.tag")}
        w={150}
        placeholder="stage=candidate"
        defaultValue={filter.tag ?? ""}
        onBlur={(event) => {
          if (event.currentTarget.value !== (filter.tag ?? "")) set({ tag: event.currentTarget.value });
        }}
        onKeyDown={(event) => {
          if (event.key === "Enter") set({ tag: event.currentTarget.value });
        }}
      />
      <Select
        label={t("runs.sort")}
        w={170}
        allowDeselect={false}
        data={[
          { value: "", label: t("runs.newest") },
          ...SORTS.map((sort) => ({
            value: sort,
            label: t(`metric.${sort === "metric:accuracy" ? "accuracy" : sort === "metric:coverage" ? "coverage" : "macro_f1"}`),
          })),
        ]}
        value={filter.sort ?? ""}
        onChange={(sort) => {
          set({ sort: sort ?? undefined });
        }}
      />
      <Switch
        label={t("runs.withTrials")}
        mb={6}
        checked={filter.trials === "1"}
        onChange={(event) => {
          set({ trials: event.currentTarget.checked ? "1" : undefined });
        }}
      />
      {Object.keys(filter).length > 0 && (
        <LinkButton variant="subtle" to="/runs" search={{}}>
          {t("common.clearFilters")}
        </LinkButton>
      )}
    </Group>
  );
}
