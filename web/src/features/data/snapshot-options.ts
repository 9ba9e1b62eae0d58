// Snapshots to choose from: the newest ones, and those that a page is about.
import { useInfiniteQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";

import { useFormat } from "../../components/format";
import { datasetsQuery } from "./queries";

export function useSnapshotOptions(always: readonly string[] = []): { value: string; label: string }[] {
  const { t } = useTranslation();
  const format = useFormat();
  const datasets = useInfiniteQuery(datasetsQuery);
  const listed = datasets.data?.pages.flatMap((page) => page.items) ?? [];
  const options = listed.map((dataset) => ({
    value: dataset.id,
    label: `${format.absolute(dataset.created_at)} · ${t("start.exampleCount", { count: dataset.examples })}`,
  }));
  const missing = [...new Set(always)].filter((id) => !options.some((option) => option.value === id));
  return [...options, ...missing.map((id) => ({ value: id, label: id }))];
}
