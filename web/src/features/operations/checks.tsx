// Checks of the server: database, bucket, Redis, inference and background tasks, with what is wrong.
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";

import { healthQuery } from "../../api/health";
import { Loaded, Panel } from "../../components/page";
import { ScrollRegion } from "../../components/scroll-region";
import classes from "./operations.module.css";

export function Checks() {
  const { t } = useTranslation();
  const health = useQuery(healthQuery);
  return (
    <Panel title={t("operations.checks")}>
      <Loaded query={health}>
        {(data) => (
          <ScrollRegion label={t("operations.checks")}>
            <table className="plain-table">
              <tbody>
                {data.checks.map((check) => (
                  <tr key={check.name}>
                    <td>{check.name}</td>
                    <td className={check.state === "ok" ? undefined : classes["bad"]}>{t(`operations.check.${check.state}`)}</td>
                    <td className="wrap">{check.detail ?? ""}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </ScrollRegion>
        )}
      </Loaded>
    </Panel>
  );
}
