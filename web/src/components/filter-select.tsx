// A filter with one value, or none.
import { Select } from "@mantine/core";
import { useTranslation } from "react-i18next";

interface FilterSelectProps<Value extends string> {
  label: string;
  width: number;
  options: readonly (Value | { value: Value; label: string })[];
  value: Value | undefined;
  searchable?: boolean;
  onChange: (value: Value | undefined) => void;
}

export function FilterSelect<Value extends string>({
  label,
  width,
  options,
  value,
  searchable = false,
  onChange,
}: FilterSelectProps<Value>) {
  const { t } = useTranslation();
  return (
    <Select<Value>
      label={label}
      w={width}
      clearable
      searchable={searchable}
      clearButtonProps={{ "aria-label": t("common.clear") }}
      placeholder={t("common.all")}
      data={[...options]}
      value={value ?? null}
      onChange={(next) => {
        onChange(next ?? undefined);
      }}
    />
  );
}
