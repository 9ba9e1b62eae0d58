// Comparison of two versions on common test documents, with the decision of the gate.
import { Group, Select, Stack } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";

import * as searchParams from "../../app/search";
import type { Schemas } from "../../api/problem";
import { useFormat } from "../../components/format";
import { EmptyState, Loaded, Panel } from "../../components/page";
import { ScrollRegion } from "../../components/scroll-region";
import { GatePanel } from "./gate-panel";
import { compareQuery } from "./queries";

function toNumber(text: string): number | undefined {
  return /^\d+$/.test(text) ? Number(text) : undefined;
}

const route = getRouteApi("/app/models/$name");

export function CompareTab({ name, versions }: { name: string; versions: readonly Schemas["MeasuredVersion"][] }) {
  const { t } = useTranslation();
  const search = route.useSearch({ select: searchParams.model });
  const navigate = useNavigate({ from: "/models/$name" });
  const champion = versions.find((version) => version.aliases.includes("champion"));
  const numbers = versions.map((version) => String(version.number));
  const baseline = search.baseline ?? String(champion?.number ?? numbers[1] ?? "");
  const candidate = search.candidate ?? numbers.find((number) => number !== baseline) ?? "";
  const comparison = useQuery(compareQuery(name, toNumber(candidate), toNumber(baseline)));
  const options = versions.map((version) => ({
    value: String(version.number),
    label: [`v${String(version.number)}`, ...version.aliases].join(" · "),
  }));
  const set = (change: { candidate?: string; baseline?: string }): void => {
    void navigate({ search: { tab: "compare", candidate, baseline, ...change }, replace: true });
  };
  if (versions.length < 2)
    return (
      <EmptyState title={t("compare.one")} text={t("compare.oneText")} command={`aprendiz run create --model ${name} --kind linear`} />
    );
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
      </Group>
      <Loaded query={comparison}>{(data) => <Comparison comparison={data} />}</Loaded>
    </Stack>
  );
}

function Comparison({ comparison }: { comparison: Schemas["ModelComparison"] }) {
  const { t } = useTranslation();
  return (
    <Stack gap="md">
      <Panel title={t("gate.title")}>
        <GatePanel gate={comparison.gate} />
      </Panel>
      {(comparison.only_candidate.length > 0 || comparison.only_baseline.length > 0) && (
        <p>
          {comparison.only_candidate.length > 0 && `${t("compare.onlyCandidate")}: ${comparison.only_candidate.join(", ")}. `}
          {comparison.only_baseline.length > 0 && `${t("compare.onlyBaseline")}: ${comparison.only_baseline.join(", ")}.`}
        </p>
      )}
      {comparison.fields.map((field) => (
        <FieldComparison key={field.field} field={field} />
      ))}
    </Stack>
  );
}

function FieldComparison({ field }: { field: Schemas["ComparedField"] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const { comparison } = field;
  return (
    <Panel title={field.field}>
      <p className="dimmed">
        {t("compare.summary", {
          n: format.count(comparison.n),
          wins: format.count(comparison.wins),
          losses: format.count(comparison.losses),
          p: comparison.p_value.toFixed(3),
        })}
      </p>
      <ScrollRegion label={field.field}>
        <table className="plain-table">
          <thead>
            <tr>
              <th scope="col">{t("compare.metric")}</th>
              <th scope="col" className="number">
                {t("compare.baseline")}
              </th>
              <th scope="col" className="number">
                {t("compare.candidate")}
              </th>
              <th scope="col" className="number">
                {t("gate.difference")}
              </th>
              <th scope="col">{t("metric.interval")}</th>
            </tr>
          </thead>
          <tbody>
            {comparison.metrics.map((metric) => (
              <tr key={metric.metric}>
                <td>{metric.metric}</td>
                <td className="number">{format.ratio(metric.baseline)}</td>
                <td className="number">{format.ratio(metric.candidate)}</td>
                <td className="number">
                  {metric.difference === null || metric.difference === undefined ? "–" : format.signed(metric.difference)}
                </td>
                <td>
                  {metric.interval === null || metric.interval === undefined
                    ? "–"
                    : `${format.signed(metric.interval.low)} … ${format.signed(metric.interval.high)}`}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </ScrollRegion>
      {field.documents.length > 0 && (
        <details>
          <summary className="dimmed">{t("compare.changed", { count: field.differing })}</summary>
          <ScrollRegion label={t("compare.changed", { count: field.differing })}>
            <table className="plain-table">
              <thead>
                <tr>
                  <th scope="col">{t("data.document")}</th>
                  <th scope="col">{t("metric.gold")}</th>
                  <th scope="col">{t("compare.baseline")}</th>
                  <th scope="col">{t("compare.candidate")}</th>
                </tr>
              </thead>
              <tbody>
                {field.documents.map((document) => (
                  <tr key={document.document_id}>
                    <td>
                      <Link to="/data/documents/$documentId" params={{ documentId: document.document_id }}>
                        {t("compare.openDocument")}
                      </Link>
                    </td>
                    <td className="wrap">{document.gold ?? "∅"}</td>
                    <td className="wrap">
                      {document.baseline ?? "∅"} <span className="dimmed">{format.ratio(document.baseline_confidence)}</span>
                    </td>
                    <td className="wrap">
                      {document.candidate ?? "∅"} <span className="dimmed">{format.ratio(document.candidate_confidence)}</span>
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </ScrollRegion>
        </details>
      )}
    </Panel>
  );
}
