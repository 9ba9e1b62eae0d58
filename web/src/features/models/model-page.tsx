// One model: versions, comparison with the gate, aliases, thresholds, predictions.
import { Badge, Group, Stack, Tabs, Text } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";

import { ApiProblem, type Schemas } from "../../api/problem";
import { MODEL_TABS } from "../../app/search";
import * as searchParams from "../../app/search";
import { useCan } from "../../app/session";
import { EmptyState, Loaded, Page } from "../../components/page";
import { LinkButton } from "../../components/link-button";
import { useVisibleTab } from "../../components/use-visible-tab";
import { useShortcuts } from "../../components/shortcuts";
import { AliasesTab } from "./aliases-tab";
import { CompareTab } from "./compare-tab";
import { PromotionRequests } from "./promotion-requests";
import { settingsQuery, versionsQuery } from "./queries";
import { RulesTab } from "./rules-tab";
import { ShadowTab } from "./shadow-tab";
import { ThresholdsTab } from "./thresholds-tab";
import { TryTab } from "./try-tab";
import { VersionsTab } from "./versions-tab";

const route = getRouteApi("/app/models/$name");

export function ModelPage() {
  const { t } = useTranslation();
  const { name } = route.useParams();
  const versions = useQuery(versionsQuery(name));
  const canOperate = useCan("operator");
  return (
    <Page
      title={name}
      crumbs={<Link to="/models">{t("nav.models")}</Link>}
      actions={
        canOperate && (
          <LinkButton leftSection={<IconPlus size={14} />} to="/runs/new" search={{ model: name }}>
            {t("start.title")}
          </LinkButton>
        )
      }
    >
      <Loaded query={versions}>{(page) => <Model name={name} versions={page.items} />}</Loaded>
    </Page>
  );
}

function Model({ name, versions }: { name: string; versions: readonly Schemas["MeasuredVersion"][] }) {
  const { t } = useTranslation();
  const { tab = "versions" } = route.useSearch({ select: searchParams.model });
  const navigate = useNavigate({ from: "/models/$name" });
  useVisibleTab(tab);
  const settings = useQuery({ ...settingsQuery(name), retry: false });
  const hasSettings = !(settings.error instanceof ApiProblem);
  useShortcuts(
    MODEL_TABS.map((key, index) => ({
      keys: String(index + 1),
      label: t(`models.tab.${key}`),
      run: () => void navigate({ search: { tab: key }, replace: true }),
    })),
  );
  if (versions.length === 0) {
    return (
      <EmptyState
        title={t("models.noVersions")}
        text={t("models.noVersionsText")}
        command={`aprendiz run create --model ${name} --kind linear`}
      />
    );
  }
  return (
    <Stack gap="md">
      {hasSettings && settings.data !== undefined && (
        <Group gap="xs">
          {settings.data.description !== "" && (
            <Text size="sm" className="wrap">
              {settings.data.description}
            </Text>
          )}
          {settings.data.owner !== null && settings.data.owner !== undefined && (
            <Text size="sm" c="dimmed">
              {t("models.ownedBy", { owner: settings.data.owner })}
            </Text>
          )}
          <Badge variant="default" tt="none">
            {t(`models.policy.${settings.data.promotion}`)}
          </Badge>
        </Group>
      )}
      <PromotionRequests name={name} />
      <Tabs
        value={tab}
        keepMounted={false}
        onChange={(value) => void navigate({ search: { tab: MODEL_TABS.find((key) => key === value) ?? "versions" }, replace: true })}
      >
        <Tabs.List mb="md">
          {MODEL_TABS.map((key) => (
            <Tabs.Tab key={key} value={key}>
              {t(`models.tab.${key}`)}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value="versions">
          <VersionsTab name={name} versions={versions} />
        </Tabs.Panel>
        <Tabs.Panel value="compare">
          <CompareTab name={name} versions={versions} />
        </Tabs.Panel>
        <Tabs.Panel value="aliases">
          <AliasesTab name={name} />
        </Tabs.Panel>
        <Tabs.Panel value="thresholds">
          <ThresholdsTab name={name} versions={versions} />
        </Tabs.Panel>
        <Tabs.Panel value="shadow">
          <ShadowTab name={name} />
        </Tabs.Panel>
        <Tabs.Panel value="rules">
          <RulesTab name={name} />
        </Tabs.Panel>
        <Tabs.Panel value="try">
          <TryTab name={name} versions={versions} />
        </Tabs.Panel>
      </Tabs>
    </Stack>
  );
}
