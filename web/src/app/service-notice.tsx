// Says on every page which service does not work, or that the server does not respond.
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";

import { healthQuery } from "../api/health";
import classes from "./shell.module.css";

export function ServiceNotice() {
  const { t } = useTranslation();
  const health = useQuery(healthQuery);
  if (health.error !== null) {
    return (
      <div className={classes["notice"]} role="status">
        {t("error.network")}
      </div>
    );
  }
  const broken = (health.data?.checks ?? []).filter((check) => check.state !== "ok");
  if (broken.length === 0) return null;
  return (
    <div className={classes["notice"]} role="status">
      {t("notice.degraded", { services: broken.map((check) => check.name).join(", ") })}{" "}
      {broken.some((check) => check.name === "redis") && `${t("notice.redis")} `}
      {broken.some((check) => check.name === "bucket") && `${t("notice.bucket")} `}
      <Link to="/operations">{t("notice.more")}</Link>
    </div>
  );
}
