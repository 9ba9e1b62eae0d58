// Inputs that name models: the version to evaluate, and base models that workers have.
import { Select } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";

import { versionsQuery } from "../models/queries";
import { workersQuery } from "../operations/queries";
import { isModelName } from "./spec";

/** A version of the model, or the stored predictions of the extractor where those are offered. */
export function VersionSelect({
  model,
  value,
  isExtractorOffered,
  onChange,
}: {
  model: string;
  value: string;
  isExtractorOffered: boolean;
  onChange: (value: string) => void;
}) {
  const { t } = useTranslation();
  const versions = useQuery({ ...versionsQuery(model), enabled: isModelName(model), retry: false });
  const listed = (versions.data?.items ?? []).map((version) => ({
    value: String(version.number),
    label: [`v${String(version.number)}`, ...version.aliases].join(" · "),
    disabled: version.retired_at !== null && version.retired_at !== undefined,
  }));
  const missing = value === "" || listed.some((option) => option.value === value) ? [] : [{ value, label: `v${value}` }];
  return (
    <Select
      label={t("start.evaluated")}
      description={t(isExtractorOffered ? "start.evaluatedHelp" : "start.predictingHelp")}
      data={[...(isExtractorOffered ? [{ value: "", label: t("compare.extractor") }] : []), ...listed, ...missing]}
      value={value}
      allowDeselect={false}
      onChange={(next) => {
        onChange(next ?? "");
      }}
    />
  );
}

/** Base models on the hosts of the workers, as suggestions of an input with this list. */
export function BaseModels({ id }: { id: string }) {
  const workers = useQuery(workersQuery);
  const names = [...new Set((workers.data?.items ?? []).flatMap((worker) => worker.base_models))].sort();
  return (
    <datalist id={id}>
      {names.map((name) => (
        <option key={name} value={name} />
      ))}
    </datalist>
  );
}
