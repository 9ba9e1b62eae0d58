// Parts that every page is made of: header, panels, numbers, empty and failed states.
import { ActionIcon, Button, Code, CopyButton, Group, Skeleton, Stack, Text, Title, Tooltip } from "@mantine/core";
import { IconAlertTriangle, IconCheck, IconCopy, IconRefresh } from "@tabler/icons-react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";

import { ApiProblem } from "../api/problem";
import { useFormat } from "./format";
import classes from "./page.module.css";

interface PageProps {
  title: string;
  /** What stands beside the title, such as a state. */
  badge?: ReactNode;
  crumbs?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
  wide?: boolean;
}

export function Page({ title, badge, crumbs, actions, children, wide = false }: PageProps) {
  return (
    <div className={classes["page"]} data-wide={wide}>
      <title>{`${title} · Aprendiz`}</title>
      <header className={classes["header"]}>
        <div className={classes["heading"]}>
          {crumbs !== undefined && (
            <nav className={classes["crumbs"]} aria-label="breadcrumb">
              {crumbs}
            </nav>
          )}
          <Group gap="sm" wrap="wrap">
            <Title order={1} className="wrap">
              {title}
            </Title>
            {badge}
          </Group>
        </div>
        {actions !== undefined && <Group gap="xs">{actions}</Group>}
      </header>
      {children}
    </div>
  );
}

export function Panel({ title, actions, children }: { title?: string; actions?: ReactNode; children: ReactNode }) {
  return (
    <section className={classes["panel"]} aria-label={title}>
      {title !== undefined && (
        <Group justify="space-between" gap="xs" className={classes["panelHeader"]}>
          <Title order={2} size="h3">
            {title}
          </Title>
          {actions}
        </Group>
      )}
      {children}
    </section>
  );
}

export function Figure({ label, value, hint, tone }: { label: string; value: ReactNode; hint?: ReactNode; tone?: "failed" | "retrying" }) {
  return (
    <div className={classes["figure"]} data-tone={tone}>
      <div className={classes["figureLabel"]}>{label}</div>
      <div className={classes["figureValue"]}>{value}</div>
      {hint !== undefined && <div className={classes["figureHint"]}>{hint}</div>}
    </div>
  );
}

export function Figures({ children }: { children: ReactNode }) {
  return <div className={classes["figures"]}>{children}</div>;
}

/** Relative time, with the absolute one on hover. */
export function Time({ at }: { at: string | null | undefined }) {
  const format = useFormat();
  if (at === null || at === undefined) return <span className="dimmed">–</span>;
  return (
    <time dateTime={at} title={`${format.absolute(at)} (${at})`} className={classes["time"]}>
      {format.relative(at)}
    </time>
  );
}

export function CopyId({ id, label }: { id: string; label: string }) {
  const { t } = useTranslation();
  return (
    <CopyButton value={id}>
      {({ copied, copy }) => (
        <Tooltip label={copied ? t("common.copied") : `${label}: ${id}`}>
          <ActionIcon size="sm" onClick={copy} aria-label={`${t("common.copy")}: ${label}`}>
            {copied ? <IconCheck size={14} /> : <IconCopy size={14} />}
          </ActionIcon>
        </Tooltip>
      )}
    </CopyButton>
  );
}

export function CodeBlock({ code, label }: { code: string; label: string }) {
  return (
    <div className={classes["code"]}>
      {/* a long command scrolls, also by keyboard */}
      <Code block tabIndex={0} aria-label={label}>
        {code}
      </Code>
      <div className={classes["codeCopy"]}>
        <CopyId id={code} label={label} />
      </div>
    </div>
  );
}

/** A list without rows: what comes next, and the command that does it. */
export function EmptyState({ title, text, command, action }: { title: string; text: string; command?: string; action?: ReactNode }) {
  return (
    <Stack gap="xs" align="center" className={classes["empty"]}>
      <Text fw={600}>{title}</Text>
      <Text size="sm" c="dimmed" maw={520} ta="center">
        {text}
      </Text>
      {command !== undefined && <CodeBlock code={command} label={command} />}
      {action}
    </Stack>
  );
}

/** What failed, why, the way out, the id of the request, and a retry. */
export function ErrorNote({ error, retry }: { error: unknown; retry?: (() => void) | undefined }) {
  const { t } = useTranslation();
  const problem = error instanceof ApiProblem ? error.problem : undefined;
  const requestId = error instanceof ApiProblem ? error.requestId : undefined;
  const text = problem?.detail ?? (error instanceof TypeError ? t("error.network") : String(error));
  return (
    <div role="alert" className={classes["error"]}>
      <IconAlertTriangle size={18} aria-hidden />
      <Stack gap={4} className={classes["errorBody"]}>
        <Text size="sm" fw={600}>
          {problem?.title ?? t("error.title")}
        </Text>
        <Text size="sm" className="wrap">
          {text}
        </Text>
        {problem?.hint !== null && problem?.hint !== undefined && (
          <Text size="sm" className="wrap">
            {problem.hint.request}
          </Text>
        )}
        {problem !== undefined && (
          <Text size="xs" c="dimmed" className="wrap">
            {problem.code}
            {requestId !== undefined && ` · ${t("error.requestId")} ${requestId}`}
          </Text>
        )}
      </Stack>
      {retry !== undefined && (
        <Button variant="default" leftSection={<IconRefresh size={14} />} onClick={retry}>
          {t("common.retry")}
        </Button>
      )}
    </div>
  );
}

/** Keeps the layout while rows load. */
export function SkeletonRows({ rows = 8 }: { rows?: number }) {
  return (
    <div aria-busy="true">
      {Array.from({ length: rows }, (_, index) => (
        <div key={index} className={classes["skeletonRow"]}>
          <Skeleton height={12} radius="sm" />
        </div>
      ))}
    </div>
  );
}

interface LoadedProps<T> {
  query: { data: T | undefined; error: unknown; refetch: () => unknown };
  skeleton?: ReactNode;
  children: (data: T) => ReactNode;
}

/** Data of a query, its skeleton or its error. Data stays visible when a refresh fails. */
export function Loaded<T>({ query, skeleton, children }: LoadedProps<T>) {
  const retry = (): void => void query.refetch();
  if (query.data !== undefined) {
    return (
      <>
        {query.error !== null && <ErrorNote error={query.error} retry={retry} />}
        {children(query.data)}
      </>
    );
  }
  return query.error === null ? (skeleton ?? <SkeletonRows />) : <ErrorNote error={query.error} retry={retry} />;
}

/** Term and description pairs. */
export function Facts({ items }: { items: readonly (readonly [string, ReactNode])[] }) {
  return (
    <dl className={classes["facts"]}>
      {items.map(([term, description]) => (
        <div key={term}>
          <dt>{term}</dt>
          <dd>{description}</dd>
        </div>
      ))}
    </dl>
  );
}

/** A list of values; an empty list is the answer "no value". */
export function ValueText({ value }: { value: readonly string[] | null | undefined }) {
  const { t } = useTranslation();
  if (value === null || value === undefined) return <span className="dimmed">–</span>;
  if (value.length === 0) return <span title={t("common.noValue")}>∅</span>;
  return <span className="wrap">{value.join(", ")}</span>;
}
