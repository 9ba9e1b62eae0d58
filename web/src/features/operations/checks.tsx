// Checks of the server: database, bucket, Redis, inference and background tasks, with what is wrong.
import { Group, Stack, Text } from "@mantine/core";
import { IconCircleCheck } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";

import { healthQuery } from "../../api/health";
import { Loaded, Panel } from "../../components/page";
import classes from "./operations.module.css";

export function Checks() {
  const { t } = useTranslation();
  const health = useQuery(healthQuery);
  return (
    <Panel title={t("operations.checks")}>
      <Loaded query={health}>
        {(data) => (
          <Stack gap="xs">
            {data.checks
              .filter((check) => check.state !== "ok")
              .map((check) => (
                <Text key={check.name} size="sm" className="wrap">
                  <span className={classes["bad"]}>{`${check.name}: ${t(`operations.check.${check.state}`)}`}</span>
                  {typeof check.detail === "string" && ` · ${check.detail}`}
                </Text>
              ))}
            <Group gap="md">
              {data.checks
                .filter((check) => check.state === "ok")
                .map((check) => (
                  <span key={check.name} className={classes["good"]}>
                    <IconCircleCheck size={15} aria-label={t("operations.check.ok")} />
                    {check.name}
                  </span>
                ))}
            </Group>
          </Stack>
        )}
      </Loaded>
    </Panel>
  );
}
