// Predictions for a text: pasted, or that of a document. Evidence of a field is marked in the text.
import { Badge, Button, Group, Select, Stack, Text, Textarea } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { useTranslation } from "react-i18next";

import type { Schemas } from "../../api/problem";
import * as searchParams from "../../app/search";
import { useFormat } from "../../components/format";
import { ErrorNote, Loaded, Panel, ValueText } from "../../components/page";
import { ScrollRegion } from "../../components/scroll-region";
import { documentSearchQuery, overviewQuery } from "../data/queries";
import { DocumentText } from "../review/document-text";
import { documentQuery } from "../review/queries";
import { fromCodePoints, type Range } from "../review/text";
import classes from "./models.module.css";
import { predict } from "./queries";

const route = getRouteApi("/app/models/$name");

export function TryTab({ name, versions }: { name: string; versions: readonly Schemas["MeasuredVersion"][] }) {
  const { document } = route.useSearch({ select: searchParams.model });
  const text = useQuery({ ...documentQuery(document ?? ""), enabled: document !== undefined });
  if (document === undefined) return <Form key="pasted" name={name} versions={versions} initial="" document={undefined} />;
  return (
    <Loaded query={text}>
      {(data) => <Form key={document} name={name} versions={versions} initial={data.text} document={document} />}
    </Loaded>
  );
}

interface FormProps {
  name: string;
  versions: readonly Schemas["MeasuredVersion"][];
  initial: string;
  document: string | undefined;
}

function Form({ name, versions, initial, document }: FormProps) {
  const { t } = useTranslation();
  const champion = versions.find((version) => version.aliases.includes("champion")) ?? versions[0];
  const [number, setNumber] = useState(champion?.number ?? 1);
  const [text, setText] = useState(initial);
  const answer = useMutation({ mutationFn: predict });
  return (
    <Stack gap="md">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          answer.mutate({ name, body: { text, number, top_k: 5 } });
        }}
      >
        <Stack gap="sm">
          <Textarea
            label={t("try.text")}
            description={t("try.textHelp")}
            autosize
            minRows={6}
            maxRows={12}
            value={text}
            onChange={(event) => {
              setText(event.currentTarget.value);
              // what was marked belongs to the other text
              answer.reset();
            }}
          />
          <Group gap="sm" align="flex-end">
            <DocumentPicker document={document} />
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
                answer.reset();
              }}
            />
            <Button type="submit" loading={answer.isPending} disabled={text.trim() === ""}>
              {t("try.predict")}
            </Button>
            {document !== undefined && (
              <Link to="/data/documents/$documentId" params={{ documentId: document }}>
                {t("try.openDocument")}
              </Link>
            )}
          </Group>
        </Stack>
      </form>
      {answer.error !== null && <ErrorNote error={answer.error} />}
      {answer.data?.predictions.map((prediction, index) => (
        <Prediction key={index} prediction={prediction} text={answer.variables.body.text ?? ""} />
      ))}
    </Stack>
  );
}

/** Finds a document by words of its name; the choice is in the URL. */
function DocumentPicker({ document }: { document: string | undefined }) {
  const { t } = useTranslation();
  const navigate = useNavigate({ from: "/models/$name" });
  const client = useQueryClient();
  const [typed, setTyped] = useState("");
  const [needle] = useDebouncedValue(typed.trim(), 200);
  const found = useQuery({ ...documentSearchQuery(needle), enabled: needle !== "" });
  const options = (found.data?.items ?? []).map((entry) => ({
    value: entry.id,
    label: `${entry.file_name ?? entry.task_id} · ${entry.source}/${entry.project}`,
  }));
  const chosen = useQuery({ ...overviewQuery(document ?? ""), enabled: document !== undefined });
  const name = chosen.data === undefined ? document : (chosen.data.file_name ?? chosen.data.task_id);
  const current =
    document === undefined || options.some((option) => option.value === document) ? [] : [{ value: document, label: name ?? document }];
  return (
    <Select
      label={t("try.document")}
      placeholder={t("try.documentHelp")}
      w={300}
      searchable
      clearable
      clearButtonProps={{ "aria-label": t("common.clear") }}
      data={[...options, ...current]}
      // the server has searched
      filter={({ options: all }) => all}
      nothingFoundMessage={needle === "" ? t("try.documentHelp") : found.isFetching ? t("common.loading") : t("data.noneMatch")}
      value={document ?? null}
      onSearchChange={setTyped}
      onChange={(value) => {
        void client.prefetchQuery(documentQuery(value ?? ""));
        void navigate({ search: { tab: "try", ...(value === null ? {} : { document: value }) }, replace: true });
      }}
    />
  );
}

const NO_PLACE: readonly Range[] = [];

/** A part of a text in code points, as the API counts, as a part in UTF-16 units. */
export function evidenceRange(text: string, evidence: Schemas["Evidence"] | null | undefined): readonly Range[] {
  if (evidence === null || evidence === undefined) return NO_PLACE;
  const start = fromCodePoints(text, evidence.start);
  const end = fromCodePoints(text, evidence.end);
  return end > start ? [{ start, end }] : NO_PLACE;
}

export function Prediction({ prediction, text }: { prediction: Schemas["TextPrediction"]; text: string }) {
  const { t } = useTranslation();
  const format = useFormat();
  const withEvidence = prediction.fields.filter((field) => field.evidence !== null && field.evidence !== undefined);
  const [chosen, setChosen] = useState<string | undefined>(undefined);
  const shown = withEvidence.find((field) => field.field === chosen) ?? withEvidence[0];
  const place = useMemo(() => evidenceRange(text, shown?.evidence), [text, shown]);
  return (
    <div className={shown === undefined ? undefined : classes["evidence"]}>
      <Panel title={t("try.result")}>
        {prediction.no_known_feature && <Text size="sm">{t("try.unknown")}</Text>}
        <ScrollRegion label={t("try.result")}>
          <table className="plain-table">
            <thead>
              <tr>
                <th scope="col">{t("runs.field")}</th>
                <th scope="col">{t("try.value")}</th>
                <th scope="col" className="number">
                  {t("metric.confidence")}
                </th>
                <th scope="col" className="number">
                  {t("metric.threshold")}
                </th>
                <th scope="col">{t("try.decision")}</th>
                <th scope="col">{t("try.others")}</th>
              </tr>
            </thead>
            <tbody>
              {prediction.fields.map((field) => (
                <tr key={field.field} data-active={field === shown}>
                  <td>
                    {withEvidence.includes(field) ? (
                      <button
                        type="button"
                        className="link-button"
                        aria-pressed={field === shown}
                        title={t("try.showEvidence")}
                        onClick={() => {
                          setChosen(field.field);
                        }}
                      >
                        {field.field}
                      </button>
                    ) : (
                      field.field
                    )}
                  </td>
                  <td className="wrap">
                    <ValueText value={field.value} />
                  </td>
                  <td className="number">{format.ratio(field.confidence)}</td>
                  <td className="number">{typeof field.threshold === "number" ? format.fixed(field.threshold, 3) : "–"}</td>
                  <td>
                    <Badge
                      variant="default"
                      c={`var(--state-${field.decision === "auto" ? "succeeded" : "queued"})`}
                      tt="none"
                      title={typeof field.threshold === "number" ? undefined : t("try.noThreshold")}
                    >
                      {t(`decision.${field.decision}`)}
                    </Badge>
                  </td>
                  <td className="dimmed wrap wide">
                    {field.top
                      .slice(1, 3)
                      .map((other) => `${other.value.length === 0 ? "∅" : other.value.join(", ")} ${format.ratio(other.probability)}`)
                      .join(" · ")}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </ScrollRegion>
      </Panel>
      {shown !== undefined && (
        <Panel title={t("try.evidence", { field: shown.field })}>
          <DocumentText text={text} place={place} short />
        </Panel>
      )}
    </div>
  );
}
