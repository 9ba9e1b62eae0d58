// Decision of the gate: per field the difference with its interval, the rule and the reason.
import { Group, Text } from "@mantine/core";
import { useTranslation } from "react-i18next";

import type { Schemas } from "../../api/problem";
import { DifferencePlot } from "../../charts/difference-plot";
import { ScrollRegion } from "../../components/scroll-region";
import { useFormat } from "../../components/format";
import { StateBadge } from "../../components/state-badge";

export function GatePanel({ gate }: { gate: Schemas["GateResult"] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const limit = Math.max(
    0.05,
    ...gate.fields.flatMap((field) => (field.interval ? [Math.abs(field.interval.low), Math.abs(field.interval.high)] : [])),
  );
  return (
    <div>
      <Group gap="sm" mb="xs">
        <StateBadge state={gate.decision} />
        <Text size="sm">{t(`gate.${gate.decision}`)}</Text>
      </Group>
      <ScrollRegion label={t("gate.title")}>
        <table className="plain-table">
          <thead>
            <tr>
              <th scope="col">{t("runs.field")}</th>
              <th scope="col" className="number">
                {gate.metric}
              </th>
              <th scope="col">{t("gate.difference")}</th>
              <th scope="col" className="number">
                n
              </th>
              <th scope="col">{t("gate.reason")}</th>
            </tr>
          </thead>
          <tbody>
            {gate.fields.map((field) => (
              <tr key={field.field}>
                <td>{field.field}</td>
                <td className="number">
                  {format.ratio(field.baseline)} → {format.ratio(field.candidate)}
                </td>
                <td>
                  {field.difference === null || field.difference === undefined ? (
                    "–"
                  ) : (
                    <Group gap={8} wrap="nowrap">
                      <DifferencePlot value={field.difference} interval={field.interval ?? undefined} margin={field.margin} limit={limit} />
                      <span>{format.signed(field.difference)}</span>
                    </Group>
                  )}
                </td>
                <td className="number">{format.count(field.n)}</td>
                <td className="wrap">{field.reason}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </ScrollRegion>
    </div>
  );
}
