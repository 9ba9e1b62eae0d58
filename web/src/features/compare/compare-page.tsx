// Runs and versions side by side: metrics with intervals, specs, snapshots, and the paired comparison of two of them.
import { ActionIcon, Button, Group, Select, Stack, Switch, Text } from "@mantine/core";
import { IconX } from "@tabler/icons-react";
import { useQueries, useQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";

import * as searchParams from "../../app/search";
import { EmptyState, ErrorNote, Loaded, Page, Panel, SkeletonRows, Time } from "../../components/page";
import { LinkButton } from "../../components/link-button";
import { ScrollRegion } from "../../components/scroll-region";
import { StateBadge } from "../../components/state-badge";
import { type ComparedItem, itemsText, itemText, MAX_COMPARED, parseItems, specRows, uniqueNames } from "./items";
import { MetricPlots } from "./metric-plots";
import { PairComparison } from "./pair-comparison";
import { itemQuery, pairQuery } from "./queries";

const route = getRouteApi("/app/compare");

export function ComparePage() {
  const { t } = useTranslation();
  const { items: text } = route.useSearch({ select: searchParams.compare });
  const keys = parseItems(text);
  const runs = useQueries({ queries: keys.map(itemQuery) });
  const failed = runs.find((query) => query.error !== null);
  const loaded = runs.flatMap((query) => query.data ?? []);
  const names = uniqueNames(loaded);
  const items: ComparedItem[] =
    loaded.length === keys.length
      ? keys.flatMap((key, index) => {
          const run = loaded[index];
          return run === undefined ? [] : [{ key, text: itemText(key), name: names[index] ?? run.model, run }];
        })
      : [];
  return (
    <Page wide title={t("compare.title")} crumbs={<Link to="/runs">{t("runs.title")}</Link>}>
      {keys.length < 2 && (
        <EmptyState
          title={t("compare.choose")}
          text={t("compare.chooseText", { count: MAX_COMPARED })}
          action={
            <Group gap="xs">
              <LinkButton variant="default" to="/runs">
                {t("nav.runs")}
              </LinkButton>
              <LinkButton variant="default" to="/models">
                {t("nav.models")}
              </LinkButton>
            </Group>
          }
        />
      )}
      {failed !== undefined && <ErrorNote error={failed.error} retry={() => void failed.refetch()} />}
      {keys.length >= 2 && failed === undefined && (items.length === 0 ? <SkeletonRows /> : <Compared items={items} />)}
    </Page>
  );
}

function Compared({ items }: { items: readonly ComparedItem[] }) {
  return (
    <Stack gap="md">
      <ItemTable items={items} />
      <MetricPlots items={items} />
      <Pair items={items} />
    </Stack>
  );
}

/** One column per item: what it is, and where the specs differ. */
function ItemTable({ items }: { items: readonly ComparedItem[] }) {
  const { t } = useTranslation();
  const navigate = useNavigate({ from: "/compare" });
  const { pair, all } = route.useSearch({ select: searchParams.compare });
  const onlyDifferences = all !== "1";
  const rows = specRows(items.map((item) => item.run.spec));
  const shown = onlyDifferences ? rows.filter((row) => row.differs) : rows;
  const goTo = (change: { items?: string; all?: "1" | undefined }): void => {
    const next = { items: itemsText(items.map((item) => item.key)), pair, all, ...change };
    void navigate({ search: Object.fromEntries(Object.entries(next).filter(([, value]) => value !== undefined)), replace: true });
  };
  const without = (item: ComparedItem): string => itemsText(items.filter((other) => other !== item).map((other) => other.key));
  const first = (item: ComparedItem): string => itemsText([item, ...items.filter((other) => other !== item)].map((other) => other.key));
  const facts: [string, (item: ComparedItem) => ReactNode][] = [
    [t("runs.state"), (item) => <StateBadge state={item.run.status} />],
    [t("runs.created"), (item) => <Time at={item.run.created_at} />],
    [t("runs.createdBy"), (item) => item.run.created_by],
    [
      t("runs.dataset"),
      (item) =>
        item.run.dataset_id === null || item.run.dataset_id === undefined ? (
          "–"
        ) : (
          <DatasetCell dataset={item.run.dataset_id} first={items[0]?.run.dataset_id ?? undefined} />
        ),
    ],
  ];
  return (
    <Panel
      title={t("compare.items")}
      actions={
        <Switch
          label={t("compare.onlyDifferences")}
          checked={onlyDifferences}
          onChange={(event) => {
            goTo({ all: event.currentTarget.checked ? undefined : "1" });
          }}
        />
      }
    >
      <ScrollRegion label={t("compare.items")}>
        <table className="plain-table">
          <thead>
            <tr>
              <td />
              {items.map((item, index) => (
                <th key={item.text} scope="col">
                  <Group gap={4} wrap="nowrap">
                    <Link to="/runs/$runId" params={{ runId: item.run.id }}>
                      {item.name}
                    </Link>
                    <ActionIcon
                      size="xs"
                      aria-label={t("compare.remove", { name: item.name })}
                      onClick={() => {
                        goTo({ items: without(item) });
                      }}
                    >
                      <IconX size={12} />
                    </ActionIcon>
                  </Group>
                  {index === 0 ? (
                    <span className="dimmed">{t("compare.baseline")}</span>
                  ) : (
                    <button
                      type="button"
                      className="link-button"
                      onClick={() => {
                        goTo({ items: first(item) });
                      }}
                    >
                      {t("compare.makeBaseline")}
                    </button>
                  )}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {facts.map(([label, cell]) => (
              <tr key={label}>
                <th scope="row">{label}</th>
                {items.map((item) => (
                  <td key={item.text}>{cell(item)}</td>
                ))}
              </tr>
            ))}
            {shown.map((row) => (
              <tr key={row.path} data-differs={row.differs}>
                <th scope="row">
                  <code>{row.path}</code>
                </th>
                {row.values.map((value, index) => (
                  <td key={items[index]?.text ?? index} className="wrap" style={row.differs ? { fontWeight: 600 } : undefined}>
                    {value ?? <span className="dimmed">–</span>}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </ScrollRegion>
      {shown.length === 0 && (
        <Text size="sm" c="dimmed" mt="xs">
          {t("compare.sameSpec")}
        </Text>
      )}
    </Panel>
  );
}

function DatasetCell({ dataset, first }: { dataset: string; first: string | undefined }) {
  const { t } = useTranslation();
  return (
    <Group gap={8}>
      <Link to="/data/datasets/$datasetId" params={{ datasetId: dataset }}>
        {t("runs.openDataset")}
      </Link>
      {first !== undefined &&
        (first === dataset ? (
          <span className="dimmed">{t("compare.sameDataset")}</span>
        ) : (
          <Link to="/data/diff/$from/$to" params={{ from: first, to: dataset }}>
            {t("compare.datasetDiff")}
          </Link>
        ))}
    </Group>
  );
}

/** The first item against one of the others, on common test documents. */
function Pair({ items }: { items: readonly ComparedItem[] }) {
  const { t } = useTranslation();
  const navigate = useNavigate({ from: "/compare" });
  const search = route.useSearch({ select: searchParams.compare });
  const [baseline, ...others] = items;
  const candidate = others.find((item) => item.text === search.pair) ?? others[0];
  const [asked, setAsked] = useState(items.length === 2);
  if (baseline === undefined || candidate === undefined) return null;
  return (
    <Panel title={t("compare.pair")}>
      <Stack gap="md">
        <Group gap="sm" align="flex-end">
          <Select
            label={t("compare.candidate")}
            description={t("compare.against", { name: baseline.name })}
            data={others.map((item) => ({ value: item.text, label: item.name }))}
            value={candidate.text}
            allowDeselect={false}
            w={280}
            onChange={(value) => {
              if (value === null) return;
              setAsked(true);
              void navigate({ search: (current) => ({ ...current, pair: value }), replace: true });
            }}
          />
          {!asked && (
            <Button
              variant="default"
              onClick={() => {
                setAsked(true);
              }}
            >
              {t("compare.run")}
            </Button>
          )}
        </Group>
        {asked && <PairResult key={candidate.text} candidate={candidate} baseline={baseline} />}
      </Stack>
    </Panel>
  );
}

function PairResult({ candidate, baseline }: { candidate: ComparedItem; baseline: ComparedItem }) {
  const side = (item: ComparedItem) => ({ key: item.key, runId: item.run.id });
  const comparison = useQuery(pairQuery(side(candidate), side(baseline)));
  return <Loaded query={comparison}>{(data) => <PairComparison comparison={data} />}</Loaded>;
}
