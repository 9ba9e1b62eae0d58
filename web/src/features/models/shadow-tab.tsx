// How often the challenger differs from the champion on real predictions, and which one was right.
import { Select, Stack, Text } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { useTranslation } from "react-i18next";

import { ApiProblem, type Schemas } from "../../api/problem";
import { IntervalPlot } from "../../charts/interval-plot";
import { type Column, DataTable } from "../../components/data-table";
import { useFormat } from "../../components/format";
import { EmptyState, Figure, Figures, Loaded, Panel, Time, ValueText } from "../../components/page";
import { ScrollRegion } from "../../components/scroll-region";
import { shadowQuery } from "./queries";

export function ShadowTab({ name }: { name: string }) {
  const { t } = useTranslation();
  const [field, setField] = useState<string | null>(null);
  const shadow = useInfiniteQuery(shadowQuery(name, field ?? undefined));
  const report = shadow.data?.pages[0];
  const rows = useMemo(() => shadow.data?.pages.flatMap((page) => page.disagreements.items), [shadow.data]);
  if (shadow.error instanceof ApiProblem && shadow.error.problem.code === "unknown_alias") {
    return (
      <EmptyState title={t("shadow.none")} text={t("shadow.noneText")} command={`aprendiz model promote ${name} 2 --alias challenger`} />
    );
  }
  return (
    <Loaded query={{ data: report, error: shadow.error, refetch: shadow.refetch }}>
      {(data) => (
        <Stack gap="md">
          <Summary report={data} />
          {data.fields.length > 0 && <Rates fields={data.fields} />}
          {data.fields.length > 0 && <Reviewed fields={data.fields} />}
          <Panel
            title={t("shadow.disagreements")}
            actions={
              data.fields.length > 1 && (
                <Select
                  aria-label={t("runs.field")}
                  placeholder={t("common.all")}
                  clearable
                  clearButtonProps={{ "aria-label": t("common.clear") }}
                  data={data.fields.map((entry) => entry.field)}
                  value={field}
                  onChange={setField}
                  w={220}
                />
              )
            }
          >
            {rows === undefined || rows.length === 0 ? (
              <Text size="sm" c="dimmed">
                {t("shadow.noDisagreement")}
              </Text>
            ) : (
              <Disagreements
                rows={rows}
                more={{ available: shadow.hasNextPage, loading: shadow.isFetchingNextPage, load: () => void shadow.fetchNextPage() }}
              />
            )}
          </Panel>
        </Stack>
      )}
    </Loaded>
  );
}

function Summary({ report }: { report: Schemas["ShadowReport"] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const dropped = report.dropped.failed + report.dropped.queue_full;
  return (
    <Figures>
      <Figure label={t("shadow.champion")} value={`v${String(report.champion)}`} />
      <Figure label={t("shadow.challenger")} value={`v${String(report.challenger)}`} />
      <Figure
        label={t("shadow.compared")}
        value={format.count(report.compared)}
        hint={t("shadow.share", { share: format.percent(report.share) })}
      />
      <Figure
        label={t("shadow.dropped")}
        value={format.count(dropped)}
        hint={t("shadow.droppedHint", { failed: format.count(report.dropped.failed), full: format.count(report.dropped.queue_full) })}
        {...(dropped > 0 ? { tone: "retrying" as const } : {})}
      />
    </Figures>
  );
}

function Rates({ fields }: { fields: readonly Schemas["ShadowField"][] }) {
  const { t } = useTranslation();
  return (
    <Panel title={t("shadow.rate")}>
      <IntervalPlot
        label={t("shadow.rate")}
        baseline={false}
        rows={fields.map((field) => ({
          key: field.field,
          label: field.field,
          value: field.rate ?? undefined,
          interval: field.interval ?? undefined,
          n: field.compared,
        }))}
      />
    </Panel>
  );
}

function Reviewed({ fields }: { fields: readonly Schemas["ShadowField"][] }) {
  const { t } = useTranslation();
  const format = useFormat();
  return (
    <Panel title={t("shadow.reviewed")}>
      <Text size="xs" c="dimmed" mb="xs">
        {t("shadow.reviewedHelp")}
      </Text>
      <ScrollRegion label={t("shadow.reviewed")}>
        <table className="plain-table">
          <thead>
            <tr>
              <th scope="col">{t("runs.field")}</th>
              {(["championRight", "challengerRight", "bothWrong", "bothRight"] as const).map((key) => (
                <th key={key} scope="col" className="number">
                  {t(`shadow.${key}`)}
                </th>
              ))}
              <th scope="col" className="number">
                n
              </th>
              <th scope="col" className="number">
                p
              </th>
            </tr>
          </thead>
          <tbody>
            {fields.map(({ field, reviewed }) => (
              <tr key={field}>
                <td>{field}</td>
                <td className="number">{format.count(reviewed.champion_right)}</td>
                <td className="number">{format.count(reviewed.challenger_right)}</td>
                <td className="number">{format.count(reviewed.both_wrong)}</td>
                <td className="number">{format.count(reviewed.both_right)}</td>
                <td className="number">{format.count(reviewed.n)}</td>
                <td className="number">{reviewed.n === 0 ? "–" : format.fixed(reviewed.p_value, 3)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </ScrollRegion>
    </Panel>
  );
}

type Disagreement = Schemas["Page_ShadowDisagreement"]["items"][number];

function Disagreements({
  rows,
  more,
}: {
  rows: readonly Disagreement[];
  more: { available: boolean; loading: boolean; load: () => void };
}) {
  const { t } = useTranslation();
  const format = useFormat();
  const columns: readonly Column<Disagreement>[] = [
    { key: "at", label: t("data.when"), cell: (row) => <Time at={row.at} /> },
    { key: "field", label: t("runs.field"), cell: (row) => row.field },
    {
      key: "champion",
      label: t("shadow.champion"),
      cell: (row) => (
        <>
          <ValueText value={row.champion_value} /> <span className="dimmed">{format.ratio(row.champion_confidence)}</span>
        </>
      ),
    },
    {
      key: "challenger",
      label: t("shadow.challenger"),
      cell: (row) => (
        <>
          <ValueText value={row.challenger_value} /> <span className="dimmed">{format.ratio(row.challenger_confidence)}</span>
        </>
      ),
    },
    { key: "review", label: t("shadow.review"), optional: true, grow: true, cell: (row) => <ValueText value={row.reviewed} /> },
  ];
  return (
    <DataTable
      label={t("shadow.disagreements")}
      columns={columns}
      rows={rows}
      rowKey={(row) => `${row.input_sha256} ${row.field} ${row.at}`}
      more={more}
    />
  );
}
