// Inputs for the parameters of a kind, made from what the server says about them.
import { Select, Switch, Textarea, TextInput } from "@mantine/core";
import { useTranslation } from "react-i18next";

import { type Kind, type Param, paramText, parseParam } from "./spec";
import classes from "./start.module.css";

interface ParamInputsProps {
  kind: Kind;
  texts: Readonly<Record<string, string>>;
  onChange: (texts: Readonly<Record<string, string>>) => void;
}

export function ParamInputs({ kind, texts, onChange }: ParamInputsProps) {
  const { t } = useTranslation();
  if (kind.params.length === 0) return <p className="dimmed">{t("start.noParams")}</p>;
  return (
    <div className={classes["params"]}>
      {kind.params.map((param) => (
        <ParamInput
          key={param.name}
          param={param}
          text={texts[param.name] ?? paramText(param.default)}
          onChange={(text) => {
            onChange({ ...texts, [param.name]: text });
          }}
        />
      ))}
    </div>
  );
}

function ParamInput({ param, text, onChange }: { param: Param; text: string; onChange: (text: string) => void }) {
  const { t } = useTranslation();
  const isChanged = text !== paramText(param.default);
  const label = (
    <span data-changed={isChanged} className={classes["paramName"]}>
      {param.name}
    </span>
  );
  if (param.type === "boolean") {
    return (
      <Switch
        label={label}
        description={param.help}
        checked={text === "true"}
        onChange={(event) => {
          onChange(String(event.currentTarget.checked));
        }}
      />
    );
  }
  if (param.values !== undefined && param.values.length > 0) {
    return (
      <Select
        label={label}
        description={param.help}
        data={param.values}
        value={text === "" ? null : text}
        placeholder={param.nullable ? "null" : undefined}
        allowDeselect={param.nullable}
        onChange={(value) => {
          onChange(value ?? "");
        }}
      />
    );
  }
  const parsed = parseParam(param, text);
  const bounds = { minimum: param.minimum ?? "", maximum: param.maximum ?? "" };
  const error = "error" in parsed ? t(`start.invalid.${parsed.error}`, bounds) : undefined;
  if (param.type === "object") {
    return (
      <Textarea
        label={label}
        description={param.help}
        value={text}
        error={error}
        autosize
        minRows={2}
        maxRows={10}
        spellCheck={false}
        placeholder={param.nullable ? "null" : undefined}
        onChange={(event) => {
          onChange(event.currentTarget.value);
        }}
      />
    );
  }
  return (
    <TextInput
      label={label}
      description={param.help}
      value={text}
      error={error}
      inputMode={param.type === "string" ? "text" : "decimal"}
      placeholder={param.nullable ? "null" : undefined}
      onChange={(event) => {
        onChange(event.currentTarget.value);
      }}
    />
  );
}
