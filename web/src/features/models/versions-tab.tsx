// Versions of a model with their main metrics and aliases.
import { Badge, Button, Group } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import type { Schemas } from "../../api/problem";
import { useCan } from "../../app/session";
import { Sparkline } from "../../charts/sparkline";
import { type Column, DataTable } from "../../components/data-table";
import { useFormat } from "../../components/format";
import { Time } from "../../components/page";
import { mainMetric } from "./main-metric";
import { PromoteDialog } from "./promote-dialog";

type Version = Schemas["MeasuredVersion"];

export function VersionsTab({ name, versions }: { name: string; versions: readonly Version[] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const canOperate = useCan("operator");
  const [promoting, setPromoting] = useState<number | undefined>(undefined);
  const metricName =
    versions.flatMap((version) => version.metrics).find((metric) => typeof metric.metric === "string")?.metric ?? "accuracy";
  const history = [...versions].reverse().flatMap((version) => mainMetric(version) ?? []);
  const columns: readonly Column<Version>[] = [
    {
      key: "number",
      label: t("models.version"),
      cell: (version) => (
        <Link to="/models/$name/versions/$number" params={{ name, number: String(version.number) }}>
          v{version.number}
        </Link>
      ),
    },
    {
      key: "aliases",
      label: t("models.aliases"),
      cell: (version) => (
        <Group gap={4} wrap="nowrap">
          {version.aliases.map((alias) => (
            <Badge key={alias} variant="light" color="blue" tt="none">
              {alias}
            </Badge>
          ))}
          {version.retired_at !== null && version.retired_at !== undefined && (
            <Badge variant="default" tt="none">
              {t("models.retired")}
            </Badge>
          )}
        </Group>
      ),
    },
    {
      key: "metric",
      label: t("models.meanOf", { metric: metricName }),
      numeric: true,
      cell: (version) => format.ratio(mainMetric(version)),
    },
    {
      key: "fields",
      label: t("runs.fields"),
      grow: true,
      optional: true,
      cell: (version) =>
        version.metrics
          .flatMap((metric) =>
            metric.field === null || metric.field === undefined ? [] : [`${metric.field} ${format.ratio(metric.value)}`],
          )
          .join(" · "),
    },
    { key: "published", label: t("models.published"), cell: (version) => <Time at={version.created_at} /> },
    {
      key: "run",
      label: t("runs.run"),
      optional: true,
      cell: (version) => (
        <Link to="/runs/$runId" params={{ runId: version.run_id }}>
          {t("models.openRun")}
        </Link>
      ),
    },
    ...(canOperate
      ? [
          {
            key: "actions",
            label: t("common.actions"),
            cell: (version: Version) =>
              !version.aliases.includes("champion") &&
              (version.retired_at === null || version.retired_at === undefined) && (
                <Button
                  variant="default"
                  size="compact-xs"
                  onClick={() => {
                    setPromoting(version.number);
                  }}
                >
                  {t("models.promote")}
                </Button>
              ),
          },
        ]
      : []),
  ];
  return (
    <>
      {history.length > 1 && (
        <Group gap="sm" mb="sm">
          <Sparkline values={history} label={t("models.overVersions", { metric: metricName })} />
          <span className="dimmed">{t("models.overVersions", { metric: metricName })}</span>
        </Group>
      )}
      <DataTable label={t("models.versions")} columns={columns} rows={versions} rowKey={(version) => String(version.number)} />
      <PromoteDialog
        name={name}
        number={promoting}
        onClose={() => {
          setPromoting(undefined);
        }}
      />
    </>
  );
}
