// Thresholds of a version: what is answered at which target accuracy, and how to change it.
import { Button, Group, NumberInput, Select, Stack } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import type { Schemas } from "../../api/problem";
import { useCan } from "../../app/session";
import { ScrollRegion } from "../../components/scroll-region";
import { useFormat } from "../../components/format";
import { ErrorNote, Loaded, Panel, Time } from "../../components/page";
import { actorText } from "../../components/server-words";
import { showToast } from "../../components/toast";
import { changeThresholds, thresholdsQuery, useModelAction } from "./queries";

export function ThresholdsTab({ name, versions }: { name: string; versions: readonly Schemas["MeasuredVersion"][] }) {
  const { t } = useTranslation();
  const initial = versions.find((version) => version.aliases.includes("champion")) ?? versions[0];
  const [number, setNumber] = useState(initial?.number ?? 1);
  const thresholds = useQuery(thresholdsQuery(name, number));
  return (
    <Stack gap="md">
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
      <Loaded query={thresholds}>{(data) => <Thresholds key={data.revision} thresholds={data} />}</Loaded>
    </Stack>
  );
}

function Thresholds({ thresholds }: { thresholds: Schemas["VersionThresholds"] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const canOperate = useCan("operator");
  const targets = [...new Set(thresholds.fields.flatMap((field) => field.targets.map((target) => target.target)))].sort(
    (left, right) => right - left,
  );
  return (
    <Stack gap="md">
      <Panel title={t("thresholds.current")}>
        <ScrollRegion label={t("thresholds.current")}>
          <table className="plain-table">
            <thead>
              <tr>
                <th scope="col">{t("runs.field")}</th>
                <th scope="col" className="number">
                  {t("metric.target")}
                </th>
                <th scope="col" className="number">
                  {t("metric.threshold")}
                </th>
                <th scope="col" className="number">
                  {t("metric.coverage")}
                </th>
                {targets.map((target) => (
                  <th key={target} scope="col" className="number">
                    {t("thresholds.at", { target: format.ratio(target) })}
                  </th>
                ))}
                <th scope="col" className="number">
                  n
                </th>
                <th scope="col">{t("thresholds.why")}</th>
              </tr>
            </thead>
            <tbody>
              {thresholds.fields.map((field) => (
                <tr key={field.field}>
                  <td>{field.field}</td>
                  <td className="number">{format.ratio(field.current.target)}</td>
                  <td className="number">
                    {field.current.threshold === null || field.current.threshold === undefined
                      ? "–"
                      : format.fixed(field.current.threshold, 3)}
                  </td>
                  <td className="number">{format.percent(field.current.coverage ?? 0)}</td>
                  {targets.map((target) => {
                    const found = field.targets.find((entry) => entry.target === target);
                    return (
                      <td key={target} className="number">
                        {found?.status === "reached" ? format.percent(found.coverage ?? 0) : "–"}
                      </td>
                    );
                  })}
                  <td className="number">{field.current.n ?? "–"}</td>
                  <td className="wrap dimmed wide">{field.current.reason ?? ""}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </ScrollRegion>
      </Panel>
      {canOperate && <ChangeForm thresholds={thresholds} />}
      {thresholds.history.length > 0 && (
        <Panel title={t("thresholds.history")}>
          <table className="plain-table">
            <tbody>
              {thresholds.history.map((event) => (
                <tr key={`${String(event.revision)} ${event.field}`}>
                  <td>
                    <Time at={event.at} />
                  </td>
                  <td>{actorText(t, event.actor)}</td>
                  <td>{event.field}</td>
                  <td className="number">
                    {format.ratio(event.from_target)} → {format.ratio(event.target)}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Panel>
      )}
    </Stack>
  );
}

function ChangeForm({ thresholds }: { thresholds: Schemas["VersionThresholds"] }) {
  const { t } = useTranslation();
  const [field, setField] = useState("");
  const [target, setTarget] = useState(0.9);
  const change = useModelAction(changeThresholds, () => {
    showToast(t("thresholds.changed"));
  });
  return (
    <Panel title={t("thresholds.change")}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          change.mutate({
            name: thresholds.model,
            number: thresholds.number,
            body: { target, revision: thresholds.revision, ...(field === "" ? {} : { fields: [field] }) },
          });
        }}
      >
        <Group gap="sm" align="flex-end">
          <Select
            label={t("runs.field")}
            w={220}
            allowDeselect={false}
            value={field}
            data={[{ value: "", label: t("thresholds.allFields") }, ...thresholds.fields.map((entry) => entry.field)]}
            onChange={(value) => {
              setField(value ?? "");
            }}
          />
          <NumberInput
            label={t("metric.target")}
            min={0.5}
            max={0.999}
            step={0.01}
            w={140}
            value={target}
            onChange={(value) => {
              setTarget(Number(value));
            }}
          />
          <Button type="submit" loading={change.isPending}>
            {t("thresholds.apply")}
          </Button>
        </Group>
        {change.error !== null && <ErrorNote error={change.error} />}
      </form>
    </Panel>
  );
}
