// One version of a model: metrics, origin, files.
import { Badge, Button, Group, Stack, Text } from "@mantine/core";
import { IconArrowUp, IconDownload } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";

import { asNumber, asObject, asString } from "../../api/json";
import type { Schemas } from "../../api/problem";
import { useCan } from "../../app/session";
import { useFormat } from "../../components/format";
import { Facts, Loaded, Page, Panel, Time } from "../../components/page";
import { ScrollRegion } from "../../components/scroll-region";
import { PromoteDialog } from "./promote-dialog";
import { versionQuery } from "./queries";

const route = getRouteApi("/app/models/$name/versions/$number");

export function VersionPage() {
  const { t } = useTranslation();
  const { name, number } = route.useParams();
  const version = useQuery(versionQuery(name, Number(number)));
  const canOperate = useCan("operator");
  const [promoting, setPromoting] = useState<number | undefined>(undefined);
  const isRetired = version.data?.retired_at !== null && version.data?.retired_at !== undefined;
  return (
    <Page
      title={`${name} v${number}`}
      badge={version.data?.aliases.map((alias) => (
        <Badge key={alias} variant="light" tt="none">
          {alias}
        </Badge>
      ))}
      crumbs={
        <>
          <Link to="/models">{t("nav.models")}</Link>
          <span aria-hidden>/</span>
          <Link to="/models/$name" params={{ name }}>
            {name}
          </Link>
        </>
      }
      actions={
        <>
          <Button
            variant="default"
            leftSection={<IconDownload size={14} />}
            component="a"
            href={`/v1/models/${encodeURIComponent(name)}/versions/${number}/download?format=tar`}
            download
          >
            {t("common.download")}
          </Button>
          {canOperate && version.data !== undefined && !isRetired && (
            <Button
              leftSection={<IconArrowUp size={14} />}
              onClick={() => {
                setPromoting(Number(number));
              }}
            >
              {t("models.promote")}
            </Button>
          )}
        </>
      }
    >
      <Loaded query={version}>{(data) => <Version version={data} />}</Loaded>
      <PromoteDialog
        name={name}
        number={promoting}
        onClose={() => {
          setPromoting(undefined);
        }}
      />
    </Page>
  );
}

function Version({ version }: { version: Schemas["MeasuredVersion"] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const card = asObject(version.card);
  const facts: [string, ReactNode][] = [
    [t("runs.kind"), asString(card["kind"]) ?? "–"],
    [t("models.published"), <Time key="published" at={version.created_at} />],
    [
      t("runs.run"),
      <Link key="run" to="/runs/$runId" params={{ runId: version.run_id }}>
        {t("models.openRun")}
      </Link>,
    ],
    [
      t("runs.dataset"),
      <Link key="dataset" to="/data/datasets/$datasetId" params={{ datasetId: version.dataset_id }}>
        {t("runs.openDataset")}
      </Link>,
    ],
    ...(version.retired_at === null || version.retired_at === undefined
      ? []
      : [
          [
            t("models.retired"),
            <span key="retired">
              <Time at={version.retired_at} /> · {version.retired_by} · {version.retired_reason}
            </span>,
          ] as [string, ReactNode],
        ]),
  ];
  return (
    <Stack gap="md">
      <Panel>
        <Facts items={facts} />
        {Object.keys(version.tags).length > 0 && (
          <Group gap={6} mt="sm">
            {Object.entries(version.tags).map(([key, value]) => (
              <Badge key={key} variant="default" tt="none" miw={0} maw="100%">{`${key}=${value}`}</Badge>
            ))}
          </Group>
        )}
        {version.note !== null && version.note !== undefined && (
          <Text size="sm" mt="sm" className="wrap">
            {version.note}
          </Text>
        )}
      </Panel>
      {version.metrics.length > 0 && (
        <Panel title={t("models.onTest")}>
          <ScrollRegion label={t("models.onTest")}>
            <table className="plain-table">
              <thead>
                <tr>
                  <th scope="col">{t("runs.field")}</th>
                  <th scope="col">{t("compare.metric")}</th>
                  <th scope="col" className="number">
                    {t("try.value")}
                  </th>
                  <th scope="col" className="number">
                    {t("metric.coverage")}
                  </th>
                  <th scope="col" className="number">
                    n
                  </th>
                </tr>
              </thead>
              <tbody>
                {version.metrics.map((metric) => (
                  <tr key={metric.field ?? ""}>
                    <td>{metric.field ?? t("models.allFields")}</td>
                    <td>{metric.metric}</td>
                    <td className="number">{format.ratio(metric.value)}</td>
                    <td className="number">
                      {metric.coverage === null || metric.coverage === undefined ? "–" : format.percent(metric.coverage)}
                    </td>
                    <td className="number">{metric.n ?? "–"}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </ScrollRegion>
        </Panel>
      )}
      <Panel title={t("models.files")}>
        <ScrollRegion label={t("models.files")}>
          <table className="plain-table">
            <tbody>
              {version.files.map((entry) => {
                const file = asObject(entry);
                const path = asString(file["path"]) ?? "";
                return (
                  <tr key={path}>
                    <td className="wrap">
                      <a href={`/v1/models/${encodeURIComponent(version.model)}/versions/${String(version.number)}/files/${path}`} download>
                        {path}
                      </a>
                    </td>
                    <td className="number">{format.bytes(asNumber(file["bytes"]) ?? 0)}</td>
                  </tr>
                );
              })}
            </tbody>
          </table>
        </ScrollRegion>
      </Panel>
    </Stack>
  );
}
