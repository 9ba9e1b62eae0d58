// Comparison of two versions, or of a version with the extractor, on common test documents, with the decision of the gate.
import { Group, Select, Stack } from "@mantine/core";
import { IconColumns } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";

import * as searchParams from "../../app/search";
import type { Schemas } from "../../api/problem";
import { EmptyState, Loaded } from "../../components/page";
import { LinkButton } from "../../components/link-button";
import { MAX_COMPARED } from "../compare/items";
import { PairComparison } from "../compare/pair-comparison";
import { compareQuery } from "./queries";

const EXTRACTOR = "extractor";
const route = getRouteApi("/app/models/$name");

export function CompareTab({ name, versions }: { name: string; versions: readonly Schemas["MeasuredVersion"][] }) {
  const { t } = useTranslation();
  const search = route.useSearch({ select: searchParams.model });
  const navigate = useNavigate({ from: "/models/$name" });
  const champion = versions.find((version) => version.aliases.includes("champion"));
  const numbers = versions.map((version) => String(version.number));
  const only = numbers[0];
  // a single version can be compared with the extractor only
  const baseline = search.baseline ?? (numbers.length < 2 ? EXTRACTOR : String(champion?.number ?? numbers[1] ?? ""));
  const candidate = search.candidate ?? numbers.find((number) => number !== baseline) ?? only ?? "";
  const isPair = baseline !== candidate && baseline !== "" && candidate !== "";
  const comparison = useQuery({ ...compareQuery(name, candidate, baseline), enabled: isPair });
  const options = [
    ...versions.map((version) => ({
      value: String(version.number),
      label: [`v${String(version.number)}`, ...version.aliases].join(" · "),
    })),
    { value: EXTRACTOR, label: t("compare.extractor") },
  ];
  const set = (change: { candidate?: string; baseline?: string }): void => {
    void navigate({ search: { tab: "compare", candidate, baseline, ...change }, replace: true });
  };
  return (
    <Stack gap="md">
      <Group gap="sm" align="flex-end">
        <Select
          label={t("compare.baseline")}
          data={options}
          value={baseline}
          allowDeselect={false}
          w={220}
          onChange={(value) => {
            if (value !== null) set({ baseline: value });
          }}
        />
        <Select
          label={t("compare.candidate")}
          data={options}
          value={candidate}
          allowDeselect={false}
          w={220}
          onChange={(value) => {
            if (value !== null) set({ candidate: value });
          }}
        />
        {versions.length > 1 && (
          <LinkButton
            variant="default"
            leftSection={<IconColumns size={14} />}
            to="/compare"
            search={{
              items: versions
                .slice(0, MAX_COMPARED)
                .map((version) => `${name}:${String(version.number)}`)
                .join(","),
            }}
          >
            {t("compare.several")}
          </LinkButton>
        )}
      </Group>
      {isPair ? (
        <Loaded query={comparison}>{(data) => <PairComparison comparison={data} />}</Loaded>
      ) : (
        <EmptyState title={t("compare.same")} text={t("compare.sameText")} />
      )}
    </Stack>
  );
}
