// Confusion matrix: accepted values in rows, predicted ones in columns. A cell leads to its documents.
import { Text } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";

import { ScrollRegion } from "../../components/scroll-region";
import { ERROR_SPLITS } from "../../app/search";
import { useFormat } from "../../components/format";
import { type Confusion, type Label, orderConfusion } from "./metrics";
import classes from "./metrics.module.css";

const LIMIT = 20;

export function ConfusionMatrix({ runId, field, split, confusion }: { runId: string; field: string; split: string; confusion: Confusion }) {
  const { t } = useTranslation();
  const format = useFormat();
  const { labels, counts } = orderConfusion(confusion, LIMIT);
  const errorSplit = ERROR_SPLITS.find((known) => known === split);
  const largest = Math.max(1, ...counts.flat());
  const name = (label: Label | undefined): string => (label === undefined ? t("metric.others") : (label ?? "∅"));
  return (
    <>
      <Text size="xs" c="dimmed" mb="xs">
        {t("metric.confusionHelp")}
      </Text>
      <ScrollRegion label={t("metric.confusion")}>
        <table className={classes["matrix"]}>
          <thead>
            <tr>
              <td>
                <span className="visually-hidden">{t("metric.goldPredicted")}</span>
              </td>
              {labels.map((label, column) => (
                <th key={column} scope="col" title={name(label)}>
                  {name(label)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {counts.map((row, rowIndex) => {
              const total = row.reduce((sum, count) => sum + count, 0);
              const gold = labels[rowIndex];
              return (
                <tr key={rowIndex}>
                  <th scope="row" title={name(gold)}>
                    {name(gold)}
                  </th>
                  {row.map((count, column) => {
                    const predicted = labels[column];
                    const isCorrect = rowIndex === column && gold !== undefined;
                    const share = total === 0 ? 0 : count / total;
                    const strength = Math.sqrt(count / largest);
                    const title = t("metric.cell", { gold: name(gold), predicted: name(predicted), count, share: format.percent(share) });
                    const isLink = count > 0 && !isCorrect && gold !== undefined && predicted !== undefined;
                    return (
                      <td
                        key={column}
                        className={classes["cell"]}
                        title={title}
                        style={{
                          background:
                            count === 0
                              ? undefined
                              : `color-mix(in srgb, var(${isCorrect ? "--chart-3" : "--chart-2"}) ${String(Math.round(10 + strength * 35))}%, transparent)`,
                        }}
                      >
                        {isLink ? (
                          <Link
                            to="/runs/$runId"
                            params={{ runId }}
                            aria-label={title}
                            search={{
                              tab: "errors",
                              field,
                              ...(errorSplit === undefined ? {} : { split: errorSplit }),
                              ...(gold === null ? { noGold: "1" as const } : { gold }),
                              ...(predicted === null ? { noPredicted: "1" as const } : { predicted }),
                            }}
                          >
                            {count}
                          </Link>
                        ) : (
                          <span>{count === 0 ? "" : count}</span>
                        )}
                      </td>
                    );
                  })}
                </tr>
              );
            })}
          </tbody>
        </table>
      </ScrollRegion>
    </>
  );
}
