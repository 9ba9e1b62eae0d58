// The list of models.
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";

import type { Schemas } from "../../api/problem";
import { type Column, DataTable } from "../../components/data-table";
import { useFormat } from "../../components/format";
import { EmptyState, Loaded, Page, Time } from "../../components/page";
import { modelsQuery } from "./queries";

export function ModelsPage() {
  const { t } = useTranslation();
  const format = useFormat();
  const models = useQuery(modelsQuery);
  const columns: readonly Column<Schemas["ModelSummary"]>[] = [
    {
      key: "name",
      label: t("runs.model"),
      grow: true,
      cell: (model) => (
        <Link to="/models/$name" params={{ name: model.name }}>
          {model.name}
        </Link>
      ),
    },
    {
      key: "newest",
      label: t("models.newest"),
      cell: (model) => (
        <Link to="/models/$name/versions/$number" params={{ name: model.name, number: String(model.newest_version) }}>
          v{model.newest_version}
        </Link>
      ),
    },
    { key: "versions", label: t("models.versions"), numeric: true, cell: (model) => format.count(model.versions) },
    { key: "owner", label: t("models.owner"), optional: true, cell: (model) => model.owner },
    { key: "published", label: t("models.published"), cell: (model) => <Time at={model.published_at} /> },
    { key: "by", label: t("runs.createdBy"), optional: true, cell: (model) => model.published_by },
  ];
  return (
    <Page title={t("nav.models")}>
      <Loaded query={models}>
        {(page) =>
          page.items.length === 0 ? (
            <EmptyState
              title={t("models.none")}
              text={t("models.noneText")}
              command="aprendiz run create --model contracts --kind linear"
            />
          ) : (
            <DataTable label={t("nav.models")} columns={columns} rows={page.items} rowKey={(model) => model.name} />
          )
        }
      </Loaded>
    </Page>
  );
}
