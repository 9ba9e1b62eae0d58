// What the snapshots of the installation take, and how much space workers have.
import { Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";

import { useFormat } from "../../components/format";
import { Figure, Figures, Loaded, Panel } from "../../components/page";
import { storageQuery, workersQuery } from "./queries";

export function Storage() {
  const { t } = useTranslation();
  const format = useFormat();
  const storage = useQuery(storageQuery);
  const workers = useQuery(workersQuery);
  const free = (workers.data?.items ?? []).flatMap((worker) => worker.scratch_free_bytes ?? []);
  return (
    <Panel title={t("operations.storage")}>
      <Loaded query={storage}>
        {(data) => (
          <>
            <Figures>
              <Figure
                label={t("operations.snapshotBytes")}
                value={format.bytes(data.bytes)}
                hint={t("operations.snapshotCount", { count: data.snapshots })}
              />
              {free.length > 0 && (
                <Figure
                  label={t("operations.leastFree")}
                  value={format.bytes(Math.min(...free))}
                  hint={t("operations.workerCount", { count: free.length })}
                />
              )}
            </Figures>
            {!data.complete && (
              <Text size="xs" c="dimmed" mt="xs">
                {t("operations.storagePart", { count: data.snapshots })}
              </Text>
            )}
          </>
        )}
      </Loaded>
    </Panel>
  );
}
