// Pages for an unknown address and for a page that failed.
import { Stack, Text } from "@mantine/core";
import { type ErrorComponentProps, Link, Outlet, useRouter } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";

import { ErrorNote, Page, SkeletonRows } from "../components/page";

export function Root() {
  return <Outlet />;
}

export function MissingPage() {
  const { t } = useTranslation();
  return (
    <Page title={t("error.missingTitle")}>
      <Stack gap="xs">
        <Text size="sm">{t("error.missingText")}</Text>
        <Link to="/runs">{t("error.goHome")}</Link>
      </Stack>
    </Page>
  );
}

export function FailedPage({ error, reset }: ErrorComponentProps) {
  const { t } = useTranslation();
  const router = useRouter();
  return (
    <Page title={t("error.failedTitle")}>
      <ErrorNote
        error={error}
        retry={() => {
          reset();
          void router.invalidate();
        }}
      />
    </Page>
  );
}

export function PendingPage() {
  return (
    <div className="pending">
      <SkeletonRows rows={6} />
    </div>
  );
}
