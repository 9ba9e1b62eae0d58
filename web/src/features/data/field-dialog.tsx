// The definition of a field: declare a new one, or change one that exists.
import { Alert, Button, Group, Modal, Select, Stack, TagsInput, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import type { Schemas } from "../../api/problem";
import { ErrorNote } from "../../components/page";
import { showToast } from "../../components/toast";
import { declareField, FieldChanged } from "./queries";

type Field = Schemas["Field"];

const KINDS: readonly Schemas["FieldKind"][] = ["categorical", "text", "date", "number"];
const CARDINALITIES: readonly Schemas["Cardinality"][] = ["one", "many"];

export function FieldDialog({ edited, onClose }: { edited: Field | "new" | undefined; onClose: () => void }) {
  const { t } = useTranslation();
  return (
    <Modal
      opened={edited !== undefined}
      onClose={onClose}
      title={edited === "new" || edited === undefined ? t("fields.declare") : t("fields.editTitle", { name: edited.name })}
      closeButtonProps={{ "aria-label": t("common.close") }}
    >
      {edited !== undefined && <Form field={edited === "new" ? undefined : edited} onClose={onClose} />}
    </Modal>
  );
}

function Form({ field, onClose }: { field: Field | undefined; onClose: () => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const [name, setName] = useState(field?.name ?? "");
  const [kind, setKind] = useState<Schemas["FieldKind"]>(field?.kind ?? "categorical");
  const [cardinality, setCardinality] = useState<Schemas["Cardinality"]>(field?.cardinality ?? "one");
  const [allowed, setAllowed] = useState<string[]>(field?.allowed_values ?? []);
  const declare = useMutation({
    mutationFn: declareField,
    onSuccess: (declared) => {
      showToast(t("fields.saved", { name: declared.name, version: declared.version }));
      onClose();
    },
    onSettled: () => client.invalidateQueries({ queryKey: ["fields"] }),
  });
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        // what the form does not show stays as it is
        const normalization = field?.normalization;
        declare.mutate({
          name: name.trim(),
          version: field?.version,
          definition: {
            kind,
            cardinality,
            ...(allowed.length === 0 ? {} : { allowed_values: allowed }),
            ...(normalization === null || normalization === undefined ? {} : { normalization }),
          },
        });
      }}
    >
      <Stack gap="sm">
        {field === undefined && (
          <TextInput
            label={t("access.name")}
            required
            data-autofocus
            value={name}
            onChange={(event) => {
              setName(event.currentTarget.value);
            }}
          />
        )}
        <Select
          label={t("fields.kind")}
          allowDeselect={false}
          data={KINDS.map((value) => ({ value, label: t(`fields.kinds.${value}`) }))}
          value={kind}
          onChange={(value) => {
            setKind(KINDS.find((known) => known === value) ?? kind);
          }}
        />
        <Select
          label={t("fields.cardinality")}
          allowDeselect={false}
          data={CARDINALITIES.map((value) => ({ value, label: t(`fields.cardinalities.${value}`) }))}
          value={cardinality}
          onChange={(value) => {
            setCardinality(CARDINALITIES.find((known) => known === value) ?? cardinality);
          }}
        />
        <TagsInput
          label={t("fields.allowed")}
          description={t("fields.allowedText")}
          value={allowed}
          onChange={setAllowed}
          splitChars={[]}
        />
        {declare.error instanceof FieldChanged ? (
          <Alert role="alert" color="yellow" variant="outline">
            {t("fields.changed")}
          </Alert>
        ) : (
          declare.error !== null && <ErrorNote error={declare.error} />
        )}
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={onClose}>
            {t("common.cancel")}
          </Button>
          <Button type="submit" loading={declare.isPending} disabled={name.trim() === ""}>
            {t("common.save")}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
