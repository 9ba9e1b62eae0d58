// Operations: queue, workers, background tasks, failures by cause, audit log.
import { Tabs } from "@mantine/core";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";

import { OPERATION_TABS } from "../../app/search";
import * as searchParams from "../../app/search";
import { useCan } from "../../app/session";
import { Page } from "../../components/page";
import { useVisibleTab } from "../../components/use-visible-tab";
import { useShortcuts } from "../../components/shortcuts";
import { AuditTab } from "./audit-tab";
import { FailuresTab } from "./failures-tab";
import { OverviewTab } from "./overview-tab";

const route = getRouteApi("/app/operations");

export function OperationsPage() {
  const { t } = useTranslation();
  const { tab = "overview" } = route.useSearch({ select: searchParams.operations });
  const navigate = useNavigate({ from: "/operations" });
  useVisibleTab(tab);
  const isAdmin = useCan("admin");
  const tabs = OPERATION_TABS.filter((name) => name !== "audit" || isAdmin);
  useShortcuts(
    tabs.map((name, index) => ({
      keys: String(index + 1),
      label: t(`operations.tab.${name}`),
      run: () => void navigate({ search: { tab: name }, replace: true }),
    })),
  );
  return (
    <Page wide title={t("nav.operations")}>
      <Tabs
        value={tabs.includes(tab) ? tab : "overview"}
        keepMounted={false}
        onChange={(value) => void navigate({ search: { tab: OPERATION_TABS.find((name) => name === value) ?? "overview" }, replace: true })}
      >
        <Tabs.List mb="md">
          {tabs.map((name) => (
            <Tabs.Tab key={name} value={name}>
              {t(`operations.tab.${name}`)}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value="overview">
          <OverviewTab />
        </Tabs.Panel>
        <Tabs.Panel value="failures">
          <FailuresTab />
        </Tabs.Panel>
        {isAdmin && (
          <Tabs.Panel value="audit">
            <AuditTab />
          </Tabs.Panel>
        )}
      </Tabs>
    </Page>
  );
}
