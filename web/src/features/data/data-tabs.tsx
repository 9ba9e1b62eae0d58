// Navigation between the pages about data.
import { Link, useRouterState } from "@tanstack/react-router";
import { useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";

import classes from "./data.module.css";

const TABS = [
  { to: "/data/documents", key: "documents" },
  { to: "/data/imports", key: "imports" },
  { to: "/data/datasets", key: "datasets" },
  { to: "/data/fields", key: "fields" },
] as const;

export function DataTabs() {
  const { t } = useTranslation();
  const path = useRouterState({ select: (state) => state.location.pathname });
  const row = useRef<HTMLElement>(null);
  // on a narrow screen, the row of tabs is wider than the page
  useEffect(() => {
    row.current?.querySelector('[aria-current="page"]')?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [path]);
  return (
    <nav ref={row} className={classes["tabs"]} aria-label={t("nav.data")}>
      {TABS.map((tab) => (
        <Link key={tab.to} to={tab.to} data-active={path.startsWith(tab.to)} aria-current={path.startsWith(tab.to) ? "page" : undefined}>
          {t(`data.${tab.key}`)}
        </Link>
      ))}
    </nav>
  );
}
