// Who is signed in: sessions, and the key of the session.
import { Tabs } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";

import { ACCESS_TABS } from "../../app/search";
import * as searchParams from "../../app/search";
import { useCan } from "../../app/session";
import { CodeBlock, CopyId, Facts, Loaded, Page, Panel, Time } from "../../components/page";
import { useShortcuts } from "../../components/shortcuts";
import { currentKeyQuery } from "./queries";
import { KeysTab } from "./keys-tab";
import { SessionsTab } from "./sessions-tab";

const route = getRouteApi("/app/admin");

export function AccessPage() {
  const { t } = useTranslation();
  const { tab = "sessions" } = route.useSearch({ select: searchParams.access });
  const navigate = useNavigate({ from: "/admin" });
  const isAdmin = useCan("admin");
  const tabs = ACCESS_TABS.filter((name) => isAdmin || name !== "keys");
  useShortcuts(
    tabs.map((name, index) => ({
      keys: String(index + 1),
      label: t(`access.tab.${name}`),
      run: () => void navigate({ search: { tab: name }, replace: true }),
    })),
  );
  return (
    <Page title={isAdmin ? t("access.title") : t("access.mine")}>
      <Tabs
        value={tabs.includes(tab) ? tab : "sessions"}
        keepMounted={false}
        onChange={(value) => void navigate({ search: { tab: ACCESS_TABS.find((name) => name === value) ?? "sessions" }, replace: true })}
      >
        <Tabs.List mb="md">
          {tabs.map((name) => (
            <Tabs.Tab key={name} value={name}>
              {t(`access.tab.${name}`)}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value="sessions">
          <SessionsTab />
        </Tabs.Panel>
        <Tabs.Panel value="key">
          <CurrentKey />
        </Tabs.Panel>
        {isAdmin && (
          <Tabs.Panel value="keys">
            <KeysTab />
          </Tabs.Panel>
        )}
      </Tabs>
    </Page>
  );
}

function CurrentKey() {
  const { t } = useTranslation();
  const key = useQuery(currentKeyQuery);
  return (
    <Panel>
      <Loaded query={key}>
        {(data) => (
          <Facts
            items={[
              [
                t("access.name"),
                <span key="name">
                  {data.name} <CopyId id={data.id} label={t("access.keyName")} />
                </span>,
              ],
              [t("access.role"), t(`role.${data.role}`)],
              [t("runs.createdBy"), data.created_by],
              [t("runs.created"), <Time key="created" at={data.created_at} />],
              [t("access.ends"), data.expires_at == null ? t("access.endless") : <Time key="ends" at={data.expires_at} />],
            ]}
          />
        )}
      </Loaded>
      <p className="dimmed">{t("access.keyText")}</p>
      <CodeBlock code="aprendiz api-key list" label={t("access.listKeys")} />
    </Panel>
  );
}
