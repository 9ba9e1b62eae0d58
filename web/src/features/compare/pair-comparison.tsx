// Paired comparison of two sides on common test documents: gate, what is not compared, and every field.
import { Alert, Stack, Text } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";

import type { Schemas } from "../../api/problem";
import { useFormat } from "../../components/format";
import { CodeBlock, Panel } from "../../components/page";
import { ScrollRegion } from "../../components/scroll-region";
import { GatePanel } from "../models/gate-panel";
import { FieldComparison } from "./field-comparison";

type Comparison = Schemas["VersionComparison"] & { gate?: Schemas["GateResult"] | null };

export function PairComparison({ comparison }: { comparison: Comparison }) {
  const { t } = useTranslation();
  const { gate } = comparison;
  return (
    <Stack gap="md">
      {gate !== null && gate !== undefined && (
        <Panel title={t("gate.title")}>
          <GatePanel gate={gate} />
        </Panel>
      )}
      {comparison.only_candidate.length > 0 && (
        <Text size="sm" className="wrap">{`${t("compare.onlyCandidate")}: ${comparison.only_candidate.join(", ")}.`}</Text>
      )}
      {comparison.only_baseline.length > 0 && (
        <Text size="sm" className="wrap">{`${t("compare.onlyBaseline")}: ${comparison.only_baseline.join(", ")}.`}</Text>
      )}
      {comparison.fields.map((field) => (
        <FieldComparison key={field.field} field={field} />
      ))}
      {comparison.targets.length > 0 && <Targets targets={comparison.targets} />}
      <Exclusions comparison={comparison} />
    </Stack>
  );
}

function Exclusions({ comparison }: { comparison: Comparison }) {
  const { t } = useTranslation();
  const { exclusions, suggestions, evaluations } = comparison;
  if (exclusions.length + suggestions.length + evaluations.length === 0) return null;
  return (
    <Panel title={t("compare.basis")}>
      <Stack gap="xs">
        {evaluations.map((entry) => (
          <Text key={entry.run_id} size="sm" className="sentence">
            {t("compare.usedEvaluation", { side: t(`compare.${entry.side}`), count: entry.documents })}{" "}
            <Link to="/runs/$runId" params={{ runId: entry.run_id }}>
              {t("models.openRun")}
            </Link>
          </Text>
        ))}
        {exclusions.map((entry) => (
          <Text key={`${entry.side} ${entry.reason} ${entry.run_id ?? ""}`} size="sm" c="dimmed">
            {t(`compare.${entry.side}`)}: {t(`compare.exclusion.${entry.reason}`, { count: entry.documents ?? 0 })}
          </Text>
        ))}
        {suggestions.map((entry) => (
          <Alert key={entry.command} color="blue" p="xs">
            <Text size="sm" mb={6} className="wrap">
              {t("compare.suggestion", { side: t(`compare.${entry.side}`), count: entry.documents })}
            </Text>
            <CodeBlock code={entry.command} label={t("start.cliLabel")} />
          </Alert>
        ))}
      </Stack>
    </Panel>
  );
}

/** Coverage of both sides at the same target accuracies. */
function Targets({ targets }: { targets: readonly Schemas["ComparedTargets"][] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const percent = (value: number | null | undefined): string => (value === null || value === undefined ? "–" : format.percent(value));
  return (
    <Panel title={t("compare.targets")}>
      <ScrollRegion label={t("compare.targets")}>
        <table className="plain-table">
          <thead>
            <tr>
              <th scope="col">{t("runs.field")}</th>
              <th scope="col" className="number">
                {t("metric.target")}
              </th>
              <th scope="col" className="number">
                {t("compare.baseline")}
              </th>
              <th scope="col" className="number">
                {t("compare.candidate")}
              </th>
            </tr>
          </thead>
          <tbody>
            {targets.flatMap((field) =>
              field.rows.map((row, index) => (
                <tr key={`${field.field} ${String(row.target)}`}>
                  <td>{index === 0 ? field.field : ""}</td>
                  <td className="number">{format.percent(row.target)}</td>
                  <td className="number" title={row.baseline?.reason ?? undefined}>
                    {percent(row.baseline?.coverage)}
                  </td>
                  <td className="number" title={row.candidate?.reason ?? undefined}>
                    {percent(row.candidate?.coverage)}
                  </td>
                </tr>
              )),
            )}
          </tbody>
        </table>
      </ScrollRegion>
    </Panel>
  );
}
