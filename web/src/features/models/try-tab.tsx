// Predictions for a pasted text.
import { Badge, Button, Group, Select, Stack, Text, Textarea } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import type { Schemas } from "../../api/problem";
import { ScrollRegion } from "../../components/scroll-region";
import { useFormat } from "../../components/format";
import { ErrorNote, Panel, ValueText } from "../../components/page";
import { predict } from "./queries";

export function TryTab({ name, versions }: { name: string; versions: readonly Schemas["MeasuredVersion"][] }) {
  const { t } = useTranslation();
  const initial = versions.find((version) => version.aliases.includes("champion")) ?? versions[0];
  const [number, setNumber] = useState(initial?.number ?? 1);
  const [text, setText] = useState("");
  const answer = useMutation({ mutationFn: predict });
  return (
    <Stack gap="md">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          answer.mutate({ name, body: { text, number, top_k: 5 } });
        }}
      >
        <Stack gap="sm">
          <Textarea
            label={t("try.text")}
            description={t("try.textHelp")}
            autosize
            minRows={6}
            maxRows={16}
            value={text}
            onChange={(event) => {
              setText(event.currentTarget.value);
            }}
          />
          <Group gap="sm" align="flex-end">
            <Select
              label={t("models.version")}
              w={220}
              allowDeselect={false}
              value={String(number)}
              data={versions.map((version) => ({
                value: String(version.number),
                label: [`v${String(version.number)}`, ...version.aliases].join(" · "),
              }))}
              onChange={(value) => {
                setNumber(Number(value));
              }}
            />
            <Button type="submit" loading={answer.isPending} disabled={text.trim() === ""}>
              {t("try.predict")}
            </Button>
          </Group>
        </Stack>
      </form>
      {answer.error !== null && <ErrorNote error={answer.error} />}
      {answer.data?.predictions.map((prediction, index) => (
        <Prediction key={index} prediction={prediction} />
      ))}
    </Stack>
  );
}

export function Prediction({ prediction }: { prediction: Schemas["TextPrediction"] }) {
  const { t } = useTranslation();
  const format = useFormat();
  return (
    <Panel title={t("try.result")}>
      {prediction.no_known_feature && <Text size="sm">{t("try.unknown")}</Text>}
      <ScrollRegion label={t("try.result")}>
        <table className="plain-table">
          <thead>
            <tr>
              <th scope="col">{t("runs.field")}</th>
              <th scope="col">{t("try.value")}</th>
              <th scope="col" className="number">
                {t("metric.confidence")}
              </th>
              <th scope="col" className="number">
                {t("metric.threshold")}
              </th>
              <th scope="col">{t("try.decision")}</th>
              <th scope="col">{t("try.others")}</th>
            </tr>
          </thead>
          <tbody>
            {prediction.fields.map((field) => (
              <tr key={field.field}>
                <td>{field.field}</td>
                <td>
                  <ValueText value={field.value} />
                </td>
                <td className="number">{format.ratio(field.confidence)}</td>
                <td className="number">{field.threshold?.toFixed(3) ?? "–"}</td>
                <td>
                  <Badge variant="default" c={`var(--state-${field.decision === "auto" ? "succeeded" : "queued"})`} tt="none">
                    {t(`decision.${field.decision}`)}
                  </Badge>
                </td>
                <td className="dimmed wrap">
                  {field.top
                    .slice(1, 3)
                    .map((other) => `${other.value.length === 0 ? "∅" : other.value.join(", ")} ${format.ratio(other.probability)}`)
                    .join(" · ")}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </ScrollRegion>
    </Panel>
  );
}
