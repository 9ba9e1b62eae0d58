// Queue depth and age of the oldest run over time. The API has no history: the page collects what it has read itself.
import { Text } from "@mantine/core";
import { useTranslation } from "react-i18next";

import { LineChart } from "../../charts/line-chart";
import { Panel } from "../../components/page";
import classes from "./operations.module.css";
import { useQueueSamples } from "./queue-samples";

export function QueueHistory() {
  const { t } = useTranslation();
  const samples = useQueueSamples();
  const first = samples[0];
  if (first === undefined || samples.length < 2) return null;
  const minutes = (at: number): number => (at - first.at) / 60_000;
  return (
    <Panel title={t("operations.history")}>
      <Text size="xs" c="dimmed" mb="xs">
        {t("operations.historyHelp")}
      </Text>
      <div className={classes["history"]}>
        <LineChart
          counts
          label={t("operations.depth")}
          xLabel={t("operations.minutes")}
          yLabel={t("nav.runs")}
          series={[
            { name: t("operations.depth"), points: samples.map((sample) => ({ x: minutes(sample.at), y: sample.waiting })) },
            { name: t("state.running"), points: samples.map((sample) => ({ x: minutes(sample.at), y: sample.running })) },
          ]}
        />
        <LineChart
          counts
          label={t("operations.oldest")}
          xLabel={t("operations.minutes")}
          yLabel={t("operations.oldestSeconds")}
          series={[{ name: t("operations.oldest"), points: samples.map((sample) => ({ x: minutes(sample.at), y: sample.oldest })) }]}
        />
      </div>
    </Panel>
  );
}
