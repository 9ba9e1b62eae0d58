// Words for the name of a metric in the API.
import { useTranslation } from "react-i18next";

/** Names metrics in the language of the page. A name that is not known stays as it is. */
export function useMetricName(): (name: string) => string {
  const { t, i18n } = useTranslation();
  return (name) => (/^\w+$/.test(name) && i18n.exists(`metricNames.${name}`) ? t(`metricNames.${name}` as "metricNames.accuracy") : name);
}
