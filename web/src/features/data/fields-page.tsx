// Labelled fields and their definitions.
import { Button } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import type { Schemas } from "../../api/problem";
import { useCan } from "../../app/session";
import { type Column, DataTable } from "../../components/data-table";
import { useFormat } from "../../components/format";
import { EmptyState, Loaded, Page, Time } from "../../components/page";
import { DataTabs } from "./data-tabs";
import { FieldDialog } from "./field-dialog";
import { fieldsQuery } from "./queries";

export function FieldsPage() {
  const { t } = useTranslation();
  const format = useFormat();
  const fields = useQuery(fieldsQuery);
  const canDeclare = useCan("reviewer");
  const [edited, setEdited] = useState<Schemas["Field"] | "new" | undefined>(undefined);
  const columns: readonly Column<Schemas["Field"]>[] = [
    {
      key: "name",
      label: t("runs.field"),
      grow: true,
      cell: (row) => (
        <Link to="/data/documents" search={{ field: row.name }}>
          {row.name}
        </Link>
      ),
    },
    { key: "kind", label: t("fields.kind"), cell: (row) => t(`fields.kinds.${row.kind}`) },
    { key: "cardinality", label: t("fields.cardinality"), optional: true, cell: (row) => t(`fields.cardinalities.${row.cardinality}`) },
    {
      key: "allowed",
      label: t("fields.allowed"),
      numeric: true,
      optional: true,
      cell: (row) =>
        row.allowed_values === null || row.allowed_values === undefined ? (
          <span className="dimmed">–</span>
        ) : (
          <span title={row.allowed_values.join(", ")}>{format.count(row.allowed_values.length)}</span>
        ),
    },
    {
      key: "declared",
      label: t("fields.definition"),
      optional: true,
      cell: (row) => (row.declared ? t("fields.declared", { version: row.version }) : t("fields.inferred")),
    },
    { key: "reviewed", label: t("fields.reviewed"), numeric: true, cell: (row) => format.count(row.documents_reviewed) },
    {
      key: "waiting",
      label: t("nav.review"),
      cell: (row) => (
        <Link to="/review" search={{ field: row.name }}>
          {t("fields.queue")}
        </Link>
      ),
    },
    { key: "updated", label: t("data.updated"), optional: true, cell: (row) => <Time at={row.updated_at} /> },
    ...(canDeclare
      ? [
          {
            key: "actions",
            label: t("common.actions"),
            cell: (row: Schemas["Field"]) => (
              <Button
                variant="default"
                size="compact-xs"
                aria-label={t("fields.editTitle", { name: row.name })}
                onClick={() => {
                  setEdited(row);
                }}
              >
                {t("fields.edit")}
              </Button>
            ),
          },
        ]
      : []),
  ];
  return (
    <Page
      wide
      title={t("data.fields")}
      actions={
        canDeclare && (
          <Button
            leftSection={<IconPlus size={14} />}
            onClick={() => {
              setEdited("new");
            }}
          >
            {t("fields.declare")}
          </Button>
        )
      }
    >
      <DataTabs />
      <Loaded query={fields}>
        {(page) =>
          page.items.length === 0 ? (
            <EmptyState title={t("fields.none")} text={t("fields.noneText")} command="aprendiz import export.json.gz" />
          ) : (
            <DataTable label={t("data.fields")} columns={columns} rows={page.items} rowKey={(row) => row.name} />
          )
        }
      </Loaded>
      <FieldDialog
        edited={edited}
        onClose={() => {
          setEdited(undefined);
        }}
      />
    </Page>
  );
}
