// What a run would learn from: examples and labels per field, and warnings.
import { Alert, Stack, Text } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";

import type { Schemas } from "../../api/problem";
import { formatDuration, useFormat } from "../../components/format";
import classes from "./start.module.css";

export function Preview({ preview, stale }: { preview: Schemas["RunPreview"]; stale: boolean }) {
  const { t } = useTranslation();
  const format = useFormat();
  const { train, validation, test } = preview.examples;
  const fields = Object.entries(preview.fields).sort(([left], [right]) => left.localeCompare(right));
  return (
    <Stack gap="sm" className={stale ? classes["stale"] : undefined} aria-busy={stale}>
      <Text size="sm">
        {t("start.examples", { train: format.count(train), validation: format.count(validation), test: format.count(test) })}
        {preview.estimated_seconds !== null &&
          preview.estimated_seconds !== undefined &&
          ` · ${t("start.estimate", { time: formatDuration(preview.estimated_seconds) })}`}
      </Text>
      {preview.warnings.map((warning) => (
        <Alert key={warning} color="yellow" icon={<IconAlertTriangle size={16} />} p="xs">
          <span className="wrap">{warning}</span>
        </Alert>
      ))}
      {fields.map(([name, field]) => (
        <FieldRow key={name} name={name} field={field} />
      ))}
    </Stack>
  );
}

function FieldRow({ name, field }: { name: string; field: Schemas["FieldPreview"] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const total = (counts: Schemas["ExampleCounts"]): number => counts.train + counts.validation + counts.test;
  const largest = Math.max(1, ...field.labels.map((label) => total(label.examples)));
  return (
    <details className={classes["field"]}>
      <summary>
        <span className={classes["fieldName"]}>{name}</span>
        <span className="dimmed">
          {field.is_trained
            ? `${t("start.exampleCount", { count: total(field.examples) })} · ${t("start.labelCount", { count: field.labels.length })}`
            : t("start.excluded", { reason: field.reason ?? "" })}
        </span>
      </summary>
      <table className="plain-table">
        <tbody>
          {field.labels.map((label) => (
            <tr key={label.label ?? "∅"}>
              <td className="wrap">
                {label.label ?? "∅"}
                {label.is_rare && <span className="dimmed"> · {t("start.rare")}</span>}
              </td>
              <td>
                <span className={classes["bar"]} style={{ width: `${String((total(label.examples) / largest) * 90)}px` }} />
              </td>
              <td className="number">{format.count(total(label.examples))}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </details>
  );
}
