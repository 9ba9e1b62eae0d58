// Comparison of one field: metrics with intervals, confusion difference, labels, documents that changed sides.
import { Group, SegmentedControl, Tabs, Text } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import type { Schemas } from "../../api/problem";
import { DifferencePlot } from "../../charts/difference-plot";
import { useFormat } from "../../components/format";
import { Panel } from "../../components/page";
import { ScrollRegion } from "../../components/scroll-region";
import { changedSides } from "./items";

const KNOWN_METRICS = ["accuracy", "macro_f1", "weighted_f1", "coverage", "selective_accuracy"] as const;
type KnownMetric = (typeof KNOWN_METRICS)[number];
const SHOWN_CELLS = 20;

export function FieldComparison({ field }: { field: Schemas["ComparedField"] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const { comparison } = field;
  return (
    <Panel title={field.field}>
      <Text size="sm" c="dimmed" mb="xs">
        {t("compare.summary", {
          n: format.count(comparison.n),
          wins: format.count(comparison.wins),
          losses: format.count(comparison.losses),
          p: comparison.p_value < 0.001 ? "< 0.001" : format.fixed(comparison.p_value, 3),
        })}
        {field.relabelled > 0 && ` · ${t("compare.relabelled", { count: field.relabelled })}`}
      </Text>
      <MetricTable comparison={comparison} label={field.field} />
      <Tabs defaultValue="documents" keepMounted={false} mt="md">
        <Tabs.List mb="xs">
          <Tabs.Tab value="documents">{t("compare.changedSides", { count: field.differing })}</Tabs.Tab>
          <Tabs.Tab value="confusion">{t("compare.confusion")}</Tabs.Tab>
          <Tabs.Tab value="labels">{t("metric.perClass")}</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="documents">
          <Documents field={field} />
        </Tabs.Panel>
        <Tabs.Panel value="confusion">
          <ConfusionDifference comparison={comparison} />
        </Tabs.Panel>
        <Tabs.Panel value="labels">
          <Labels classes={comparison.classes} />
        </Tabs.Panel>
      </Tabs>
    </Panel>
  );
}

function MetricTable({ comparison, label }: { comparison: Schemas["PairedComparison"]; label: string }) {
  const { t } = useTranslation();
  const format = useFormat();
  const limit = Math.max(
    0.05,
    ...comparison.metrics.flatMap((metric) => (metric.interval ? [Math.abs(metric.interval.low), Math.abs(metric.interval.high)] : [])),
  );
  return (
    <ScrollRegion label={label}>
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
            <th scope="col">{t("compare.difference")}</th>
          </tr>
        </thead>
        <tbody>
          {comparison.metrics.map((metric) => (
            <tr key={metric.metric}>
              <td>{KNOWN_METRICS.some((name) => name === metric.metric) ? t(`metric.${metric.metric as KnownMetric}`) : metric.metric}</td>
              <td className="number">{format.ratio(metric.baseline)}</td>
              <td className="number">{format.ratio(metric.candidate)}</td>
              <td>
                {metric.difference === null || metric.difference === undefined ? (
                  "–"
                ) : (
                  <Group gap={8} wrap="nowrap">
                    <DifferencePlot value={metric.difference} interval={metric.interval ?? undefined} margin={limit} limit={limit} />
                    <span>
                      {format.signed(metric.difference)}
                      {metric.interval !== null && metric.interval !== undefined && (
                        <span className="dimmed">{` (${format.signed(metric.interval.low)} … ${format.signed(metric.interval.high)})`}</span>
                      )}
                    </span>
                  </Group>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </ScrollRegion>
  );
}

type Side = "gained" | "lost" | "other";

function Documents({ field }: { field: Schemas["ComparedField"] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const sides = changedSides(field.documents);
  const [chosen, setChosen] = useState<Side | undefined>(undefined);
  const side = chosen ?? (["lost", "gained", "other"] as const).find((name) => sides[name].length > 0) ?? "lost";
  if (field.documents.length === 0)
    return (
      <Text size="sm" c="dimmed">
        {t("compare.noChange")}
      </Text>
    );
  return (
    <>
      <SegmentedControl
        aria-label={t("compare.changedSides", { count: field.differing })}
        data={(["lost", "gained", "other"] as const).map((name) => ({
          value: name,
          label: `${t(`compare.side.${name}`)} (${format.count(sides[name].length)})`,
        }))}
        value={side}
        onChange={setChosen}
        mb="xs"
      />
      {field.documents.length < field.differing && (
        <Text size="xs" c="dimmed" mb="xs">
          {t("compare.firstDocuments", { shown: format.count(field.documents.length), total: format.count(field.differing) })}
        </Text>
      )}
      <ScrollRegion label={t(`compare.side.${side}`)}>
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
            {sides[side].map((document) => (
              <tr key={document.document_id}>
                <td>
                  <Link to="/data/documents/$documentId" params={{ documentId: document.document_id }}>
                    {document.document}
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
    </>
  );
}

/** Cells in which the confusion matrices differ: fewer errors and more correct answers are green, the opposite is orange. */
function ConfusionDifference({ comparison }: { comparison: Schemas["PairedComparison"] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const cells = comparison.confusion.slice(0, SHOWN_CELLS);
  const largest = Math.max(1, ...cells.map((cell) => Math.abs(cell.delta ?? cell.candidate - cell.baseline)));
  if (cells.length === 0)
    return (
      <Text size="sm" c="dimmed">
        {t("compare.noChange")}
      </Text>
    );
  return (
    <>
      <Text size="xs" c="dimmed" mb="xs">
        {t("compare.confusionHelp", { shown: format.count(cells.length), total: format.count(comparison.differing_cells ?? cells.length) })}
      </Text>
      <ScrollRegion label={t("compare.confusion")}>
        <table className="plain-table">
          <thead>
            <tr>
              <th scope="col">{t("metric.gold")}</th>
              <th scope="col">{t("metric.predicted")}</th>
              <th scope="col" className="number">
                {t("compare.baseline")}
              </th>
              <th scope="col" className="number">
                {t("compare.candidate")}
              </th>
              <th scope="col" className="number">
                {t("compare.change")}
              </th>
            </tr>
          </thead>
          <tbody>
            {cells.map((cell) => {
              const delta = cell.delta ?? cell.candidate - cell.baseline;
              const isCorrect = (cell.gold ?? null) === (cell.predicted ?? null);
              const isBetter = isCorrect === delta > 0;
              return (
                <tr key={`${cell.gold ?? "∅"}\n${cell.predicted ?? "∅"}`}>
                  <td className="wrap">{cell.gold ?? "∅"}</td>
                  <td className="wrap">
                    {cell.predicted ?? "∅"}
                    {isCorrect && <span className="dimmed"> · {t("compare.correct")}</span>}
                  </td>
                  <td className="number">{format.count(cell.baseline)}</td>
                  <td className="number">{format.count(cell.candidate)}</td>
                  <td
                    className="number"
                    style={{
                      color: "var(--mantine-color-bright)",
                      background: `color-mix(in srgb, var(${isBetter ? "--chart-3" : "--chart-2"}) ${String(Math.round(8 + Math.sqrt(Math.abs(delta) / largest) * 30))}%, transparent)`,
                    }}
                  >
                    {`${delta > 0 ? "+" : "−"}${format.count(Math.abs(delta))} ${isBetter ? t("compare.better") : t("compare.worse")}`}
                  </td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </ScrollRegion>
    </>
  );
}

function Labels({ classes }: { classes: readonly Schemas["ClassDifference"][] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const rows = [...classes].sort((left, right) => (left.f1_difference ?? 0) - (right.f1_difference ?? 0));
  return (
    <ScrollRegion label={t("metric.perClass")}>
      <table className="plain-table">
        <thead>
          <tr>
            <th scope="col">{t("metric.label")}</th>
            <th scope="col" className="number">
              F1: {t("compare.baseline")}
            </th>
            <th scope="col" className="number">
              F1: {t("compare.candidate")}
            </th>
            <th scope="col" className="number">
              {t("compare.change")}
            </th>
            <th scope="col" className="number">
              {t("metric.support")}
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.label ?? "∅"}>
              <td className="wrap">{row.label ?? "∅"}</td>
              <td className="number">{format.ratio(row.baseline_f1)}</td>
              <td className="number">{format.ratio(row.candidate_f1)}</td>
              <td className="number">{format.signed(row.f1_difference ?? row.candidate_f1 - row.baseline_f1)}</td>
              <td className="number">{format.count(row.support)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </ScrollRegion>
  );
}
